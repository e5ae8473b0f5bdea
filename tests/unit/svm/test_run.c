/* What CPUs ask of each other's vCPUs, and what svm_attend() does about it before VMRUN. */
#include <string.h>

#include "core/svm/run.h"
#include "hw/x86.h"
#include "models/vcpu_model.h"
#include "testing.h"

static struct vcpu *work, *vault;
static unsigned exits;

static void note_exit(struct vcpu *vcpu)
{
    assert_int_equal(vcpu->vmcb->tlb_control, VMCB_TLB_KEEP);
    exits++;
}

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    work->handler = note_exit;
    exits = 0;
    return 0;
}

/* As vmrun.S does: until nothing is to be seen to, then a run. */
static void enter(struct vcpu *vcpu)
{
    model_current = vcpu;
    while (vcpu->requests) {
        assert_true(vcpu->requests & SVM_REQUESTED); /* else vmrun.S wouldn't see them */
        assert_ptr_equal(svm_attend(vcpu), vcpu);
    }
    assert_int_not_equal(vcpu->vmcb->guest_asid, 0);
}

static void leave(struct vcpu *vcpu)
{
    unsigned before = exits;

    vcpu->vmcb->clean = VMCB_CLEAN_ALL;
    vcpu->handler(vcpu);
    assert_int_equal(exits, before + 1);
    assert_ptr_equal(vcpu->handler, note_exit); /* at once where nothing was flushed */
}

static void the_first_run_flushes_what_was_there(void **state)
{
    (void)state;
    enter(work);
    assert_int_equal(work->vmcb->tlb_control, VMCB_TLB_FLUSH_ALL);
    leave(work);
    enter(work);
    assert_int_equal(work->vmcb->tlb_control, VMCB_TLB_KEEP);
}

static void a_flush_gives_a_new_asid(void **state)
{
    uint32_t before;

    (void)state;
    enter(work);
    leave(work);
    before = work->vmcb->guest_asid;
    svm_flush_tlb(work);
    enter(work);
    assert_int_not_equal(work->vmcb->guest_asid, before);
    assert_int_equal(work->vmcb->clean, VMCB_CLEAN_ALL & ~VMCB_CLEAN_ASID);
}

static void a_flush_by_asid_keeps_it(void **state)
{
    uint32_t before;

    (void)state;
    svm_features = SVM_FEATURE_FLUSH_BY_ASID;
    enter(work);
    leave(work);
    before = work->vmcb->guest_asid;
    svm_flush_tlb(work);
    enter(work);
    assert_int_equal(work->vmcb->guest_asid, before);
    assert_int_equal(work->vmcb->tlb_control, VMCB_TLB_FLUSH_ASID);
}

static uint32_t again;

static void ask_again(struct vcpu *vcpu)
{
    vcpu->requests &= (uint16_t)~SVM_REQUESTS_TOLD;
    if (again)
        svm_ask(vcpu, again);
}

/* Between svm_attend() and VMRUN another CPU asks for something: the run hasn't been. */
static void a_flush_that_was_prepared_is_not_lost(void **state)
{
    (void)state;
    enter(work);
    svm_ask(work, SVM_REQUEST_SCHEDULE);
    enter(work);
    assert_int_equal(work->vmcb->tlb_control, VMCB_TLB_FLUSH_ALL);
    leave(work);
    svm_features = SVM_FEATURE_FLUSH_BY_ASID;
    svm_flush_tlb(work);
    enter(work);
    svm_ask(work, SVM_REQUEST_SCHEDULE);
    enter(work);
    assert_int_equal(work->vmcb->tlb_control, VMCB_TLB_FLUSH_ASID);
    leave(work);
}

/* Asked for by another CPU after `attend` has answered: the highest bit stays, or nobody looks. */
static void what_is_asked_meanwhile_is_seen_before_the_run(void **state)
{
    static const uint32_t asked[] = {SVM_REQUEST_STOP, SVM_REQUEST_INIT, SVM_REQUEST_SIPI,
                                     SVM_REQUEST_NMI};

    (void)state;
    work->attend = ask_again;
    for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        svm_ask(work, SVM_REQUEST_FLUSH | SVM_REQUEST_SCHEDULE | asked[i]);
        again = asked[i];
        assert_ptr_equal(svm_attend(work), work);
        assert_int_equal(work->requests, SVM_REQUESTED | asked[i]);
        again = 0;
        enter(work);
        assert_int_equal(work->requests, 0);
    }
}

static void leave_domain(uint32_t index)
{
    (void)index;
    work->turns++;
}

static void a_domain_that_runs_leaves_before_its_flush_is_done(void **state)
{
    (void)state;
    enter(work);
    leave(work);
    vcpu_model_flushed(vault);
    work->turns = 7; /* runs just now */
    model_on_kick = leave_domain;
    svm_flush_domain(WORK);
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_ICR_NMI | APIC_ICR_ASSERT);
    assert_int_equal(work->turns, 8);
    assert_true(work->requests & SVM_REQUEST_FLUSH);
    assert_false(vault->requests & SVM_REQUEST_FLUSH);
}

static void a_domain_that_is_in_core_is_not_waited_for(void **state)
{
    (void)state;
    work->turns = 8;
    svm_flush_domain(WORK);
    assert_int_equal(cpu_model.apic_sent.count, 0);
    assert_true(work->requests & SVM_REQUEST_FLUSH);
    svm_flush_domain(BH_MAX_DOMAINS - 1); /* nobody there */
}

static void who_has_the_interrupts_is_kicked_by_an_nmi(void **state)
{
    (void)state;
    svm_kick(work);
    svm_kick(vault);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, 0);
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_ICR_NMI | APIC_ICR_ASSERT);
    assert_int_equal(cpu_model.apic_sent.write[1].reg, 1);
    assert_int_equal(cpu_model.apic_sent.write[1].value, APIC_MODE_FIXED | VECTOR_WAKE);
}

static unsigned asked;

static bool third_time(struct vcpu *vcpu)
{
    (void)vcpu;
    return ++asked == 3;
}

static void nothing(struct vcpu *vcpu)
{
    (void)vcpu;
}

static void a_vcpu_sleeps_until_its_condition_is_met(void **state)
{
    (void)state;
    enter(work);
    leave(work);
    asked = 0;
    model_on_sleep = nothing;
    svm_sleep(work, third_time);
    enter(work);
    assert_int_equal(asked, 3);
    assert_int_equal(model_sleeps, 2);
    assert_true(work->asleep == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_run_flushes_what_was_there, start),
        cmocka_unit_test_setup(a_flush_gives_a_new_asid, start),
        cmocka_unit_test_setup(a_flush_by_asid_keeps_it, start),
        cmocka_unit_test_setup(a_flush_that_was_prepared_is_not_lost, start),
        cmocka_unit_test_setup(what_is_asked_meanwhile_is_seen_before_the_run, start),
        cmocka_unit_test_setup(a_domain_that_runs_leaves_before_its_flush_is_done, start),
        cmocka_unit_test_setup(a_domain_that_is_in_core_is_not_waited_for, start),
        cmocka_unit_test_setup(who_has_the_interrupts_is_kicked_by_an_nmi, start),
        cmocka_unit_test_setup(a_vcpu_sleeps_until_its_condition_is_met, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
