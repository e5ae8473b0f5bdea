/*
 * The decoder against random code: it survives any bytes, and what it says of an instruction is
 * what Zydis says, a decoder that shares nothing with it.
 */
#include <stdlib.h>

#include "exits/zydis.h"
#include "testing.h"

#define RUNS 1000000

static uint64_t random_state;

static uint32_t random_32(void)
{
    return zydis_random(&random_state);
}

static void any_bytes_are_survived(void **state)
{
    uint8_t *end = (uint8_t *)malloc(17) + 17;
    uint64_t known = 0;

    (void)state;
    random_state = 1;
    for (unsigned run = 0; run < RUNS; run++) {
        size_t size = run % 18;
        enum insn_mode mode = (enum insn_mode)(random_32() % 3);
        struct insn insn;

        for (size_t i = 1; i <= size; i++)
            end[-(ptrdiff_t)i] = (uint8_t)random_32();
        if (size > 2 && random_32() % 2)
            end[-(ptrdiff_t)size] = 0x0f;
        insn = insn_decode(end - size, size, mode);
        if (insn.kind == INSN_UNKNOWN) {
            assert_int_equal(insn.length, 0);
            continue;
        }
        known++;
        assert_in_range(insn.length, 1, size < INSN_MAX ? size : INSN_MAX);
        assert_in_range(insn.kind, INSN_LOAD, INSN_OTHER);
        assert_in_range(insn.reg, 0, mode == INSN_64 ? 15 : 7);
        if (insn.memory.is_there) {
            assert_true(insn.memory.scale == 1 || insn.memory.scale == 2 ||
                        insn.memory.scale == 4 || insn.memory.scale == 8);
            assert_in_range(insn.memory.segment, INSN_ES, INSN_GS);
        }
        if (insn.kind <= INSN_STORE_I)
            assert_true(insn.size == 1 || insn.size == 2 || insn.size == 4 || insn.size == 8);
    }
    free(end - 17);
    assert_true(known > RUNS / 100);
}

static void another_decoder_agrees(void **state)
{
    unsigned known[INSN_OTHER + 1] = {0};

    (void)state;
    random_state = 2;
    for (unsigned run = 0; run < RUNS; run++) {
        enum insn_mode mode = (enum insn_mode)(random_32() % 3);
        struct zydis_finding found;
        uint8_t code[ZYDIS_CODE];

        zydis_random_code(&random_state, code, mode);
        if (!zydis_agrees(code, sizeof(code), mode, &found))
            fail_msg("%s", found.text);
        known[found.kind]++;
    }
    for (unsigned kind = INSN_LOAD; kind <= INSN_OTHER; kind++)
        assert_true(known[kind] > RUNS / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_are_survived),
        cmocka_unit_test(another_decoder_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
