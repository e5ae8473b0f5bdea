/* The timer of a virtual local APIC, APM vol. 2, 16.4.1. */
#include "testing.h"

#include "hw/apic.h"
#include "hw/x86.h"
#include "vdev/vlapic_case.h"

static void set_timer(uint32_t mode, uint32_t count)
{
    put(DIVIDE, BY_ONE);
    put(LVT_TIMER, mode | 0x44);
    put(COUNT, count);
}

static void one_shot_fires_once(void **state)
{
    (void)state;
    set_timer(0, SOME_COUNT);
    assert_int_equal(vlapic_deadline(&apic), NOW + SOME_COUNT);
    assert_int_equal(get_at(CURRENT, NOW + 1), SOME_COUNT - 1);
    vlapic_tick(&apic, NOW + SOME_COUNT - 1);
    assert_int_equal(take(), VLAPIC_NOTHING);
    vlapic_tick(&apic, NOW + SOME_COUNT);
    assert_int_equal(take(), 0x44);
    assert_true(vlapic_deadline(&apic) == VLAPIC_NEVER);
    assert_int_equal(get_at(CURRENT, NOW + SOME_COUNT + 1), 0);
    put(EOI, 0);
    vlapic_tick(&apic, NOW + 100 * SOME_COUNT);
    assert_int_equal(take(), VLAPIC_NOTHING);
    set_timer(0, SOME_COUNT);
    put(COUNT, 0); /* stops it */
    assert_true(vlapic_deadline(&apic) == VLAPIC_NEVER);
}

static void periods_keep_their_beat(void **state)
{
    uint64_t now = NOW;

    (void)state;
    set_timer(PERIODIC, SOME_COUNT);
    for (unsigned i = 1; i < 10; i++) {
        assert_int_equal(vlapic_deadline(&apic), NOW + i * SOME_COUNT);
        now = vlapic_deadline(&apic) + 17 * i; /* each a little late */
        vlapic_tick(&apic, now);
        assert_int_equal(take(), 0x44);
        put_at(EOI, 0, now);
    }
    now += 5 * SOME_COUNT; /* several missed are one */
    vlapic_tick(&apic, now);
    assert_int_equal(take(), 0x44);
    put_at(EOI, 0, now);
    assert_int_equal(take(), VLAPIC_NOTHING);
    assert_true(vlapic_deadline(&apic) > now);
    assert_int_equal((vlapic_deadline(&apic) - NOW) % SOME_COUNT, 0);
}

/* A period of one tick would be the end of the host's other work on this core. */
static void short_periods_are_stretched(void **state)
{
    (void)state;
    set_timer(PERIODIC, 1);
    assert_int_equal(vlapic_deadline(&apic), NOW + VLAPIC_PERIOD_MIN);
    vlapic_tick(&apic, NOW + VLAPIC_PERIOD_MIN);
    assert_int_equal(vlapic_deadline(&apic), NOW + 2 * VLAPIC_PERIOD_MIN);
    assert_int_equal(get(CURRENT), 1);
    set_timer(0, VLAPIC_PERIOD_MIN + 1);
    put(LVT_TIMER, PERIODIC | 0x44); /* by another door */
    vlapic_tick(&apic, NOW + UINT32_MAX);
    assert_true(vlapic_deadline(&apic) > NOW + UINT32_MAX);
}

static void deadlines_are_the_tscs(void **state)
{
    (void)state;
    put(MSR_TSC_DEADLINE, NOW + 5); /* not in that mode */
    assert_int_equal(get(MSR_TSC_DEADLINE), 0);
    put(LVT_TIMER, DEADLINE | 0x44);
    put(COUNT, 1);
    assert_true(vlapic_deadline(&apic) == VLAPIC_NEVER);
    put(MSR_TSC_DEADLINE, NOW + 5);
    assert_int_equal(get(MSR_TSC_DEADLINE), NOW + 5);
    assert_int_equal(get(CURRENT), 0);
    vlapic_tick(&apic, NOW + 4);
    assert_int_equal(take(), VLAPIC_NOTHING);
    vlapic_tick(&apic, NOW + 5);
    assert_int_equal(take(), 0x44);
    assert_int_equal(get(MSR_TSC_DEADLINE), 0);
    put(EOI, 0);
    put(MSR_TSC_DEADLINE, 1); /* past: at once */
    vlapic_tick(&apic, NOW);
    assert_int_equal(take(), 0x44);
    put(MSR_TSC_DEADLINE, NOW + 5);
    put(MSR_TSC_DEADLINE, 0);
    assert_true(vlapic_deadline(&apic) == VLAPIC_NEVER);
    put(MSR_TSC_DEADLINE, UINT64_MAX); /* never, either */
    vlapic_tick(&apic, UINT64_MAX);
    put(EOI, 0);
    assert_int_equal(take(), VLAPIC_NOTHING);
    put(MSR_TSC_DEADLINE, NOW + 5);
    put(LVT_TIMER, 0x44); /* another mode stops it */
    assert_true(vlapic_deadline(&apic) == VLAPIC_NEVER);
}

static void the_divider_divides(void **state)
{
    static const unsigned by[] = {2, 4, 8, 16, 32, 64, 128, 1};

    (void)state;
    put(LVT_TIMER, 0x44);
    for (unsigned i = 0; i < 8; i++) {
        put(DIVIDE, (i & 3) | (i & 4) << 1);
        put(COUNT, SOME_COUNT);
        assert_int_equal(vlapic_deadline(&apic), NOW + (uint64_t)SOME_COUNT * by[i]);
    }
    put(DIVIDE, BY_SIXTEEN); /* a running one goes on from where it is */
    put(COUNT, 1000);
    put_at(DIVIDE, BY_ONE, NOW + 16 * 400);
    assert_int_equal(vlapic_deadline(&apic), NOW + 16 * 400 + 600);
}

static void a_masked_timer_is_silent(void **state)
{
    (void)state;
    set_timer(APIC_LVT_MASKED, SOME_COUNT);
    vlapic_tick(&apic, NOW + SOME_COUNT);
    assert_int_equal(take(), VLAPIC_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_shot_fires_once, start),
        cmocka_unit_test_setup(periods_keep_their_beat, start),
        cmocka_unit_test_setup(short_periods_are_stretched, start),
        cmocka_unit_test_setup(deadlines_are_the_tscs, start),
        cmocka_unit_test_setup(the_divider_divides, start),
        cmocka_unit_test_setup(a_masked_timer_is_silent, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
