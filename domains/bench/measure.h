/* What is measured, for assembler and C: the same instructions in both modes. */
#ifndef DOMAINS_BENCH_MEASURE_H
#define DOMAINS_BENCH_MEASURE_H

#define BENCH_COUNT 2000

#define BENCH_EMPTY     0
#define BENCH_CPUID     1
#define BENCH_VMMCALL   2
#define BENCH_RDMSR     3
#define BENCH_IN        4
#define BENCH_IN_CORE   5
#define BENCH_PCI       6
#define BENCH_APIC_READ 7
#define BENCH_APIC_EOI  8
#define BENCH_ROWS      9

/* BH_CALL | BH_CALL_VERSION (bulkhead/abi.h), which an assembler can read, too. */
#define BENCH_CALL 0x42480000

/* CPUID's answer where Bulkhead is below: leaf, and EBX, the first part of the signature. */
#define BENCH_CPUID_LEAF 0x40000000
#define BENCH_SIGNATURE  0x6b6c7542 /* "Bulk" */

#ifndef __ASSEMBLER__
#include "bulkhead/abi.h"
#include <stdint.h>

/* TSC ticks of BENCH_COUNT rounds each; filled by measure_32 (flat_early) and measure_64. */
extern uint64_t bench_ticks_32[BENCH_ROWS], bench_ticks_64[BENCH_ROWS];

void measure_64(void);

_Static_assert(BENCH_CALL == (BH_CALL | BH_CALL_VERSION), "a call that only answers");
_Static_assert(BENCH_CPUID_LEAF == BH_CPUID_BASE, "the leaf of the signature");
#endif

#endif
