/*
 * Counts what exits to core cost. Under QEMU's -icount shift=0 the TSC counts executed
 * instructions, so the result is the same in every run.
 */
#include <hw/pci.h>
#include <hw/x86.h>
#include "domains/bench/measure.h"

/* BENCH_COUNT rounds of what stands between `measure` and `again`; %ebp counts them. */
    .macro measure ticks, row
    .set ticks_of_row, \ticks + 8 * \row
    lfence
    rdtsc
    mov %eax, start
    mov %edx, start + 4
    mov $BENCH_COUNT, %ebp
1:
    .endm

    .macro again
    dec %ebp
    jnz 1b
    lfence
    rdtsc
    sub start, %eax
    sbb start + 4, %edx
    mov %eax, ticks_of_row
    mov %edx, ticks_of_row + 4
    .endm

    .text
    .code32
#define MEASURE flat_early
#define TICKS bench_ticks_32
#define REGISTER(x) %e##x
#include "domains/bench/rounds.inc"
#undef MEASURE
#undef TICKS
#undef REGISTER

    .code64
#define MEASURE measure_64
#define TICKS bench_ticks_64
#define REGISTER(x) %r##x
#include "domains/bench/rounds.inc"

    .bss
    .balign 8
start:
    .skip 8
    .globl bench_ticks_32, bench_ticks_64
bench_ticks_32:
    .skip 8 * BENCH_ROWS
bench_ticks_64:
    .skip 8 * BENCH_ROWS

    .section .note.GNU-stack, "", @progbits
