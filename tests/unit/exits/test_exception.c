/*
 * Intercepted exceptions and software interrupts: the domain takes them as if core had not seen
 * them (APM vol. 2, 8.2), also where one comes while another event is delivered (8.2.9).
 */
#include <string.h>

#include "core/exits/exits.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define ERROR    0x1234u
#define SOFTWARE (VMCB_EVENT_VALID | VMCB_EVENT_SOFTWARE)

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    work->vmcb->rip = MODEL_CODE;
    return 0;
}

static uint64_t exception(unsigned vector, bool has_error)
{
    return MODEL_EXCEPTION(vector) | (has_error ? VMCB_EVENT_HAS_ERROR | (uint64_t)ERROR << 32 : 0);
}

static void assert_takes(uint64_t code, uint64_t info1, uint64_t event)
{
    assert_true(vcpu_model_exit(work, code, info1, 0xffff800000001234));
    assert_int_equal(work->vmcb->eventinj, event);
}

static const struct {
    unsigned vector;
    bool has_error;
} exceptions[] = {{0, false}, {1, false},  {5, false}, {6, false},  {7, false}, {8, true},
                  {10, true}, {11, true},  {12, true}, {13, true},  {14, true}, {16, false},
                  {17, true}, {19, false}, {21, true}, {28, false}, {29, true}, {30, true}};
#define EXCEPTIONS (sizeof(exceptions) / sizeof(exceptions[0]))

static void each_exception_is_the_domains_with_its_error_code(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EXCEPTIONS; i++) {
        unsigned vector = exceptions[i].vector;

        work->vmcb->cr2 = 7;
        assert_takes(SVM_EXIT_EXCEPTION_DE + vector, ERROR,
                     exception(vector, exceptions[i].has_error));
        assert_int_equal(work->vmcb->rip, MODEL_CODE);
        assert_int_equal(work->vmcb->cr2, vector == VECTOR_PF ? 0xffff800000001234 : 7);
    }
}

/* Real mode pushes none (8.6). */
static void real_mode_has_no_error_codes(void **state)
{
    (void)state;
    vcpu_model_mode(work, INSN_16);
    for (unsigned i = 0; i < EXCEPTIONS; i++)
        assert_takes(SVM_EXIT_EXCEPTION_DE + exceptions[i].vector, ERROR,
                     exception(exceptions[i].vector, false));
}

/* What must come of `second` while `first` was delivered. */
static unsigned outcome(unsigned first, unsigned second)
{
    static const char contributory[] = {0, 10, 11, 12, 13};
    bool is_first = memchr(contributory, (int)first, 5),
         is_second = memchr(contributory, (int)second, 5);

    if (first == 8 && (is_second || second == 14))
        return 256; /* shutdown */
    if ((is_first && is_second) || (first == 14 && (is_second || second == 14)))
        return 8;
    return second;
}

static void two_faults_make_a_double_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EXCEPTIONS; i++)
        for (unsigned n = 0; n < EXCEPTIONS; n++) {
            unsigned first = exceptions[i].vector, second = exceptions[n].vector;
            unsigned expected = outcome(first, second);
            bool goes_on;

            start(NULL);
            work->vmcb->exitintinfo = exception(first, exceptions[i].has_error);
            goes_on = vcpu_model_exit(work, SVM_EXIT_EXCEPTION_DE + second, ERROR, 0);
            assert_int_equal(goes_on, expected < 256);
            if (!goes_on)
                assert_non_null(strstr(console_text, "work: stopped: shutdown (triple fault)"));
            else if (expected == 8 && second != 8)
                assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(8) | VMCB_EVENT_HAS_ERROR);
            else
                assert_int_equal(work->vmcb->eventinj, exception(second, exceptions[n].has_error));
        }
}

/* Whatever fault a handler finds, not only the CPU's: a task switch through a gate of the IDT. */
static void a_handlers_fault_counts_like_the_cpus(void **state)
{
    (void)state;
    work->vmcb->exitintinfo = exception(11, true);
    assert_takes(SVM_EXIT_TASK_SWITCH, 0, MODEL_EXCEPTION(8) | VMCB_EVENT_HAS_ERROR);
    work->vmcb->exitintinfo = VMCB_EVENT_VALID | VMCB_EVENT_INTR | 0x30;
    assert_takes(SVM_EXIT_TASK_SWITCH, 0, MODEL_GP);
    work->vmcb->exitintinfo = SOFTWARE | 11; /* INT 11 is no #NP */
    assert_takes(SVM_EXIT_TASK_SWITCH, 0, MODEL_GP);
}

/* Each comes by core, so each leaves room for what is pending there. */
static void endless_exceptions_do_not_hold_the_core(void **state)
{
    static const unsigned vectors[] = {VECTOR_DB, 17};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t event = exception(vectors[i], vectors[i] == 17);

        for (unsigned run = 0; run < 1000; run++) {
            work->vmcb->exitintinfo = event;
            assert_takes(SVM_EXIT_EXCEPTION_DE + vectors[i], ERROR, event);
        }
        assert_true(vcpu_model_exit(work, SVM_EXIT_NMI, 0, 0));
        assert_int_equal(model_windows, i + 1);
        assert_int_equal(work->vmcb->eventinj, event);
    }
}

static void assert_software(const char *code, uint64_t exit, uint64_t event)
{
    unsigned length = vcpu_model_code(work, 0, code);
    uint64_t rip = work->vmcb->rip;

    work->vmcb->interrupt_shadow = 1;
    assert_takes(exit, 0, event);
    assert_int_equal(work->vmcb->rip, rip + length);
    assert_int_equal(work->vmcb->interrupt_shadow, 0);
    /* Its delivery is interrupted: the instruction is executed once more. */
    work->vmcb->exitintinfo = event;
    assert_takes(SVM_EXIT_SMI, 0, 0);
    assert_int_equal(work->vmcb->rip, rip);
    /* Its delivery faults: the fault's address is the instruction's. */
    work->vmcb->exitintinfo = 0;
    assert_takes(exit, 0, event);
    work->vmcb->exitintinfo = event;
    assert_takes(SVM_EXIT_EXCEPTION_NP, ERROR, exception(11, work->vmcb->cr0 & CR0_PE));
    assert_int_equal(work->vmcb->rip, rip);
    work->vmcb->exitintinfo = 0;
}

static void software_interrupts_return_behind_their_instruction(void **state)
{
    (void)state;
    for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
        vcpu_model_mode(work, mode);
        assert_software("cd 80", SVM_EXIT_SWINT, SOFTWARE | 0x80);
        assert_software("66 cd 00", SVM_EXIT_SWINT, SOFTWARE);
        assert_software("cc", SVM_EXIT_SWINT, SOFTWARE | 3); /* as QEMU has it */
        assert_software("cc", SVM_EXIT_EXCEPTION_BP, MODEL_EXCEPTION(3));
        assert_software("f1", SVM_EXIT_ICEBP, MODEL_EXCEPTION(1));
        if (mode != INSN_64)
            assert_software("ce", SVM_EXIT_EXCEPTION_OF, MODEL_EXCEPTION(4));
    }
}

/* A #DB of the CPU's own behind ICEBP isn't the one that core injected in ICEBP's place. */
static void a_software_interrupt_that_was_delivered_is_forgotten(void **state)
{
    uint64_t rip;

    (void)state;
    vcpu_model_code(work, 0, "f1");
    assert_takes(SVM_EXIT_ICEBP, 0, MODEL_EXCEPTION(1));
    rip = work->vmcb->rip;
    assert_takes(SVM_EXIT_SMI, 0, 0); /* somewhere in its handler */
    assert_ptr_equal(work->handler, exits_handle);
    work->vmcb->exitintinfo = MODEL_EXCEPTION(1);
    assert_takes(SVM_EXIT_SMI, 0, MODEL_EXCEPTION(1));
    assert_int_equal(work->vmcb->rip, rip);
}

/* One that wasn't intercepted: RIP is still its own. */
static void an_interrupted_software_interrupt_is_executed_again(void **state)
{
    static const uint64_t events[] = {SOFTWARE | 0x80, MODEL_EXCEPTION(3), MODEL_EXCEPTION(4)};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        work->vmcb->exitintinfo = events[i];
        assert_takes(SVM_EXIT_SMI, 0, 0);
        assert_int_equal(work->vmcb->rip, MODEL_CODE);
    }
}

static void code_that_changed_stops_the_domain(void **state)
{
    static const uint64_t codes[] = {SVM_EXIT_SWINT, SVM_EXIT_EXCEPTION_BP, SVM_EXIT_EXCEPTION_OF,
                                     SVM_EXIT_ICEBP};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(NULL);
        vcpu_model_code(work, 0, "90");
        assert_false(vcpu_model_exit(work, codes[i], 0, 0));
        assert_non_null(strstr(console_text, "its code changed"));
    }
    start(NULL);
    vcpu_model_mode(work, INSN_16);
    vcpu_model_code(work, 0, "cd 80");
    work->vmcb->rflags |= RFLAGS_VM;
    assert_false(vcpu_model_exit(work, SVM_EXIT_SWINT, 0, 0));
    assert_non_null(strstr(console_text, "virtual-8086 mode"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_exception_is_the_domains_with_its_error_code, start),
        cmocka_unit_test_setup(real_mode_has_no_error_codes, start),
        cmocka_unit_test_setup(two_faults_make_a_double_fault, start),
        cmocka_unit_test_setup(a_handlers_fault_counts_like_the_cpus, start),
        cmocka_unit_test_setup(endless_exceptions_do_not_hold_the_core, start),
        cmocka_unit_test_setup(software_interrupts_return_behind_their_instruction, start),
        cmocka_unit_test_setup(a_software_interrupt_that_was_delivered_is_forgotten, start),
        cmocka_unit_test_setup(an_interrupted_software_interrupt_is_executed_again, start),
        cmocka_unit_test_setup(code_that_changed_stops_the_domain, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
