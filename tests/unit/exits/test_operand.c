/* Where memory operands lie: offset, segment and linear address (APM vol. 3, 1.4 to 1.7). */
#include <string.h>

#include "core/exits/handlers.h"
#include "models/vcpu_model.h"
#include "testing.h"

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    vcpu = vcpu_model_init(WORK);
    return 0;
}

static struct insn decode(const char *text, enum insn_mode mode)
{
    unsigned length = vcpu_model_code(vcpu, 0, text);

    return insn_decode(memory_model_at(MODEL_CODE), length, mode);
}

/* Register n holds 10^n in hexadecimal, so that the sum tells which were added, and how often. */
static void memory_operands_have_their_addresses(void **state)
{
    static const struct {
        enum insn_mode mode;
        const char *code;
        enum insn_segment segment;
        uint64_t offset;
    } rows[] = {
        {INSN_64, "8b 03", INSN_DS, 0x1000},
        {INSN_64, "8b 43 ff", INSN_DS, 0xfff},
        {INSN_64, "8b 83 00 00 00 80", INSN_DS, 0xffffffff80001000},
        {INSN_64, "67 8b 83 00 00 00 80", INSN_DS, 0x80001000},
        {INSN_64, "8b 45 00", INSN_SS, 0x100000},
        {INSN_64, "41 8b 45 00", INSN_DS, 1ull << 52}, /* R13 isn't RBP */
        {INSN_64, "8b 04 24", INSN_SS, 0x10000},
        {INSN_64, "42 8b 04 4d 00 00 00 00", INSN_DS, 2ull << 36},
        {INSN_64, "8b 44 cb 08", INSN_DS, 0x1000 + 8 * 0x10 + 8},
        {INSN_64, "46 8b 04 a3", INSN_DS, 0x1000 + (4ull << 48)},
        {INSN_64, "8b 05 10 00 00 00", INSN_DS, 0x7016}, /* behind the instruction */
        {INSN_64, "c7 05 10 00 00 00 01 02 03 04", INSN_DS, 0x701a},
        {INSN_64, "64 8b 04 25 28 00 00 00", INSN_FS, 0x28},
        {INSN_64, "64 2e 8b 03", INSN_FS, 0x1000}, /* CS is ignored */
        {INSN_64, "2e 8b 03", INSN_DS, 0x1000},
        {INSN_64, "64 65 8b 03", INSN_GS, 0x1000},
        {INSN_64, "65 48 a1 01 02 03 04 05 06 07 08", INSN_GS, 0x0807060504030201},
        {INSN_32, "8b 05 10 00 00 00", INSN_DS, 0x10},
        {INSN_32, "2e 8b 03", INSN_CS, 0x1000},
        {INSN_32, "36 8b 03", INSN_SS, 0x1000},
        {INSN_32, "26 36 3e 8b 45 00", INSN_DS, 0x100000},
        {INSN_32, "8b 5c e4 f0", INSN_SS, 0xfff0}, /* ESP is no index */
        {INSN_16, "8b 00", INSN_DS, 0x1000},       /* BX + SI, cut to 16 bits */
        {INSN_16, "8b 42 10", INSN_SS, 0x10},      /* BP + SI */
        {INSN_16, "8b 46 ff", INSN_SS, 0xffff},    /* BP */
        {INSN_16, "8b 06 34 12", INSN_DS, 0x1234},
        {INSN_16, "26 a1 34 12", INSN_ES, 0x1234},
        {INSN_16, "67 8b 04 4b", INSN_DS, 0x1000 + 2 * 0x10},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct insn insn = decode(rows[i].code, rows[i].mode);
        const struct insn_memory *m = &insn.memory;
        uint64_t base = m->base == INSN_NONE  ? 0
                        : m->base == INSN_RIP ? 0x7000u + insn.length
                                              : 1ull << 4 * m->base;
        uint64_t index = m->index == INSN_NONE ? 0 : 1ull << 4 * m->index;

        assert_true(m->is_there);
        if (m->segment != rows[i].segment || insn_offset(m, base, index) != rows[i].offset)
            fail_msg("%s: segment %u, offset %#lx", rows[i].code, m->segment,
                     insn_offset(m, base, index));
    }
}

static uint64_t linear_of(enum insn_mode mode, const char *text)
{
    struct insn insn;

    vcpu_model_mode(vcpu, mode);
    vcpu->vmcb->cs.base = 0x100;
    vcpu_model_code(vcpu, 0, text);
    vcpu->vmcb->ds.base = 0x20000;
    vcpu->vmcb->ss.base = 0x300000;
    vcpu->vmcb->es.base = 0x4000000;
    vcpu->vmcb->fs.base = 0x50000000;
    vcpu->vmcb->gs.base = 0xffff800000000000;
    vcpu->gpr[RBX] = 0xffffffff00008000;
    vcpu->gpr[RBP] = 0x11;
    vcpu->vmcb->rsp = 0x12;
    vcpu->vmcb->rax = 0x13;
    insn = insn_decode(memory_model_at(MODEL_CODE), 15, mode);
    assert_int_not_equal(insn.kind, INSN_UNKNOWN);
    return exits_linear(vcpu, &insn);
}

static void segments_have_bases(void **state)
{
    (void)state;
    assert_int_equal(linear_of(INSN_16, "8b 07"), 0x28000);
    assert_int_equal(linear_of(INSN_16, "0f 01 3f"), 0x28000); /* INVLPG */
    assert_int_equal(linear_of(INSN_16, "2e 8b 07"), 0x8100);
    assert_int_equal(linear_of(INSN_16, "8b 46 00"), 0x300011);
    assert_int_equal(linear_of(INSN_32, "8b 03"), 0x28000);
    assert_int_equal(linear_of(INSN_32, "26 8b 03"), 0x4008000);
    assert_int_equal(linear_of(INSN_32, "8b 04 24"), 0x300012);
    assert_int_equal(linear_of(INSN_32, "8b 04 03"), 0x28013);
    assert_int_equal(linear_of(INSN_32, "64 8b 03"), 0x50008000);
    assert_int_equal(linear_of(INSN_32, "65 8b 83 00 80 ff ff"), 0); /* wraps at 4 GiB */
}

static void only_fs_and_gs_have_bases_in_64_bit_code(void **state)
{
    (void)state;
    assert_int_equal(linear_of(INSN_64, "8b 03"), 0xffffffff00008000);
    assert_int_equal(linear_of(INSN_64, "67 8b 03"), 0x8000);
    assert_int_equal(linear_of(INSN_64, "67 64 8b 03"), 0x50008000);
    assert_int_equal(linear_of(INSN_64, "65 8b 04 25 08 00 00 00"), 0xffff800000000008);
    assert_int_equal(linear_of(INSN_64, "67 65 8b 03"), 0xffff800000008000);
    assert_int_equal(linear_of(INSN_64, "8b 45 00"), 0x11);
    assert_int_equal(linear_of(INSN_64, "0f 01 3c 24"), 0x12);
    assert_int_equal(linear_of(INSN_64, "8b 05 00 00 00 00"), vcpu->vmcb->rip + 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(memory_operands_have_their_addresses, start),
        cmocka_unit_test_setup(segments_have_bases, start),
        cmocka_unit_test_setup(only_fs_and_gs_have_bases_in_64_bit_code, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
