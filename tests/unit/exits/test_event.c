/* Exceptions, interrupts, events that an exit interrupted, and exits that nobody foresaw. */
#include <stdio.h>
#include <string.h>

#include "core/audit/audit.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define NMI       (VMCB_EVENT_VALID | VMCB_EVENT_NMI)
#define VECTOR_AC 17

static struct vcpu *work, *vault;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    work->vmcb->rip = vault->vmcb->rip = MODEL_CODE;
    return 0;
}

static void assert_takes(struct vcpu *vcpu, uint64_t code, uint64_t info1, uint64_t event)
{
    assert_true(vcpu_model_exit(vcpu, code, info1, 0));
    assert_int_equal(vcpu->vmcb->eventinj, event);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
}

static void intercepted_exceptions_are_the_domains(void **state)
{
    (void)state;
    assert_takes(work, SVM_EXIT_EXCEPTION_DB, 0, MODEL_EXCEPTION(VECTOR_DB));
    assert_takes(work, SVM_EXIT_EXCEPTION_AC, 0, MODEL_EXCEPTION(VECTOR_AC) | VMCB_EVENT_HAS_ERROR);
    assert_int_equal(model_windows, 0);
}

static void an_interrupted_event_is_delivered_again(void **state)
{
    static const uint64_t events[] = {VMCB_EVENT_VALID | VMCB_EVENT_INTR | 0x30, NMI,
                                      MODEL_EXCEPTION(VECTOR_PF) | VMCB_EVENT_HAS_ERROR |
                                          7ull << 32};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        work->vmcb->exitintinfo = events[i];
        assert_takes(work, SVM_EXIT_SMI, 0, events[i]);
    }
    work->vmcb->exitintinfo = 0x30; /* not valid: what is left of an older one */
    assert_takes(work, SVM_EXIT_SMI, 0, 0);
}

static void a_fault_takes_an_interrupted_events_place(void **state)
{
    (void)state;
    work->vmcb->exitintinfo = VMCB_EVENT_VALID | VMCB_EVENT_INTR | 0x30;
    assert_takes(work, SVM_EXIT_EXCEPTION_AC, 0, MODEL_EXCEPTION(VECTOR_AC) | VMCB_EVENT_HAS_ERROR);
    assert_takes(work, SVM_EXIT_TASK_SWITCH, 0, MODEL_GP);
}

static void pending_interrupts_reach_the_host(void **state)
{
    static const uint64_t codes[] = {SVM_EXIT_INTR, SVM_EXIT_SMI, SVM_EXIT_INIT};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        model_windows = 0;
        assert_takes(vault, codes[i], 0, 0);
        assert_int_equal(model_windows, 1);
        assert_int_equal(model_sleeps, 0);
        assert_true(cpu_model.has_interrupts);
    }
}

/* What the host's NMI handler does (core/platform/exceptions.c). */
static void take_nmi(struct vcpu *vcpu)
{
    cpu_areas[vcpu->cpu].cpu.nmi_count++;
}

static void an_nmi_is_the_domains_that_owns_its_interrupts(void **state)
{
    (void)state;
    model_on_window = take_nmi;
    assert_takes(work, SVM_EXIT_NMI, 0, NMI);
    assert_takes(vault, SVM_EXIT_NMI, 0, 0);
    assert_int_equal(model_windows, 2);
}

/* The window for an SMI lets a pending NMI in as well. */
static void an_nmi_beside_an_smi_is_not_lost(void **state)
{
    (void)state;
    model_on_window = take_nmi;
    assert_takes(work, SVM_EXIT_SMI, 0, NMI);
}

static void smis_are_counted_and_timed_by_the_domain_that_they_hit(void **state)
{
    struct audit_smis before = audit_smis();

    (void)state;
    assert_takes(work, SVM_EXIT_INTR, 0, 0);
    assert_int_equal(audit_smis().count, before.count);
    assert_takes(work, SVM_EXIT_SMI, 0, 0);
    assert_takes(vault, SVM_EXIT_SMI, 0, 0);
    assert_int_equal(audit_smis().count, before.count + 2);
    assert_in_range(audit_smis().worst, MODEL_TSC_STEP, 10 * MODEL_TSC_STEP);
}

static void no_nmi_is_made_up(void **state)
{
    (void)state;
    assert_takes(work, SVM_EXIT_SMI, 0, 0);
    assert_takes(work, SVM_EXIT_NMI, 0, 0); /* one that was core's own */
}

static void instructions_that_no_domain_has_are_undefined(void **state)
{
    static const uint64_t codes[] = {
        SVM_EXIT_VMRUN,  SVM_EXIT_VMLOAD,  SVM_EXIT_VMSAVE,  SVM_EXIT_STGI,   SVM_EXIT_CLGI,
        SVM_EXIT_SKINIT, SVM_EXIT_INVLPGA, SVM_EXIT_MONITOR, SVM_EXIT_MWAIT,  SVM_EXIT_MWAIT_ARMED,
        SVM_EXIT_RSM,    SVM_EXIT_RDPMC,   SVM_EXIT_RDPRU,   SVM_EXIT_INVLPGB};
    uint64_t before = audit_count(WORK, VIOLATION_INSTRUCTION);

    (void)state;
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_takes(work, codes[i], 0, MODEL_EXCEPTION(VECTOR_UD));
    assert_int_equal(audit_count(WORK, VIOLATION_INSTRUCTION),
                     before + sizeof(codes) / sizeof(codes[0]));
    assert_non_null(strstr(console_text, "work: denied instruction at 0x80 (0x10000)\n"));
}

static void a_task_switch_is_a_fault(void **state)
{
    (void)state;
    assert_takes(work, SVM_EXIT_TASK_SWITCH, 0x18, MODEL_GP);
}

static void assert_stops(uint64_t code, const char *why, const char *counted)
{
    char expected[80];

    start(NULL);
    work->vmcb->exitintinfo = 0;
    if (vcpu_model_exit(work, code, 0, 0))
        fail_msg("exit %#lx: the domain goes on", code);
    assert_true(work->shared->stopped);
    assert_int_equal(vdev_model.stops, 1);
    snprintf(expected, sizeof(expected), "work: stopped: %s (exit", why);
    assert_non_null(strstr(console_text, expected));
    snprintf(expected, sizeof(expected), "work: exits: %s 1\n", counted);
    assert_non_null(strstr(console_text, expected));
}

static bool is_foreseen(uint64_t code)
{
    switch ((int)code) {
#define EXIT(code, name, handler, text) case code:
#include "tables/exits.def"
#undef EXIT
        return true;
    default:
        return false;
    }
}

static void unforeseen_exits_stop_the_domain(void **state)
{
    static const uint64_t codes[] = {0x3ff,          0x404,           0x500,         0x7fffffff,
                                     0xfffffffffffe, 0x1000000000072, UINT64_MAX - 1};

    (void)state;
    for (uint64_t code = 0; code < 0x100; code++)
        if (!is_foreseen(code))
            assert_stops(code, "an exit that core doesn't know", "OTHER");
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_stops(codes[i], "an exit that core doesn't know", "OTHER");
}

/* Appendix C has no code that core's table lacks, and what the table stops it stops by name. */
static void rows_without_a_handler_stop_the_domain_by_name(void **state)
{
    (void)state;
    for (uint64_t code = 0; code <= 0xa6; code++)
        assert_true(is_foreseen(code));
    for (uint64_t code = 0x400; code <= 0x403; code++)
        assert_true(is_foreseen(code));
#define EXIT(code, name, handler, text)      \
    if (strcmp(#handler, "unexpected") == 0) \
        assert_stops((uint64_t)(code), text, #name);
#include "tables/exits.def"
#undef EXIT
    assert_stops(UINT32_MAX, "VMRUN of an inconsistent VMCB", "INVALID"); /* as QEMU has it */
}

static void exits_are_counted_by_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++)
        assert_takes(work, SVM_EXIT_RDPMC, 0, MODEL_EXCEPTION(VECTOR_UD));
    assert_takes(work, SVM_EXIT_SKINIT, 0, MODEL_EXCEPTION(VECTOR_UD));
    assert_false(vcpu_model_exit(work, SVM_EXIT_SHUTDOWN, 0, 0));
    assert_non_null(strstr(console_text, "work: exits: RDPMC 12, SHUTDOWN 1, SKINIT 1\n"));
}

/* However many there are, no line is cut. */
static void long_lists_of_exits_take_several_lines(void **state)
{
    char *at;
    unsigned lines = 0, names = 0;

    (void)state;
    for (unsigned slot = 0; slot < SVM_SLOTS; slot++)
        work->exits[slot] = UINT64_MAX - 1;
    assert_false(vcpu_model_exit(work, SVM_EXIT_SHUTDOWN, 0, 0));
    for (at = console_text; (at = strstr(at, "work: exits: ")); at++)
        lines++;
    for (at = console_text; (at = strstr(at, " 1844674407370955161")); at++)
        names++;
    assert_in_range(lines, 10, SVM_SLOTS);
    assert_int_equal(names, SVM_SLOTS);
}

static void the_ends_of_a_domain_are_named(void **state)
{
    (void)state;
    assert_false(vcpu_model_exit(work, SVM_EXIT_SHUTDOWN, 0, 0));
    assert_non_null(strstr(console_text, "work: stopped: shutdown (triple fault)"));
    start(NULL);
    assert_false(vcpu_model_exit(work, SVM_EXIT_EXCEPTION_MC, 0, 0));
    assert_non_null(strstr(console_text, "work: stopped: the CPU reported a machine check"));
    assert_false(audit_end(WORK)->asked);
    assert_int_equal(audit_end(WORK)->exitcode, SVM_EXIT_EXCEPTION_MC);
    start(NULL);
    work->vmcb->rip = 0x1234;
    assert_false(vcpu_model_exit(work, SVM_EXIT_VMRUN + 0x10000, 5, 6));
    assert_int_equal(audit_end(WORK)->exitcode, SVM_EXIT_VMRUN + 0x10000);
    assert_int_equal(audit_end(WORK)->exitinfo1, 5);
    assert_int_equal(audit_end(WORK)->exitinfo2, 6);
    assert_int_equal(audit_end(WORK)->rip, 0x1234);
    assert_in_range(audit_end(WORK)->tsc, 1, cpu_model.tsc);
}

static unsigned sleeps_left;

static void ring_at_last(struct vcpu *vcpu)
{
    if (--sleeps_left == 0)
        vcpu->shared->doorbells = 1;
}

static void hlt_sleeps_until_a_bell_rings(void **state)
{
    (void)state;
    vcpu_model_code(vault, 0, "f4");
    sleeps_left = 3;
    model_on_sleep = ring_at_last;
    vault->vmcb->interrupt_shadow = 1;
    assert_true(vcpu_model_exit(vault, SVM_EXIT_HLT, 0, 0));
    assert_int_equal(model_sleeps, 3);
    assert_int_equal(vault->vmcb->rip, MODEL_CODE + 1);
    assert_int_equal(vault->vmcb->interrupt_shadow, 0);
    assert_int_equal(vault->shared->doorbells, 1); /* still to be asked for */
    vcpu_model_code(vault, 0, "f4");
    assert_true(vcpu_model_exit(vault, SVM_EXIT_HLT, 0, 0));
    assert_int_equal(model_sleeps, 3);
}

static void hlt_that_is_none_any_more_stops_the_domain(void **state)
{
    static const char *const code[] = {"90", "0f a2", "fb f4"};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        start(NULL);
        vcpu_model_code(vault, 0, code[i]);
        vault->shared->doorbells = 1;
        assert_false(vcpu_model_exit(vault, SVM_EXIT_HLT, 0, 0));
        assert_true(vault->shared->stopped);
    }
}

static void invd_writes_back(void **state)
{
    (void)state;
    vcpu_model_code(work, 0, "0f 08");
    assert_true(vcpu_model_exit(work, SVM_EXIT_INVD, 0, 0));
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 2);
    vcpu_model_code(work, 0, "f3 0f 09"); /* WBNOINVD */
    assert_true(vcpu_model_exit(work, SVM_EXIT_WBINVD, 0, 0));
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 3);
    assert_int_equal(cpu_model.flushes, 2);
}

static void set_xcr0(uint32_t number, uint64_t value)
{
    vcpu_model_code(work, 0, "0f 01 d1");
    work->vmcb->cr4 |= CR4_OSXSAVE;
    work->gpr[RCX] = 0xdead000000000000 | number;
    work->gpr[RDX] = 0xdead000000000000 | value >> 32;
    work->vmcb->rax = 0xdead000000000000 | (uint32_t)value;
}

static void xcr0_takes_what_the_cpu_takes(void **state)
{
    static const uint64_t good[] = {1, 3, 7},
                          bad[] = {0, 2, 5, 6, 9, 0x200, 1ull << 62 | 7, UINT64_MAX};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        set_xcr0(0, good[i]);
        assert_true(vcpu_model_exit(work, SVM_EXIT_XSETBV, 0, 0));
        assert_int_equal(work->vmcb->eventinj, 0);
        assert_int_equal(work->vmcb->rip, MODEL_CODE + 3);
        assert_int_equal(cpu_model.xcr0, good[i]);
        assert_int_equal(cpu_model.cr4, 0);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_xcr0(0, bad[i]);
        assert_takes(work, SVM_EXIT_XSETBV, 0, MODEL_GP);
    }
    set_xcr0(1, 7);
    assert_takes(work, SVM_EXIT_XSETBV, 0, MODEL_GP);
    set_xcr0(0, 3);
    work->vmcb->cpl = 3;
    assert_takes(work, SVM_EXIT_XSETBV, 0, MODEL_GP);
    work->vmcb->cpl = 0;
    work->vmcb->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    assert_takes(work, SVM_EXIT_XSETBV, 0, MODEL_EXCEPTION(VECTOR_UD));
    cpu_model.features = 3; /* no AVX */
    set_xcr0(0, 7);
    assert_takes(work, SVM_EXIT_XSETBV, 0, MODEL_GP);
    assert_int_equal(cpu_model.xcr0, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(instructions_that_no_domain_has_are_undefined, start),
        cmocka_unit_test_setup(intercepted_exceptions_are_the_domains, start),
        cmocka_unit_test_setup(an_interrupted_event_is_delivered_again, start),
        cmocka_unit_test_setup(a_fault_takes_an_interrupted_events_place, start),
        cmocka_unit_test_setup(pending_interrupts_reach_the_host, start),
        cmocka_unit_test_setup(an_nmi_is_the_domains_that_owns_its_interrupts, start),
        cmocka_unit_test_setup(an_nmi_beside_an_smi_is_not_lost, start),
        cmocka_unit_test_setup(smis_are_counted_and_timed_by_the_domain_that_they_hit, start),
        cmocka_unit_test_setup(no_nmi_is_made_up, start),
        cmocka_unit_test_setup(a_task_switch_is_a_fault, start),
        cmocka_unit_test_setup(unforeseen_exits_stop_the_domain, start),
        cmocka_unit_test_setup(rows_without_a_handler_stop_the_domain_by_name, start),
        cmocka_unit_test_setup(exits_are_counted_by_name, start),
        cmocka_unit_test_setup(long_lists_of_exits_take_several_lines, start),
        cmocka_unit_test_setup(the_ends_of_a_domain_are_named, start),
        cmocka_unit_test_setup(hlt_sleeps_until_a_bell_rings, start),
        cmocka_unit_test_setup(hlt_that_is_none_any_more_stops_the_domain, start),
        cmocka_unit_test_setup(invd_writes_back, start),
        cmocka_unit_test_setup(xcr0_takes_what_the_cpu_takes, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
