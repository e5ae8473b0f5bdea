/*
 * The local APIC's timer of a CPU whose APIC is core's: one deadline at a time, told in the TSC.
 * When it comes VECTOR_TIMER does, which ends a sleep or a domain's run and says nothing else.
 */
#ifndef CORE_PLATFORM_TIMER_H
#define CORE_PLATFORM_TIMER_H

#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

/* Boot CPU, once: measures the timer's rate, which all CPUs share. Needs time_init; takes 10 ms. */
void timer_init(void);

/*
 * Has the calling CPU interrupted at `deadline`, at once if that is past, not at all if it is
 * TIMER_NEVER; forgets the deadline before. One that is farther away than the timer counts is
 * interrupted earlier: who set it looks at the TSC, and sets it again.
 */
void timer_set(uint64_t deadline);

/* Ticks of a timer of `timer_khz` from `now` to `deadline`, rounded up: 1 to FFFFFFFFh. */
uint32_t timer_ticks(uint64_t now, uint64_t deadline, uint64_t tsc_khz, uint64_t timer_khz);

#endif
