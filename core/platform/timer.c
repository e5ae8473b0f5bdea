#include "core/platform/timer.h"

#include "core/platform/apic.h"
#include "core/platform/cpu.h"
#include "core/platform/instructions.h"
#include "core/platform/panic.h"
#include "core/platform/time.h"

#define MEASURE_US 10000

static uint64_t timer_khz;

uint32_t timer_ticks(uint64_t now, uint64_t deadline, uint64_t tsc_khz, uint64_t khz)
{
    uint64_t farthest = UINT32_MAX * tsc_khz / khz;

    if (deadline <= now)
        return 1;
    if (deadline - now >= farthest)
        return UINT32_MAX;
    return (uint32_t)(((deadline - now) * khz + tsc_khz - 1) / tsc_khz);
}

/* One-shot (16.4.1); a count of 0 stops it. */
static void start(uint32_t ticks, uint32_t lvt)
{
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_1);
    apic_write(APIC_LVT_TIMER, lvt);
    apic_write(APIC_TIMER_COUNT, ticks);
}

void timer_init(void)
{
    uint64_t tsc = read_tsc();
    uint32_t ticks;

    start(UINT32_MAX, APIC_LVT_MASKED);
    time_wait(MEASURE_US);
    ticks = UINT32_MAX - apic_read(APIC_TIMER_CURRENT);
    tsc = read_tsc() - tsc;
    start(0, APIC_LVT_MASKED);
    timer_khz = ticks * time_tsc_khz() / tsc;
    if (timer_khz == 0)
        fatal("local APIC timer stands still: CPU %u, %u ticks. Load the firmware's default "
              "settings",
              cpu_current()->index, ticks);
}

void timer_set(uint64_t deadline)
{
    struct cpu *cpu = cpu_current();

    if (deadline == cpu->timer_deadline)
        return;
    cpu->timer_deadline = deadline;
    if (deadline == TIMER_NEVER)
        start(0, APIC_LVT_MASKED);
    else
        start(timer_ticks(read_tsc(), deadline, time_tsc_khz(), timer_khz), VECTOR_TIMER);
}
