/*
 * bench: what a round trip to core costs, on COM2 as `bench: NAME BITS tsc TICKS per COUNT`,
 * BITS 32 with paging off, 64 with paging. Row `empty` is the loop by itself.
 */
#include "domains/bench/measure.h"
#include "domains/lib/com2.h"
#include "domains/lib/flat.h"

static const char *const names[BENCH_ROWS] = {
    [BENCH_EMPTY] = "empty",       [BENCH_CPUID] = "cpuid",
    [BENCH_VMMCALL] = "vmmcall",   [BENCH_RDMSR] = "rdmsr",
    [BENCH_IN] = "in-21",          [BENCH_IN_CORE] = "in-cf8",
    [BENCH_PCI] = "pci-read",      [BENCH_APIC_READ] = "apic-read",
    [BENCH_APIC_EOI] = "apic-eoi",
};

static void show(unsigned bits, const uint64_t ticks[BENCH_ROWS])
{
    for (int i = 0; i < BENCH_ROWS; i++)
        flat_print("bench: %s %u tsc %lu per %u", names[i], bits, ticks[i], BENCH_COUNT);
}

void flat_main(void)
{
    measure_64();
    com2_start();
    show(32, bench_ticks_32);
    show(64, bench_ticks_64);
    flat_print("bench: done");
}
