/* Instructions that core carries out for a domain, with the result that the CPU would give. */
#include <string.h>

#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define ADDRESS 0xffff8000deadbee0

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    return 0;
}

static bool executes(const char *code, uint64_t exit)
{
    vcpu_model_code(work, 0, code);
    work->vmcb->interrupt_shadow = 1;
    return vcpu_model_exit(work, exit, 0, 0);
}

static void assert_executed(const char *code, uint64_t exit)
{
    unsigned length = vcpu_model_code(work, 0, code);

    assert_true(executes(code, exit));
    assert_int_equal(work->vmcb->rip, MODEL_CODE + length);
    assert_int_equal(work->vmcb->interrupt_shadow, 0);
    assert_int_equal(work->vmcb->eventinj, 0);
}

static void assert_refused(const char *code, uint64_t exit, uint64_t event)
{
    assert_true(executes(code, exit));
    assert_int_equal(work->vmcb->rip, MODEL_CODE);
    assert_int_equal(work->vmcb->eventinj, event);
}

static void the_tsc_is_the_domains(void **state)
{
    static const uint64_t offsets[] = {0, 0x100000000, UINT64_MAX << 40};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t expected = cpu_model.tsc + MODEL_TSC_STEP + offsets[i];

        work->vmcb->tsc_offset = offsets[i];
        work->vmcb->rax = work->gpr[RDX] = work->gpr[RCX] = UINT64_MAX;
        assert_executed("0f 31", SVM_EXIT_RDTSC);
        assert_int_equal(work->vmcb->rax, (uint32_t)expected);
        assert_int_equal(work->gpr[RDX], expected >> 32);
        assert_int_equal(work->gpr[RCX], UINT64_MAX);
    }
}

static void rdtscp_has_its_msr_too(void **state)
{
    (void)state;
    cpu_model.has_rdtscp = true;
    assert_executed("0f 01 f9", SVM_EXIT_RDTSCP);
    assert_int_equal(work->gpr[RCX], (uint32_t)cpu_model_msr(MSR_TSC_AUX));
    work->gpr[RCX] = 0;
    assert_executed("0f 01 f9", SVM_EXIT_RDTSC); /* as QEMU has it */
    assert_int_equal(work->gpr[RCX], (uint32_t)cpu_model_msr(MSR_TSC_AUX));
    cpu_model.has_rdtscp = false; /* then core would fault at the MSR */
    cpu_model.msr_reads = 0;
    assert_executed("0f 01 f9", SVM_EXIT_RDTSC);
    assert_int_equal(cpu_model.msr_reads, 0);
}

static void invlpg_forgets_translations(void **state)
{
    (void)state;
    assert_executed("0f 01 38", SVM_EXIT_INVLPG);
    assert_true(vcpu_model_flushed(work));
}

static void what_is_over_when_it_exits_goes_on(void **state)
{
    static const uint64_t codes[] = {SVM_EXIT_EFER_WRITE_TRAP, SVM_EXIT_CR0_WRITE_TRAP,
                                     SVM_EXIT_CR2_WRITE_TRAP,  SVM_EXIT_CR3_WRITE_TRAP,
                                     SVM_EXIT_CR4_WRITE_TRAP,  SVM_EXIT_CR8_WRITE_TRAP};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        vcpu_model_code(work, 0, "0f a2");
        assert_true(vcpu_model_exit(work, codes[i], ADDRESS, 0));
        assert_int_equal(work->vmcb->rip, MODEL_CODE);
        assert_int_equal(work->vmcb->eventinj, 0);
    }
}

/* The lock that comes next is let pass, the one behind it exits again. */
static void bus_locks_go_on_one_by_one(void **state)
{
    (void)state;
    vcpu_model_code(work, 0, "f0 ff 00");
    for (unsigned i = 0; i < 3; i++) {
        work->vmcb->bus_lock_threshold = 0;
        assert_true(vcpu_model_exit(work, SVM_EXIT_BUSLOCK, 0, 0));
        assert_int_equal(work->vmcb->bus_lock_threshold, 1);
        assert_int_equal(work->vmcb->rip, MODEL_CODE);
    }
}

static void a_pause_is_over_at_once(void **state)
{
    (void)state;
    assert_executed("f3 90", SVM_EXIT_PAUSE);
    assert_executed("66 f3 90", SVM_EXIT_PAUSE);
    assert_null(work->asleep);
}

static void instructions_that_cpuid_hides_are_undefined(void **state)
{
    static const uint64_t codes[] = {SVM_EXIT_INVPCID, SVM_EXIT_MCOMMIT, SVM_EXIT_TLBSYNC,
                                     SVM_EXIT_RDPRU, SVM_EXIT_INVLPGB};

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_refused("66 0f 38 82 00", codes[i], MODEL_EXCEPTION(VECTOR_UD));
}

static void code_that_changed_stops_the_domain(void **state)
{
    static const struct {
        uint64_t exit;
        const char *code;
    } rows[] = {{SVM_EXIT_RDTSC, "0f 33"},        {SVM_EXIT_RDTSCP, "0f 01 f8"},
                {SVM_EXIT_PAUSE, "90"},           {SVM_EXIT_INVLPG, "0f 01 f8"},
                {SVM_EXIT_INVLPG, "0f 01 30"},    {SVM_EXIT_DR0_READ, "0f 23 c0"},
                {SVM_EXIT_DR0_WRITE, "0f 21 c0"}, {SVM_EXIT_DR7_WRITE, "0f 23 f0"}};

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(NULL);
        assert_false(executes(rows[i].code, rows[i].exit));
        assert_non_null(strstr(console_text, "its code changed"));
    }
}

/* MOV between RAX and a debug register; the VMCB holds DR6 and DR7. */
static void write_dr_of(unsigned number, uint64_t value)
{
    char code[] = "0f 23 c0";

    code[6] = "cdef"[number / 2];
    code[7] = number % 2 ? '8' : '0';
    work->vmcb->rax = value;
    assert_executed(code, SVM_EXIT_DR0_WRITE + number);
}

static uint64_t read_dr_of(unsigned number)
{
    char code[] = "0f 21 c0";

    code[6] = "cdef"[number / 2];
    code[7] = number % 2 ? '8' : '0';
    work->vmcb->rax = UINT64_MAX;
    assert_executed(code, SVM_EXIT_DR0_READ + number);
    return work->vmcb->rax;
}

static void debug_registers_keep_what_is_written(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 4; number++)
        write_dr_of(number, ADDRESS + number);
    for (unsigned number = 0; number < 4; number++)
        assert_int_equal(read_dr_of(number), ADDRESS + number);
    for (unsigned number = 4; number <= 6; number += 2) {
        write_dr_of(number, 0xffffffff);
        assert_int_equal(read_dr_of(number), 0xffffefff);
        assert_int_equal(work->vmcb->dr6, 0xffffefff);
        write_dr_of(number, 0);
        assert_int_equal(read_dr_of(number ^ 2), 0xffff0ff0);
        write_dr_of(number + 1, 0xffffdfff); /* all but GD */
        assert_int_equal(read_dr_of(number + 1), 0xffff07ff);
        assert_int_equal(work->vmcb->dr7, 0xffff07ff);
        write_dr_of(number + 1, 0);
        assert_int_equal(read_dr_of((number ^ 2) + 1), 0x400);
    }
}

static void debug_registers_are_32_bits_wide_outside_of_64_bit_code(void **state)
{
    (void)state;
    for (enum insn_mode mode = INSN_16; mode <= INSN_32; mode++) {
        vcpu_model_mode(work, mode);
        write_dr_of(1, ADDRESS);
        assert_int_equal(cpu_model.dr[1], (uint32_t)ADDRESS);
        cpu_model.dr[1] = ADDRESS;
        assert_int_equal(read_dr_of(1), (uint32_t)ADDRESS);
        write_dr_of(7, ADDRESS << 32 | 1);
        assert_int_equal(work->vmcb->dr7, 0x401);
    }
}

static void debug_registers_refuse_as_the_manual_says(void **state)
{
    (void)state;
    for (unsigned number = 4; number < 8; number++) { /* VMRUN would refuse these */
        static const char *const code[] = {"0f 23 e0", "0f 23 e8", "0f 23 f0", "0f 23 f8"};

        work->vmcb->rax = 1ull << 32;
        assert_refused(code[number - 4], SVM_EXIT_DR0_WRITE + number, MODEL_GP);
    }
    work->vmcb->cr4 |= CR4_DE;
    assert_refused("0f 23 e0", SVM_EXIT_DR4_WRITE, MODEL_EXCEPTION(VECTOR_UD));
    assert_refused("0f 21 e8", SVM_EXIT_DR5_READ, MODEL_EXCEPTION(VECTOR_UD));
    work->vmcb->dr7 = 0x2400; /* GD: the handler may then look */
    assert_refused("0f 21 c0", SVM_EXIT_DR0_READ, MODEL_EXCEPTION(VECTOR_DB));
    assert_int_equal(work->vmcb->dr6 & 0x2000, 0x2000);
    assert_int_equal(read_dr_of(7), 0x400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_tsc_is_the_domains, start),
        cmocka_unit_test_setup(rdtscp_has_its_msr_too, start),
        cmocka_unit_test_setup(invlpg_forgets_translations, start),
        cmocka_unit_test_setup(what_is_over_when_it_exits_goes_on, start),
        cmocka_unit_test_setup(bus_locks_go_on_one_by_one, start),
        cmocka_unit_test_setup(a_pause_is_over_at_once, start),
        cmocka_unit_test_setup(instructions_that_cpuid_hides_are_undefined, start),
        cmocka_unit_test_setup(code_that_changed_stops_the_domain, start),
        cmocka_unit_test_setup(debug_registers_keep_what_is_written, start),
        cmocka_unit_test_setup(debug_registers_are_32_bits_wide_outside_of_64_bit_code, start),
        cmocka_unit_test_setup(debug_registers_refuse_as_the_manual_says, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
