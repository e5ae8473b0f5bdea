#include "core/platform/time.h"

#include "core/platform/acpi.h"
#include "core/platform/instructions.h"
#include "core/platform/panic.h"

#define MEASURE_MS    10
#define MEASURE_TICKS (ACPI_PM_TIMER_HZ * MEASURE_MS / 1000)
#define TIMER_MASK    0xffffffu /* it has at least 24 bits (ACPI 6.4, 4.8.2.1) */

/* A port read takes about 1 us, so a timer that runs has moved 10 ms long before that many. */
#define READS_LIMIT 10000000

static uint64_t tsc_khz;

static uint16_t timer_port(void)
{
    size_t size = 0;
    const struct acpi_fadt *fadt = acpi_find("FACP", &size);

    if (!fadt || size < sizeof(*fadt) || fadt->pm_timer_length != 4 || fadt->pm_timer == 0 ||
        fadt->pm_timer > 0xffff)
        fatal("no ACPI PM timer: FADT of %zu bytes. Use a machine whose firmware offers it", size);
    return (uint16_t)fadt->pm_timer;
}

void time_init(void)
{
    uint16_t port = timer_port();
    /* The TSC is read first and last: what interrupts this, an SMI or a host that runs
     * something else, can only make the TSC seem faster, and waits longer. */
    uint64_t tsc = read_tsc();
    uint32_t start = in32(port), ticks = 0;

    for (int i = 0; i < READS_LIMIT && ticks < MEASURE_TICKS; i++)
        ticks = (in32(port) - start) & TIMER_MASK;
    tsc = read_tsc() - tsc;
    if (ticks < MEASURE_TICKS)
        fatal("ACPI PM timer stands still: port %x, %u ticks. Update the firmware", port, ticks);
    tsc_khz = tsc * ACPI_PM_TIMER_HZ / (ticks * 1000ull);
}

uint64_t time_tsc_khz(void)
{
    return tsc_khz;
}

uint64_t time_ns(uint64_t ticks)
{
    /* in two parts, as the product of all would overflow within seconds */
    return ticks / tsc_khz * 1000000 + ticks % tsc_khz * 1000000 / tsc_khz;
}

uint64_t time_after(uint32_t microseconds)
{
    return read_tsc() + tsc_khz * microseconds / 1000;
}

bool time_is_over(uint64_t deadline)
{
    return read_tsc() >= deadline;
}

void time_wait(uint32_t microseconds)
{
    uint64_t deadline = time_after(microseconds);

    while (!time_is_over(deadline))
        pause();
}
