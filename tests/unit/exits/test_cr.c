/* Accesses to control registers: the instruction is found, its value judged or delivered. */
#include <string.h>

#include "hw/apic.h"
#include "hw/x86.h"
#include "models/console_model.h"
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

static bool write_cr0(const char *code)
{
    vcpu_model_code(vcpu, 0, code);
    vcpu->vmcb->interrupt_shadow = 1;
    return vcpu_model_exit(vcpu, SVM_EXIT_CR0_SEL_WRITE, 0, 0);
}

static void assert_written(uint64_t cr0, unsigned length)
{
    assert_int_equal(vcpu->vmcb->cr0, cr0);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + length);
    assert_int_equal(vcpu->vmcb->interrupt_shadow, 0);
    assert_int_equal(vcpu->vmcb->eventinj, 0);
}

static void every_register_can_be_the_source(void **state)
{
    static const char *const code[] = {
        "0f 22 c0",    "0f 22 c1",    "0f 22 c2",    "0f 22 c3",    "0f 22 c4",    "0f 22 c5",
        "0f 22 c6",    "0f 22 c7",    "41 0f 22 c0", "41 0f 22 c1", "41 0f 22 c2", "41 0f 22 c3",
        "41 0f 22 c4", "41 0f 22 c5", "41 0f 22 c6", "41 0f 22 c7",
    };

    (void)state;
    for (unsigned reg = 0; reg < GPRS; reg++) {
        start(NULL);
        svm_set_gpr(vcpu, reg, CR0_PG | CR0_PE | CR0_WP | CR0_ET);
        assert_true(write_cr0(code[reg]));
        assert_written(CR0_PG | CR0_PE | CR0_WP | CR0_ET, reg < 8 ? 3 : 4);
    }
}

static void upper_halves_count_in_64_bit_code_only(void **state)
{
    (void)state;
    vcpu->gpr[RBX] = 0xffffffff00000000 | CR0_PG | CR0_PE | CR0_WP | CR0_ET;
    assert_true(write_cr0("0f 22 c3"));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
    assert_int_equal(vcpu->vmcb->cr0 & CR0_WP, 0);
    vcpu->vmcb->cs.attributes = VMCB_SEG_CODE32; /* compatibility mode */
    assert_true(write_cr0("0f 22 c3"));
    assert_written(CR0_PG | CR0_PE | CR0_WP | CR0_ET, 3);
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->gpr[RBX] = 0xffffffff00000000 | CR0_PE | CR0_WP;
    assert_true(write_cr0("0f 22 c3"));
    assert_written(CR0_PE | CR0_WP | CR0_ET, 3);
}

static void a_refused_value_is_a_fault_and_changes_nothing(void **state)
{
    (void)state;
    for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
        uint64_t cr0;

        vcpu_model_mode(vcpu, mode);
        cr0 = vcpu->vmcb->cr0;
        vcpu->vmcb->rax = CR0_PG;
        assert_true(write_cr0("0f 22 c0"));
        assert_int_equal(vcpu->vmcb->cr0, cr0);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
        assert_int_equal(vcpu->vmcb->eventinj,
                         mode == INSN_16 ? MODEL_EXCEPTION(VECTOR_GP) : MODEL_GP);
    }
}

static void clts_clears_ts_alone(void **state)
{
    (void)state;
    vcpu->vmcb->cr0 |= CR0_TS | CR0_WP;
    assert_true(write_cr0("0f 06"));
    assert_written(CR0_PG | CR0_PE | CR0_ET | CR0_WP, 2);
}

/* APM vol. 3: LMSW writes PE, MP, EM and TS, and can't clear PE. */
static void lmsw_writes_its_four_bits(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_16);
    vcpu->vmcb->cr0 |= CR0_TS;
    vcpu->vmcb->rax = 0xfffffff0 | CR0_PE | CR0_MP;
    assert_true(write_cr0("0f 01 f0"));
    assert_written(CR0_PE | CR0_MP | CR0_ET, 3);
    vcpu->vmcb->rax = CR0_EM;
    assert_true(write_cr0("0f 01 f0"));
    assert_written(CR0_PE | CR0_EM | CR0_ET, 3);
}

static void what_is_no_write_of_cr0_stops_the_domain(void **state)
{
    static const char *const code[] = {"0f 22 d8", "44 0f 22 c0", "0f 20 c0", "90"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(NULL);
        assert_false(write_cr0(code[i]));
        assert_non_null(strstr(console_text, "work: stopped: its write of a control register"));
    }
    start(NULL);
    vcpu->vmcb->rip = 0x5000; /* no code there at all */
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_CR0_SEL_WRITE, 0, 0));
}

/* The instruction that turns paging off ends in another mode than it began. */
static void leaving_long_mode_cuts_rip_to_32_bits(void **state)
{
    (void)state;
    vcpu->vmcb->cs.attributes = VMCB_SEG_CODE32; /* compatibility mode */
    vcpu->vmcb->rax = CR0_PE;
    assert_true(write_cr0("0f 22 c0"));
    assert_written(CR0_PE | CR0_ET, 3);
    assert_int_equal(vcpu->vmcb->efer, EFER_SVME);
}

/* Whatever a policy intercepts with nested paging does what it would do without. */
static bool access(uint64_t exit, const char *code)
{
    vcpu_model_code(vcpu, 0, code);
    return vcpu_model_exit(vcpu, exit, 0, 0);
}

static void each_register_can_be_written(void **state)
{
    (void)state;
    cpu_model.cpuid[0].leaf = CPUID_FEATURES;
    cpu_model.cpuid[0].answer.edx = ~0u;
    vcpu->vmcb->rax = 0x7000;
    assert_true(access(SVM_EXIT_CR3_WRITE, "0f 22 d8"));
    assert_int_equal(vcpu->vmcb->cr3, 0x7000);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    assert_true(vcpu_model_flushed(vcpu));
    vcpu_model_mode(vcpu, INSN_64);
    vcpu->vmcb->rax = CR4_PAE | CR4_PGE;
    assert_true(access(SVM_EXIT_CR4_WRITE, "0f 22 e0"));
    assert_int_equal(vcpu->vmcb->cr4, CR4_PAE | CR4_PGE);
    vcpu->vmcb->rax = 7;
    assert_true(access(SVM_EXIT_CR8_WRITE, "44 0f 22 c0"));
    assert_int_equal(cpu_model.apic_log.write[0].value, 0x70);
    vcpu->vmcb->rax = 0x11;
    assert_true(access(SVM_EXIT_CR8_WRITE, "44 0f 22 c0"));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    vcpu->vmcb->rax = 0;
    assert_true(access(SVM_EXIT_CR4_WRITE, "0f 22 e0"));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    assert_int_equal(vcpu->vmcb->cr4, CR4_PAE | CR4_PGE);
    vcpu->vmcb->rax = 1ull << 62;
    assert_true(access(SVM_EXIT_CR3_WRITE, "0f 22 d8"));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    vcpu->vmcb->rax = CR0_PG | CR0_PE | CR0_ET | CR0_TS;
    assert_true(access(SVM_EXIT_CR0_WRITE, "0f 22 c0"));
    assert_int_equal(vcpu->vmcb->cr0, CR0_PG | CR0_PE | CR0_ET | CR0_TS);
}

static void each_register_can_be_read(void **state)
{
    (void)state;
    vcpu->vmcb->cr0 |= CR0_WP;
    vcpu->gpr[RCX] = vcpu->gpr[RDX] = vcpu->vmcb->rax = ~0ull;
    assert_true(access(SVM_EXIT_CR0_READ, "0f 20 c0"));
    assert_int_equal(vcpu->vmcb->rax, CR0_PG | CR0_PE | CR0_ET | CR0_WP);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    assert_true(access(SVM_EXIT_CR3_READ, "0f 20 d9"));
    assert_int_equal(vcpu->gpr[RCX], vcpu->vmcb->cr3);
    assert_true(access(SVM_EXIT_CR4_READ, "41 0f 20 e7"));
    assert_int_equal(vcpu->gpr[R15], CR4_PAE);
    cpu_model.apic[APIC_TPR / 4] = 0x90;
    assert_true(access(SVM_EXIT_CR8_READ, "44 0f 20 c2"));
    assert_int_equal(vcpu->gpr[RDX], 9);
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->gpr[RBX] = ~0ull;
    vcpu->vmcb->cr3 = 0xfffff00000001000;
    assert_true(access(SVM_EXIT_CR3_READ, "0f 20 db"));
    assert_int_equal(vcpu->gpr[RBX], 0x1000); /* 32-bit results clear the upper half */
}

/* APM vol. 3: SMSW stores as many bits of CR0 as its operand has. */
static void smsw_reads_cr0(void **state)
{
    (void)state;
    vcpu->vmcb->rax = vcpu->gpr[RBX] = 0x1122334455667788;
    assert_true(access(SVM_EXIT_CR0_READ, "66 0f 01 e0"));
    assert_int_equal(vcpu->vmcb->rax, 0x1122334455660011);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 4);
    assert_true(access(SVM_EXIT_CR0_READ, "0f 01 e3"));
    assert_int_equal(vcpu->gpr[RBX], CR0_PG | CR0_PE | CR0_ET);
}

static void what_is_no_access_to_that_register_stops_the_domain(void **state)
{
    static const struct {
        uint64_t exit;
        const char *code;
    } rows[] = {
        {SVM_EXIT_CR0_READ, "0f 20 d8"},  {SVM_EXIT_CR0_READ, "0f 22 c0"},
        {SVM_EXIT_CR0_READ, "90"},        {SVM_EXIT_CR3_READ, "0f 01 e0"},
        {SVM_EXIT_CR3_READ, "0f 20 c0"},  {SVM_EXIT_CR3_WRITE, "0f 06"},
        {SVM_EXIT_CR4_WRITE, "0f 01 f0"}, {SVM_EXIT_CR3_WRITE, "0f 22 e0"},
        {SVM_EXIT_CR8_WRITE, "0f 22 c0"}, {SVM_EXIT_CR4_WRITE, "0f a2"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(NULL);
        assert_false(access(rows[i].exit, rows[i].code));
        assert_non_null(strstr(console_text, "of a control register is no instruction"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_register_can_be_the_source, start),
        cmocka_unit_test_setup(upper_halves_count_in_64_bit_code_only, start),
        cmocka_unit_test_setup(a_refused_value_is_a_fault_and_changes_nothing, start),
        cmocka_unit_test_setup(clts_clears_ts_alone, start),
        cmocka_unit_test_setup(lmsw_writes_its_four_bits, start),
        cmocka_unit_test_setup(what_is_no_write_of_cr0_stops_the_domain, start),
        cmocka_unit_test_setup(leaving_long_mode_cuts_rip_to_32_bits, start),
        cmocka_unit_test_setup(each_register_can_be_written, start),
        cmocka_unit_test_setup(each_register_can_be_read, start),
        cmocka_unit_test_setup(smsw_reads_cr0, start),
        cmocka_unit_test_setup(what_is_no_access_to_that_register_stops_the_domain, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
