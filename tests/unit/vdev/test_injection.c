/* What a domain's VMCB offers it, exit by exit, of what its virtual local APIC has pending. */
#include "testing.h"

#include <stdlib.h>

#include "core/audit/audit.h"
#include "core/platform/timer.h"
#include "core/vdev/vdev.h"
#include "vdev/injection_case.h"

#define CR8_WRITE (1u << 24)
#define IRET      (1u << 20)
#define NMI       (VMCB_EVENT_VALID | VMCB_EVENT_NMI)

static void the_fields_say_vector_and_priority(void **state)
{
    (void)state;
    for (unsigned vector = 0x10; vector <= 0xff; vector++) {
        vlapic_accept(apic, (uint8_t)vector);
        leave();
        assert_int_equal(vault->vmcb->v_intr, VMCB_V_INTR_MASKING | VMCB_V_IRQ |
                                                  (uint64_t)vector << VMCB_V_INTR_VECTOR_SHIFT |
                                                  (uint64_t)(vector >> 4)
                                                      << VMCB_V_INTR_PRIO_SHIFT);
        assert_int_equal(take(), vector);
        leave();
        assert_true(in_service(vector));
        assert_false(vault->vmcb->v_intr & VMCB_V_IRQ);
        put(0x80b, 0);
    }
}

static void what_is_not_taken_is_offered_again_or_overtaken(void **state)
{
    (void)state;
    vlapic_accept(apic, 0x41);
    leave();
    leave();
    assert_false(in_service(0x41));
    vlapic_accept(apic, 0x81);
    leave();
    assert_int_equal(take(), 0x81);
    leave();
    assert_false(vault->vmcb->v_intr & VMCB_V_IRQ); /* waits for an EOI */
    put(0x80b, 0);
    leave();
    assert_int_equal(take(), 0x41);
}

/* 15.7.2; silicon has cleared V_IRQ then, QEMU hasn't and says that it was an exception. */
static void a_delivery_that_was_cut_off_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vlapic_accept(apic, 0x51);
        leave();
        if (i == 0)
            take();
        vault->vmcb->exitintinfo =
            i == 0 ? INTR(0x51) : VMCB_EVENT_VALID | VMCB_EVENT_EXCEPTION | 0x51;
        leave();
        assert_true(in_service(0x51));
        assert_int_equal(vault->vmcb->eventinj, INTR(0x51));
        assert_false(vault->vmcb->v_intr & VMCB_V_IRQ);
        vault->vmcb->exitintinfo = 0;
        leave();
        assert_int_equal(vault->vmcb->eventinj, 0);
        put(0x80b, 0);
    }
}

/* On the bare machine, too, it is acknowledged by then: what runs is the fault's handler. */
static void a_delivery_that_faults_stays_in_service(void **state)
{
    (void)state;
    vlapic_accept(apic, 0x51);
    leave();
    take();
    vault->vmcb->exitintinfo = INTR(0x51);
    assert_true(vcpu_model_exit(vault, SVM_EXIT_EXCEPTION_PF, 2, 0x1234));
    assert_int_equal(vault->vmcb->eventinj,
                     MODEL_EXCEPTION(VECTOR_PF) | VMCB_EVENT_HAS_ERROR | 2ull << 32);
    assert_int_equal(vault->vmcb->cr2, 0x1234);
    assert_true(in_service(0x51));
    vault->vmcb->exitintinfo = 0;
    leave();
    assert_int_equal(vault->vmcb->eventinj, 0);
    assert_false(vault->vmcb->v_intr & VMCB_V_IRQ);
    vlapic_accept(apic, 0x51);
    put(0x80b, 0);
    leave();
    assert_int_equal(take(), 0x51);
}

/* CR8 changes V_TPR without an exit, unless something is pending: 15.21.2. */
static void v_tpr_and_tpr_are_one(void **state)
{
    (void)state;
    vault->vmcb->v_intr |= 5;
    leave();
    assert_int_equal(get(0x808), 0x50);
    put(0x808, 0x37);
    assert_int_equal(vault->vmcb->v_intr & VMCB_V_TPR, 3);
    leave();
    assert_int_equal(get(0x808), 0x37); /* the same class: nothing has changed */
    assert_false(vault->vmcb->intercepts[BH_INTERCEPT_CR] & CR8_WRITE);
    vlapic_accept(apic, 0x3f);
    leave();
    assert_false(vault->vmcb->v_intr & VMCB_V_IRQ);
    assert_true(vault->vmcb->intercepts[BH_INTERCEPT_CR] & CR8_WRITE);
    vcpu_model_code(vault, 0, "44 0f 22 c0"); /* mov %rax, %cr8 */
    vault->vmcb->rax = 2;
    assert_true(vcpu_model_exit(vault, SVM_EXIT_CR8_WRITE, 0, 0));
    assert_int_equal(get(0x808), 0x20);
    assert_int_equal(take(), 0x3f);
    leave();
    assert_false(vault->vmcb->intercepts[BH_INTERCEPT_CR] & CR8_WRITE);
}

static void a_shadow_is_waited_for(void **state)
{
    (void)state;
    vlapic_accept(apic, 0x51);
    vlapic_accept_nmi(apic);
    vault->vmcb->interrupt_shadow = 1;
    leave();
    assert_false(vault->vmcb->v_intr & VMCB_V_IRQ);
    assert_int_equal(vault->vmcb->eventinj, 0);
    assert_true(model_timer != TIMER_NEVER);
    vault->vmcb->interrupt_shadow = 0; /* as QEMU has it, which forgets it at VMRUN */
    leave();
    assert_false(vault->vmcb->v_intr & VMCB_V_IRQ);
    assert_true(model_timer != TIMER_NEVER);
    vault->vmcb->rip++;
    leave();
    assert_int_equal(take(), 0x51);
    assert_int_equal(vault->vmcb->eventinj, NMI);
    leave();
    assert_true(model_timer == TIMER_NEVER);
}

static bool watches_iret(const struct vcpu *vcpu)
{
    return vcpu->vmcb->intercepts[BH_INTERCEPT_MISC1] & IRET;
}

/* From an NMI to the end of its IRET there is none; the second is kept, a third is the second. */
static void nmis_come_one_at_a_time(struct vcpu *vcpu, void (*another)(void))
{
    struct vmcb *vmcb = vcpu->vmcb;

    another();
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_SMI, 0, 0));
    assert_int_equal(vmcb->eventinj, NMI);
    assert_true(watches_iret(vcpu));
    another();
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_SMI, 0, 0));
    assert_int_equal(vmcb->eventinj, 0);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_IRET, 0, 0)); /* before it is executed */
    assert_int_equal(vmcb->eventinj, 0);
    assert_int_equal(vmcb->rip, MODEL_CODE);
    assert_false(watches_iret(vcpu));
    assert_true(vmcb->rflags & RFLAGS_TF);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_SMI, 0, 0)); /* not yet */
    assert_int_equal(vmcb->eventinj, 0);
    vmcb->rip = MODEL_CODE + 0x100; /* it has ended, by which TF is what the domain's stack said */
    vmcb->rflags &= ~(uint64_t)RFLAGS_TF;
    vmcb->dr6 |= DR6_BS;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_EXCEPTION_DB, 0, 0));
    assert_int_equal(vmcb->eventinj, NMI); /* and no #DB */
    assert_false(vmcb->dr6 & DR6_BS);
    assert_false(vmcb->rflags & RFLAGS_TF);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_IRET, 0, 0));
    vmcb->rip = MODEL_CODE;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_SMI, 0, 0));
    assert_int_equal(vmcb->eventinj, 0);
    assert_false(watches_iret(vcpu));
    vmcb->dr6 |= DR6_BS; /* one of its own */
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_EXCEPTION_DB, 0, 0));
    assert_int_equal(vmcb->eventinj, MODEL_EXCEPTION(VECTOR_DB));
}

static void virtual_nmi(void)
{
    vlapic_accept_nmi(apic);
}

static void physical_nmi(struct vcpu *vcpu)
{
    cpu_areas[vcpu->cpu].cpu.nmi_count++;
    model_on_window = NULL;
}

static void next_window_has_nmi(void)
{
    model_on_window = physical_nmi;
}

static void virtual_nmis_come_one_at_a_time(void **state)
{
    (void)state;
    nmis_come_one_at_a_time(vault, virtual_nmi);
}

static void a_direct_domains_nmis_come_one_at_a_time(void **state)
{
    (void)state;
    nmis_come_one_at_a_time(work, next_window_has_nmi);
}

static void an_nmi_waits_for_a_fault(void **state)
{
    (void)state;
    virtual_nmi();
    assert_true(vcpu_model_exit(vault, SVM_EXIT_VMRUN, 0, 0));
    assert_int_equal(vault->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_UD));
    assert_true(model_timer != TIMER_NEVER); /* not for the domain's next exit, though */
    leave();
    assert_int_equal(vault->vmcb->eventinj, NMI);
    assert_true(model_timer == TIMER_NEVER);
}

/* A CPU keeps one NMI, and core's kick is one: so it isn't sent round by the CPU. */
static void a_direct_domains_nmi_beside_an_event_is_its_next_exits(void **state)
{
    (void)state;
    next_window_has_nmi();
    work->vmcb->exitintinfo = INTR(0x30);
    assert_true(vcpu_model_exit(work, SVM_EXIT_NMI, 0, 0));
    assert_int_equal(work->vmcb->eventinj, INTR(0x30));
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, work->cpu);
    work->vmcb->exitintinfo = 0; /* core's kick has come, alone or as one with another CPU's */
    assert_true(vcpu_model_exit(work, SVM_EXIT_NMI, 0, 0));
    assert_int_equal(work->vmcb->eventinj, NMI);
    assert_int_equal(cpu_model.apic_sent.count, 1);
}

/* One that is handled and one that waits: so many a CPU has, too. */
static void two_of_them(bool and_a_third)
{
    virtual_nmi();
    assert_true(vcpu_model_exit(vault, SVM_EXIT_VMRUN, 0, 0));
    virtual_nmi();
    leave();
    assert_int_equal(vault->vmcb->eventinj, NMI);
    if (and_a_third) /* that is the second */
        virtual_nmi();
    leave();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(vault->vmcb->eventinj, 0);
        assert_true(vcpu_model_exit(vault, SVM_EXIT_IRET, 0, 0));
        vault->vmcb->rip += 0x10;
        leave();
        assert_int_equal(vault->vmcb->eventinj, i == 0 ? NMI : 0);
        leave();
    }
}

static void of_two_nmis_at_once_none_is_lost(void **state)
{
    two_of_them(false);
    start(state);
    two_of_them(true);
}

static unsigned slept;
static uint8_t wakes_by;

static void wake(struct vcpu *vcpu)
{
    (void)vcpu;
    if (++slept == 3)
        vlapic_accept(apic, wakes_by);
}

static void hlt_ends_by_what_can_be_taken(void **state)
{
    (void)state;
    model_on_sleep = wake;
    wakes_by = 0x51;
    slept = 0;
    vault->vmcb->rflags |= RFLAGS_IF;
    vlapic_accept(apic, 0x31);
    put(0x808, 0x40);
    vcpu_model_code(vault, 0, "f4");
    assert_true(vcpu_model_exit(vault, SVM_EXIT_HLT, 0, 0));
    assert_int_equal(slept, 3);
    assert_int_equal(vault->vmcb->rip, MODEL_CODE + 1);
    assert_int_equal(take(), 0x51);
}

static void the_cpus_timer_is_set_for_the_domains(void **state)
{
    (void)state;
    vault->vmcb->tsc_offset = 1000;
    put(0x832, 0x40044);
    put(MSR_TSC_DEADLINE, 1ull << 50);
    leave();
    assert_int_equal(model_timer, (1ull << 50) - 1000);
    put(MSR_TSC_DEADLINE, 1);
    leave();
    assert_int_equal(take(), 0x44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_fields_say_vector_and_priority, start),
        cmocka_unit_test_setup(what_is_not_taken_is_offered_again_or_overtaken, start),
        cmocka_unit_test_setup(a_delivery_that_was_cut_off_goes_on, start),
        cmocka_unit_test_setup(a_delivery_that_faults_stays_in_service, start),
        cmocka_unit_test_setup(v_tpr_and_tpr_are_one, start),
        cmocka_unit_test_setup(a_shadow_is_waited_for, start),
        cmocka_unit_test_setup(virtual_nmis_come_one_at_a_time, start),
        cmocka_unit_test_setup(a_direct_domains_nmis_come_one_at_a_time, start),
        cmocka_unit_test_setup(an_nmi_waits_for_a_fault, start),
        cmocka_unit_test_setup(a_direct_domains_nmi_beside_an_event_is_its_next_exits, start),
        cmocka_unit_test_setup(of_two_nmis_at_once_none_is_lost, start),
        cmocka_unit_test_setup(hlt_ends_by_what_can_be_taken, start),
        cmocka_unit_test_setup(the_cpus_timer_is_set_for_the_domains, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
