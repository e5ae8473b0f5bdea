/*
 * ASIDs against the model of what a TLB may hold (core/svm/check/model.h): whatever runs where and
 * in whatever order, no vCPU finds translations of another, or of its own from before a flush.
 */
#include <stdlib.h>
#include <string.h>

#include "testing.h"

#include "core/svm/asid.h"
#include "core/svm/check/model.h"
#include "core/svm/features.h"
#include "svm/legal_vmcb.h"

#define CPUS  3
#define VCPUS 5

uint32_t svm_features, svm_asid_count;

static struct check_model model;
static struct asid_pool pools[CPUS];
static struct {
    struct asid asid;
    struct vmcb vmcb;
    bool flush;
} vcpus[VCPUS];

static void begin(uint32_t features, uint32_t asid_count)
{
    svm_features = features;
    svm_asid_count = asid_count;
    memset(pools, 0, sizeof(pools));
    memset(vcpus, 0, sizeof(vcpus));
    memset(&model, 0, sizeof(model));
    model.features = features;
    model.asid_count = asid_count;
}

static int start(void **state)
{
    (void)state;
    begin(0, 4);
    return 0;
}

/* One run of a vCPU; the rule that it breaks, or NULL. Returns what TLB_CONTROL was in `control`.
 */
static const char *run(unsigned cpu, unsigned slot, uint8_t *control)
{
    struct vmcb vmcb = legal_vmcb();
    const char *broken;

    *control = asid_enter(&pools[cpu], cpu, &vcpus[slot].asid, vcpus[slot].flush);
    vcpus[slot].flush = false;
    vmcb.guest_asid = vcpus[slot].asid.number;
    vmcb.tlb_control = *control;
    broken = check_enter(&model, cpu, slot, &vmcb);
    check_leave(&model, slot, &vmcb);
    return broken;
}

static uint8_t run_well(unsigned cpu, unsigned slot)
{
    uint8_t control;
    const char *broken = run(cpu, slot, &control);

    if (broken)
        fail_msg("CPU %u, vCPU %u: %s", cpu, slot, broken);
    return control;
}

static void ask_for_flush(unsigned slot)
{
    vcpus[slot].flush = true;
    assert_null(check_void(&model, slot, check_ask(&model, slot), false));
}

static void any_order_is_safe(void **state)
{
    static const uint32_t features[] = {0, SVM_FEATURE_FLUSH_BY_ASID};
    static const uint32_t counts[] = {2, 3, 4, 16};

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < 8; i++) {
        begin(features[i % 2], counts[i / 2]);
        for (unsigned step = 0; step < 20000; step++) {
            unsigned slot = (unsigned)random() % VCPUS;

            if (random() % 4 == 0)
                ask_for_flush(slot);
            else
                run_well((unsigned)random() % CPUS, slot);
        }
    }
}

static void an_asid_is_kept_while_nothing_happens(void **state)
{
    uint32_t number;

    (void)state;
    assert_int_equal(run_well(0, 0), VMCB_TLB_FLUSH_ALL); /* whatever was there before */
    number = vcpus[0].asid.number;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(run_well(0, 0), VMCB_TLB_KEEP);
        assert_int_equal(vcpus[0].asid.number, number);
    }
    assert_int_equal(run_well(0, 1), VMCB_TLB_KEEP);
    assert_int_not_equal(vcpus[1].asid.number, number);
    assert_int_equal(run_well(0, 0), VMCB_TLB_KEEP);
    assert_int_equal(vcpus[0].asid.number, number);
}

static void all_asids_but_the_hosts_are_handed_out(void **state)
{
    (void)state;
    begin(0, 6);
    for (unsigned slot = 0; slot < VCPUS; slot++) {
        assert_int_equal(run_well(0, slot), slot == 0 ? VMCB_TLB_FLUSH_ALL : VMCB_TLB_KEEP);
        assert_int_equal(vcpus[slot].asid.number, slot + 1);
    }
    ask_for_flush(0);
    assert_int_equal(run_well(0, 0), VMCB_TLB_FLUSH_ALL);
    assert_int_equal(vcpus[0].asid.number, 1);
    assert_int_equal(run_well(0, 1), VMCB_TLB_KEEP); /* of the new generation */
    assert_int_equal(vcpus[1].asid.number, 2);
}

static void a_flush_is_by_asid_where_the_cpu_can(void **state)
{
    (void)state;
    begin(SVM_FEATURE_FLUSH_BY_ASID, 4);
    run_well(0, 0);
    run_well(0, 1);
    ask_for_flush(1);
    assert_int_equal(run_well(0, 1), VMCB_TLB_FLUSH_ASID);
    assert_int_equal(vcpus[1].asid.number, 2);
    assert_int_equal(run_well(0, 0), VMCB_TLB_KEEP);

    begin(0, 4);
    run_well(0, 0);
    run_well(0, 1);
    ask_for_flush(1);
    assert_int_equal(run_well(0, 1), VMCB_TLB_KEEP);
    assert_int_equal(vcpus[1].asid.number, 3);
}

static void who_moves_to_another_cpu_uses_nothing_there(void **state)
{
    (void)state;
    begin(0, 16);
    run_well(0, 0);
    run_well(1, 1);
    run_well(1, 0);
    run_well(0, 1);
    ask_for_flush(0);
    run_well(1, 0);
    run_well(0, 0); /* what CPU 0 has of it is from before the flush */
}

/* What is cached isn't flushed when VMRUN fails, so nothing may build on it. */
static void after_a_failed_run_all_asids_are_void(void **state)
{
    (void)state;
    begin(0, 4);
    run_well(0, 0);
    run_well(0, 1);
    asid_distrust(&pools[0]);
    assert_int_equal(run_well(0, 1), VMCB_TLB_FLUSH_ALL);
    assert_int_equal(run_well(0, 0), VMCB_TLB_KEEP);
    assert_int_not_equal(vcpus[0].asid.number, vcpus[1].asid.number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(any_order_is_safe, start),
        cmocka_unit_test_setup(an_asid_is_kept_while_nothing_happens, start),
        cmocka_unit_test_setup(all_asids_but_the_hosts_are_handed_out, start),
        cmocka_unit_test_setup(a_flush_is_by_asid_where_the_cpu_can, start),
        cmocka_unit_test_setup(who_moves_to_another_cpu_uses_nothing_there, start),
        cmocka_unit_test_setup(after_a_failed_run_all_asids_are_void, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
