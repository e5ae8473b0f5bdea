/* Which of several vCPUs has the core, for how long, and when the CPU's timer is to come. */
#include "core/platform/timer.h"
#include "core/svm/run.h"
#include "models/tpm_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define SLICE 1000u

static struct vcpu *work, *vault;
static bool wakes;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    for (unsigned i = 0; i < 2; i++) {
        image_model.domain[i].interrupts = BH_VIRTUAL;
        image_model.domain[i].core[0] = 1;
        image_model.domain[i].slice_us = SLICE * (i + 1);
    }
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    model_current = work;
    model_timer = 0;
    wakes = false;
    schedule_start(&svm_cpus[1]);
    return 0;
}

/* As vmrun.S does: until nothing is to be seen to. */
static struct vcpu *attend(struct vcpu *vcpu)
{
    svm_ask(vcpu, SVM_REQUEST_SCHEDULE);
    do
        vcpu = svm_attend(vcpu);
    while (vcpu->requests);
    return vcpu;
}

static struct vcpu *attend_at(struct vcpu *vcpu, uint64_t later)
{
    tpm_model_now += later;
    return attend(vcpu);
}

static bool is_woken(struct vcpu *vcpu)
{
    (void)vcpu;
    return wakes;
}

static void fall_asleep(struct vcpu *vcpu, uint64_t deadline)
{
    svm_sleep(vcpu, is_woken);
    svm_set_deadline(vcpu, deadline);
}

static void each_has_its_slice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(attend(work), work);
        assert_int_equal(model_timer, tpm_model_now + SLICE);
        assert_ptr_equal(attend_at(work, SLICE - 1), work);
        assert_ptr_equal(attend_at(work, 1), vault);
        assert_int_equal(model_timer, tpm_model_now + 2 * SLICE);
        assert_ptr_equal(attend_at(vault, 2 * SLICE - 1), vault);
        assert_ptr_equal(attend_at(vault, 1), work);
    }
}

static void who_sleeps_gives_the_rest_away(void **state)
{
    uint64_t end;

    (void)state;
    fall_asleep(work, TIMER_NEVER);
    assert_ptr_equal(attend_at(work, 1), vault);
    assert_int_equal(model_timer, TIMER_NEVER); /* who is alone isn't interrupted */
    end = tpm_model_now + 2 * SLICE;
    wakes = true;
    assert_ptr_equal(attend_at(vault, 5), vault); /* its slice isn't over */
    assert_null(work->asleep);
    assert_int_equal(model_timer, end);
    tpm_model_now = end;
    assert_ptr_equal(attend(vault), work);
}

/* A doorbell of another CPU's: one interrupt for each turn of the vCPU that it wakes. */
static void who_waits_for_its_turn_is_not_kicked(void **state)
{
    (void)state;
    assert_ptr_equal(attend(work), work);
    svm_kick(vault);
    svm_wake(vault);
    assert_true(svm_request(vault, SVM_REQUEST_STOP));
    assert_int_equal(cpu_model.apic_sent.count, 0);
    svm_kick(work);
    assert_int_equal(cpu_model.apic_sent.count, 1);
    vault->asleep = is_woken;
    svm_wake(vault);
    assert_int_equal(cpu_model.apic_sent.count, 2);
}

/* IPIs and doorbells from another core, to one that sleeps on. */
static void who_is_woken_for_nothing_interrupts_once_a_turn(void **state)
{
    (void)state;
    vault->asleep = is_woken;
    assert_ptr_equal(attend(work), work);
    for (unsigned turn = 1; turn <= 3; turn++) {
        uint64_t end = svm_cpus[1].slice_end;

        for (unsigned i = 0; i < 10; i++) {
            svm_wake(vault);
            assert_true(svm_request(vault, SVM_REQUEST_INIT));
            assert_ptr_equal(attend_at(work, 1), work);
            assert_int_equal(model_timer, end); /* it is asked then */
        }
        assert_int_equal(cpu_model.apic_sent.count, turn);
        tpm_model_now = end;
        assert_ptr_equal(attend(work), work);
    }
}

static void who_is_woken_again_is_not_forgotten(void **state)
{
    (void)state;
    vault->asleep = is_woken;
    svm_wake(vault);
    assert_ptr_equal(attend(work), work);
    wakes = true;
    svm_wake(vault); /* no interrupt tells of this */
    assert_int_equal(cpu_model.apic_sent.count, 1);
    tpm_model_now = model_timer;
    assert_ptr_equal(attend(work), vault);

    wakes = false;
    work->asleep = is_woken;
    svm_wake(work);
    wakes = true;
    svm_wake(work);
    fall_asleep(vault, TIMER_NEVER);
    assert_ptr_equal(attend(vault), work); /* at once: the core is free */
}

static unsigned looked;
static uint16_t asked;

static void look(struct vcpu *vcpu)
{
    looked++;
    asked = __atomic_fetch_and(&vcpu->requests, (uint16_t)~SVM_REQUESTS_TOLD, __ATOMIC_SEQ_CST);
}

static void what_has_come_meanwhile_is_seen_to_before_it_runs(void **state)
{
    (void)state;
    work->attend = vault->attend = look;
    looked = 0;
    svm_request(vault, SVM_REQUEST_NMI);
    assert_ptr_equal(attend(work), work);
    assert_int_equal(looked, 0);
    assert_ptr_equal(attend_at(work, SLICE), vault);
    assert_int_equal(looked, 1);
    assert_true(asked & SVM_REQUEST_NMI);
    assert_true(asked & SVM_REQUEST_TURN);
    assert_ptr_equal(attend(vault), vault);
    assert_int_equal(looked, 1); /* nobody else had the core */
}

/* What the one that runs wants comes at once, what a sleeper wants only after its slice. */
static void deadlines_meet_in_one_timer(void **state)
{
    uint64_t now = tpm_model_now;

    (void)state;
    vault->asleep = is_woken;
    vault->deadline = now + 10;
    assert_ptr_equal(attend(work), work);
    assert_int_equal(model_timer, now + SLICE);
    svm_set_deadline(work, now + 20);
    assert_int_equal(model_timer, now + 20);
    svm_set_deadline(work, now + 5 * SLICE);
    assert_int_equal(model_timer, now + SLICE);
    vault->deadline = now + 3 * SLICE;
    assert_ptr_equal(attend(work), work);
    assert_int_equal(model_timer, now + 3 * SLICE);
    vault->deadline = TIMER_NEVER;
    assert_ptr_equal(attend(work), work);
    assert_int_equal(model_timer, now + 5 * SLICE);
}

static void a_sleepers_deadline_wakes_it_when_the_slice_is_over(void **state)
{
    uint64_t now = tpm_model_now;

    (void)state;
    vault->asleep = is_woken;
    vault->deadline = now + 3 * SLICE;
    assert_ptr_equal(attend(work), work);
    tpm_model_now = now + 3 * SLICE;
    wakes = true;
    assert_ptr_equal(attend(work), vault);
}

/* Its timer comes again and again, but it takes no interrupts. */
static void who_is_woken_for_nothing_waits_for_another_slice(void **state)
{
    uint64_t now = tpm_model_now;

    (void)state;
    vault->asleep = is_woken;
    vault->deadline = now + SLICE + 10;
    tpm_model_now = now + SLICE + 20;
    assert_ptr_equal(attend(work), work);
    assert_int_equal(model_timer, tpm_model_now + SLICE);
}

static void the_first_to_want_something(struct vcpu *vcpu)
{
    (void)vcpu;
    assert_int_equal(model_timer, 300);
    wakes = true;
}

static void while_all_sleep_the_soonest_deadline_counts(void **state)
{
    (void)state;
    tpm_model_now = 100;
    vault->asleep = is_woken;
    vault->deadline = 300;
    fall_asleep(work, 400);
    model_on_sleep = the_first_to_want_something;
    assert_ptr_equal(attend(work), vault);
    assert_int_equal(model_sleeps, 1);
}

/* A turn that begins after a sleep is a whole one. */
static void a_slice_begins_when_its_turn_does(void **state)
{
    (void)state;
    vault->asleep = is_woken;
    fall_asleep(work, TIMER_NEVER);
    wakes = true;
    vault->asleep = is_woken;
    tpm_model_now += 10 * SLICE;
    assert_ptr_equal(attend(work), vault);
    assert_int_equal(model_timer, tpm_model_now + 2 * SLICE);
}

static void who_is_alone_has_no_slice(void **state)
{
    struct vcpu *alone;

    (void)state;
    vcpu_model_reset();
    alone = vcpu_model_init(VAULT);
    model_current = alone;
    model_timer = 1;
    schedule_start(&svm_cpus[1]);
    assert_ptr_equal(attend_at(alone, 1000000), alone);
    assert_int_equal(model_timer, TIMER_NEVER);
    svm_set_deadline(alone, 77);
    assert_int_equal(model_timer, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_has_its_slice, start),
        cmocka_unit_test_setup(who_sleeps_gives_the_rest_away, start),
        cmocka_unit_test_setup(who_waits_for_its_turn_is_not_kicked, start),
        cmocka_unit_test_setup(who_is_woken_for_nothing_interrupts_once_a_turn, start),
        cmocka_unit_test_setup(who_is_woken_again_is_not_forgotten, start),
        cmocka_unit_test_setup(what_has_come_meanwhile_is_seen_to_before_it_runs, start),
        cmocka_unit_test_setup(deadlines_meet_in_one_timer, start),
        cmocka_unit_test_setup(a_sleepers_deadline_wakes_it_when_the_slice_is_over, start),
        cmocka_unit_test_setup(who_is_woken_for_nothing_waits_for_another_slice, start),
        cmocka_unit_test_setup(while_all_sleep_the_soonest_deadline_counts, start),
        cmocka_unit_test_setup(a_slice_begins_when_its_turn_does, start),
        cmocka_unit_test_setup(who_is_alone_has_no_slice, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
