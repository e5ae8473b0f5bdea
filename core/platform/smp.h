/*
 * Work for all CPUs. core/boot starts them; each then waits in smp_join for what the boot CPU
 * gives out.
 */
#ifndef CORE_PLATFORM_SMP_H
#define CORE_PLATFORM_SMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include "core/platform/cpu.h"

/* Number of CPUs that run core, the boot CPU included; their indices are 0 to that - 1. */
uint32_t smp_count(void);

/* Where a started CPU goes: it counts as running from here on. */
noreturn void smp_join(struct cpu *cpu);

/*
 * Boot CPU only: has every CPU call function once, itself too, and waits until all are back. Stops
 * the machine if one isn't after a second.
 */
void smp_call(void (*function)(struct cpu *cpu));

/*
 * Sends CPU `index` an NMI of core's own, which nmi_count doesn't count: it leaves a domain, or
 * ends a HLT (struct cpu's `doze`). Two that meet on their way are one. Any CPU may. False if the
 * APIC doesn't send.
 */
bool smp_kick(uint32_t index);

/* Boot CPU only: every CPU calls function and never comes back. */
noreturn void smp_enter(void (*function)(struct cpu *cpu));

#endif
