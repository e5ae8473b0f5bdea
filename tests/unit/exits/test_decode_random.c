/*
 * The decoder against random code: it survives any bytes, and what it says of an instruction is
 * what Zydis says, a decoder that shares nothing with it.
 */
#include <stdlib.h>

#include "exits/zydis.h"
#include "testing.h"

#define RUNS 1000000
#define CODE 20 /* bytes: more than an instruction may have */

static uint64_t random_state;

static uint32_t random_32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
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

/* Code in which our instructions are frequent: prefixes, an opcode of ours or near, anything. */
static void make_code(uint8_t *code, enum insn_mode mode)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e,
                                       0x64, 0x65, 0xf2, 0xf3, 0xf0};
    static const uint8_t one[] = {0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3,
                                  0xc6, 0xc7, 0xf4, 0x90, 0xcc, 0xcd, 0xce, 0xf1};
    static const uint8_t two[] = {0x01, 0x06, 0x08, 0x09, 0x20, 0x21, 0x22, 0x23,
                                  0x30, 0x31, 0x32, 0xa2, 0xb6, 0xb7, 0xbe, 0xbf};
    unsigned at = 0;

    for (unsigned i = 0; i < CODE; i++)
        code[i] = (uint8_t)random_32();
    while (at < 8 && random_32() % 5 < 2)
        code[at++] = mode == INSN_64 && random_32() % 8 == 0
                         ? 0x40 | random_32() % 16 /* a REX that the CPU ignores */
                         : prefixes[random_32() % (random_32() % 8 ? 10 : 11)];
    if (mode == INSN_64 && random_32() % 2)
        code[at++] = 0x40 | random_32() % 16;
    if (random_32() % 16 == 0)
        return;
    if (random_32() % 2) {
        code[at] = one[random_32() % sizeof(one)];
        if ((code[at++] & 0xfe) == 0xc6 && random_32() % 2)
            code[at] &= 0xc7; /* the only form that is MOV */
    } else {
        code[at++] = 0x0f;
        code[at++] = two[random_32() % sizeof(two)];
    }
}

static void another_decoder_agrees(void **state)
{
    unsigned known[INSN_OTHER + 1] = {0};

    (void)state;
    random_state = 2;
    for (unsigned run = 0; run < RUNS; run++) {
        enum insn_mode mode = (enum insn_mode)(random_32() % 3);
        struct zydis_finding found;
        uint8_t code[CODE];

        make_code(code, mode);
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
