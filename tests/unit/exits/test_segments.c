/*
 * Operands in memory that core touches for the domain: SMSW and LMSW by the rules of segments (APM
 * vol. 2, 4.7, 4.12), in each mode, with nested paging and with shadow tables.
 */
#include <string.h>

#include "core/exits/mode.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/shadow_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define OPERAND     0x800u /* behind MODEL_CODE */
#define AT          (MODEL_CODE + OPERAND)
#define PRESENT     0x80u
#define CODE        0x18u /* S, code */
#define DATA        0x10u
#define DOWN        0x04u
#define RIGHT       0x02u /* data: write, code: read */
#define FAULT(v)    (MODEL_EXCEPTION(v) | VMCB_EVENT_HAS_ERROR)
#define FLAT        ((struct vmcb_segment){.attributes = VMCB_SEG_DATA, .limit = 0xffffffff})
#define HALF_HIGHER 0x0000800000000000ull

static struct vcpu *vcpu;
static uint8_t *operand;

static void start_in(enum insn_mode mode, unsigned paging)
{
    vcpu_model_reset();
    memset(&shadow_model, 0, sizeof(shadow_model));
    image_model.domain[WORK].paging = (uint8_t)paging;
    vcpu = vcpu_model_init(WORK);
    vcpu_model_mode(vcpu, mode);
    operand = (uint8_t *)memory_model_at(MODEL_CODE) + OPERAND;
    memset(operand - 4, 0xee, 12);
    vcpu->vmcb->ds = vcpu->vmcb->es = vcpu->vmcb->ss = FLAT;
    vcpu->vmcb->fs = vcpu->vmcb->gs = FLAT;
    vcpu->vmcb->cs.limit = 0xffffffff;
    vcpu->gpr[RBX] = AT;
    vcpu->gpr[RBP] = AT;
}

static int start(void **state)
{
    (void)state;
    start_in(INSN_32, BH_PAGING_NESTED);
    return 0;
}

static bool smsw(const char *code)
{
    vcpu_model_code(vcpu, 0, code);
    return vcpu_model_exit(vcpu, SVM_EXIT_CR0_READ, 0, 0);
}

static bool lmsw(const char *code)
{
    vcpu_model_code(vcpu, 0, code);
    return vcpu_model_exit(vcpu, SVM_EXIT_CR0_WRITE, 0, 0);
}

static void assert_stored(const char *code, unsigned offset)
{
    uint16_t word = (uint16_t)mode_cr0(vcpu);

    memset(operand - 4, 0xee, 12);
    assert_true(smsw(code));
    assert_int_equal(vcpu->vmcb->eventinj, 0);
    assert_memory_equal(operand + offset, &word, 2);
    assert_int_equal(operand[offset + 2], 0xee);
}

static void assert_fault(uint64_t event)
{
    uint64_t rip;

    memset(operand - 4, 0xee, 12);
    assert_true(smsw("0f 01 23"));
    rip = vcpu->vmcb->rip;
    assert_int_equal(vcpu->vmcb->eventinj, event);
    assert_int_equal(operand[0], 0xee);
    assert_int_equal(rip - MODEL_CODE + vcpu->vmcb->cs.base, 0);
}

static void each_mode_has_its_operand(void **state)
{
    static const unsigned pagings[] = {BH_PAGING_NESTED, BH_PAGING_SHADOW};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start_in(INSN_32, pagings[i]);
        assert_stored("0f 01 23", 0);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
        assert_stored("0f 01 65 04", 4);
        vcpu->vmcb->ds.base = vcpu->vmcb->ss.base = 0x10000;
        vcpu->gpr[RBX] = vcpu->gpr[RBP] = AT - 0x10000;
        assert_stored("0f 01 23", 0);
        assert_stored("0f 01 65 04", 4);
        operand[0] = CR0_PE | CR0_TS;
        operand[1] = 0;
        assert_true(lmsw("0f 01 33"));
        assert_int_equal(vcpu->vmcb->eventinj, 0);
        assert_true(mode_cr0(vcpu) & CR0_TS);
        start_in(INSN_16, pagings[i]);
        vcpu->vmcb->ds.base = MODEL_CODE;
        vcpu->vmcb->ds.limit = 0xffff;
        vcpu->gpr[RBX] = 0xffff0000 | OPERAND;
        assert_stored("0f 01 27", 0);
        start_in(INSN_64, pagings[i]);
        vcpu->vmcb->ds.base = 0x12345; /* 64-bit code has none, and no limits */
        vcpu->vmcb->ds.limit = 0;
        vcpu->vmcb->ds.attributes = 0;
        assert_stored("0f 01 23", 0);
    }
}

static void limits_are_of_the_last_byte(void **state)
{
    (void)state;
    vcpu->vmcb->ds.limit = AT + 1;
    assert_stored("0f 01 23", 0);
    vcpu->vmcb->ds.limit = AT;
    assert_fault(FAULT(VECTOR_GP));
    vcpu->vmcb->ss.limit = AT;
    assert_true(smsw("0f 01 65 00"));
    assert_int_equal(vcpu->vmcb->eventinj, FAULT(VECTOR_SS));
    vcpu->vmcb->ds.limit = 0xffffffff;
    vcpu->gpr[RBX] = 0xffffffff; /* no offset goes around */
    assert_fault(FAULT(VECTOR_GP));
    start_in(INSN_16, BH_PAGING_NESTED);
    vcpu->vmcb->ds.limit = 0xffff;
    vcpu->gpr[RBX] = 0xffff;
    vcpu_model_code(vcpu, 0, "0f 01 27");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_CR0_READ, 0, 0));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_GP)); /* real mode: no code */
}

static void types_of_segments_count_in_protected_mode(void **state)
{
    static const struct {
        uint16_t attributes;
        bool can_read, can_write;
    } rows[] = {
        {PRESENT | DATA | RIGHT, true, true},  {PRESENT | DATA, true, false},
        {PRESENT | CODE | RIGHT, true, false}, {PRESENT | CODE, false, false},
        {DATA | RIGHT, false, false},          {0, false, false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(NULL);
        vcpu->vmcb->ds.attributes = rows[i].attributes;
        operand[0] = CR0_PE;
        assert_true(lmsw("0f 01 33"));
        assert_int_equal(vcpu->vmcb->eventinj, rows[i].can_read ? 0 : FAULT(VECTOR_GP));
        if (rows[i].can_write)
            assert_stored("0f 01 23", 0);
        else
            assert_fault(FAULT(VECTOR_GP));
        vcpu_model_mode(vcpu, INSN_16); /* real mode, where they don't count */
        vcpu->vmcb->ds.base = MODEL_CODE;
        vcpu->gpr[RBX] = OPERAND;
        assert_stored("0f 01 27", 0);
    }
}

static void segments_that_grow_down_begin_at_their_limit(void **state)
{
    (void)state;
    vcpu->vmcb->ds.attributes = PRESENT | DATA | RIGHT | DOWN | VMCB_SEG_D;
    vcpu->vmcb->ds.limit = AT - 1;
    assert_stored("0f 01 23", 0);
    vcpu->vmcb->ds.limit = AT;
    assert_fault(FAULT(VECTOR_GP));
    vcpu->vmcb->ds.limit = AT - 1;
    vcpu->vmcb->ds.attributes &= (uint16_t)~VMCB_SEG_D; /* ends at FFFFh */
    assert_fault(FAULT(VECTOR_GP));
}

static void addresses_in_64_bit_code_are_canonical(void **state)
{
    static const uint64_t bad[] = {HALF_HIGHER, HALF_HIGHER - 1, 1ull << 63};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        start_in(INSN_64, BH_PAGING_SHADOW);
        vcpu->gpr[RBX] = vcpu->gpr[RBP] = bad[i];
        assert_fault(FAULT(VECTOR_GP));
        assert_true(smsw("0f 01 65 00"));
        assert_int_equal(vcpu->vmcb->eventinj, FAULT(VECTOR_SS));
    }
}

static void odd_addresses_are_checked_where_the_domain_wants_it(void **state)
{
    (void)state;
    vcpu->gpr[RBX] = AT + 1;
    assert_true(mode_write_cr0(vcpu, mode_cr0(vcpu) | CR0_AM));
    vcpu->vmcb->rflags |= RFLAGS_AC;
    assert_stored("0f 01 23", 1);
    vcpu->vmcb->cpl = 3;
    assert_fault(FAULT(VECTOR_AC));
    vcpu->gpr[RBX] = AT;
    assert_stored("0f 01 23", 0);
    vcpu->gpr[RBX] = AT + 1;
    vcpu->vmcb->rflags &= ~(uint64_t)RFLAGS_AC;
    assert_stored("0f 01 23", 1);
}

static void pages_have_the_last_word(void **state)
{
    (void)state;
    start_in(INSN_64, BH_PAGING_NESTED);
    shadow_model.result[0] = (struct shadow_result){SHADOW_PAGE_FAULT, 6, 0};
    assert_fault(FAULT(VECTOR_PF) | 6ull << 32);
    assert_int_equal(vcpu->vmcb->cr2, AT);
    assert_int_equal(shadow_model.error, 2);
    start_in(INSN_64, BH_PAGING_NESTED);
    shadow_model.result[1] = (struct shadow_result){SHADOW_PAGE_FAULT, 2, 0}; /* the second byte */
    assert_fault(FAULT(VECTOR_PF) | 2ull << 32);
    assert_int_equal(vcpu->vmcb->cr2, AT + 1);
    start_in(INSN_64, BH_PAGING_NESTED);
    vcpu->gpr[RBX] = 0x20000000; /* the p2m has nothing there */
    assert_false(smsw("0f 01 23"));
    assert_non_null(strstr(console_text, "memory that it may not reach"));
    start_in(INSN_64, BH_PAGING_NESTED);
    console_text[0] = 0;
    vcpu->vmcb->cr4 |= CR4_PKE;
    assert_false(smsw("0f 01 23"));
    assert_non_null(strstr(console_text, "tables that core can't walk"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_mode_has_its_operand, start),
        cmocka_unit_test_setup(limits_are_of_the_last_byte, start),
        cmocka_unit_test_setup(types_of_segments_count_in_protected_mode, start),
        cmocka_unit_test_setup(segments_that_grow_down_begin_at_their_limit, start),
        cmocka_unit_test_setup(addresses_in_64_bit_code_are_canonical, start),
        cmocka_unit_test_setup(odd_addresses_are_checked_where_the_domain_wants_it, start),
        cmocka_unit_test_setup(pages_have_the_last_word, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
