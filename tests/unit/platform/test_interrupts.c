/* What core does with interrupts on a CPU whose local APIC is its own, and the timer's arithmetic.
 */
#include "testing.h"

#include <string.h>

#include "core/platform/interrupts.h"
#include "core/platform/time.h"
#include "core/platform/timer.h"
#include "models/console_model.h"
#include "models/cpu_model.h"

/* timer_init() asks; no test does. */
uint64_t time_tsc_khz(void)
{
    return 1;
}

void time_wait(uint32_t microseconds)
{
    (void)microseconds;
}

static struct cpu *const cpu = &cpu_areas[1].cpu;

static int start(void **state)
{
    (void)state;
    cpu_model_reset();
    console_clear();
    memset(cpu, 0, sizeof(*cpu));
    cpu->index = 1;
    cpu->timer_deadline = 12345;
    return 0;
}

static void put_in_service(uint8_t vector)
{
    memset(cpu_model.apic, 0, sizeof(cpu_model.apic));
    cpu_model.apic[(APIC_ISR + vector / 32 * 0x10) / 4] = 1u << vector % 32;
    cpu_model.apic_log.count = 0;
}

/* 16.4.7 and 16.6.3: what is in service holds all of its priority and below until its EOI. */
static void each_vector_in_service_is_ended_once(void **state)
{
    (void)state;
    for (unsigned vector = EXCEPTION_COUNT; vector < VECTOR_COUNT; vector++) {
        put_in_service((uint8_t)vector);
        interrupt_take(cpu, (uint8_t)vector);
        assert_int_equal(cpu_model.apic_log.count, 1);
        assert_int_equal(cpu_model.apic_log.write[0].reg, APIC_EOI);
        cpu_model.apic_log.count = 0;
        put_in_service((uint8_t)(vector ^ 1)); /* another's EOI isn't its to give */
        interrupt_take(cpu, (uint8_t)vector);
        assert_int_equal(cpu_model.apic_log.count, 0);
    }
}

static void strays_are_counted_and_told_now_and_then(void **state)
{
    (void)state;
    interrupt_take(cpu, VECTOR_WAKE);
    interrupt_take(cpu, VECTOR_TIMER);
    assert_int_equal(cpu->stray_count, 0);
    assert_string_equal(console_text, "");
    for (unsigned i = 0; i < 1000; i++)
        interrupt_take(cpu, 0xf1);
    assert_int_equal(cpu->stray_count, 1000);
    assert_non_null(
        strstr(console_text, "CPU 1: interrupt 241, which nobody waits for; so far 1 "));
    assert_non_null(strstr(console_text, "so far 512 such"));
    assert_null(strstr(console_text, "so far 3 such"));
}

static void the_timers_interrupt_forgets_the_deadline(void **state)
{
    (void)state;
    interrupt_take(cpu, VECTOR_WAKE);
    assert_int_equal(cpu->timer_deadline, 12345);
    interrupt_take(cpu, VECTOR_TIMER);
    assert_int_equal(cpu->timer_deadline, TIMER_NEVER);
}

static void ticks_end_at_the_deadline_or_soon_after(void **state)
{
    static const uint64_t khz[] = {1000, 62500, 100000, 999999, 1000000, 2900000, 5000000};
    static const uint64_t spans[] = {1, 2, 999, 1000000, 29000000, 4000000000, 8000000000};

    (void)state;
    for (unsigned tsc = 0; tsc < 7; tsc++) {
        for (unsigned timer = 0; timer < 7; timer++) {
            for (unsigned i = 0; i < 7; i++) {
                uint64_t ticks =
                    timer_ticks(1ull << 62, (1ull << 62) + spans[i], khz[tsc], khz[timer]);

                if (ticks == UINT32_MAX)
                    assert_true(spans[i] >= UINT32_MAX * khz[tsc] / khz[timer]);
                else
                    assert_in_range(ticks * khz[tsc], spans[i] * khz[timer],
                                    spans[i] * khz[timer] + khz[tsc]);
            }
        }
    }
}

static void a_past_deadline_is_soon_and_a_far_one_the_farthest(void **state)
{
    (void)state;
    assert_int_equal(timer_ticks(100, 100, 1000, 1000), 1);
    assert_int_equal(timer_ticks(100, 99, 1000, 1000), 1);
    assert_int_equal(timer_ticks(UINT64_MAX, 0, 1000, 1000), 1);
    assert_int_equal(timer_ticks(0, UINT64_MAX - 1, 1000, 1000), UINT32_MAX);
    assert_int_equal(timer_ticks(5, 5 + (1ull << 32), 1000, 1000), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_vector_in_service_is_ended_once, start),
        cmocka_unit_test_setup(strays_are_counted_and_told_now_and_then, start),
        cmocka_unit_test_setup(the_timers_interrupt_forgets_the_deadline, start),
        cmocka_unit_test_setup(ticks_end_at_the_deadline_or_soon_after, start),
        cmocka_unit_test_setup(a_past_deadline_is_soon_and_a_far_one_the_farthest, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
