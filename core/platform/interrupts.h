/* Maskable interrupts that core takes itself, on a CPU whose local APIC is core's. */
#ifndef CORE_PLATFORM_INTERRUPTS_H
#define CORE_PLATFORM_INTERRUPTS_H

#include <stdint.h>

#include "core/platform/cpu.h"

/*
 * Called with each that has arrived on `cpu`, the calling one. What core waits for says nothing but
 * that it came. All else is a stray: a device's, firmware's, or what the core's former owner left
 * pending. It is counted, told when the count is a power of two, and ended, so that it holds
 * nothing of lower priority back.
 */
void interrupt_take(struct cpu *cpu, uint8_t vector);

#endif
