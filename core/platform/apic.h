/* The local APIC of each CPU, in xAPIC mode, and the first I/O APIC. */
#ifndef CORE_PLATFORM_APIC_H
#define CORE_PLATFORM_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/platform/paging.h"
#include "hw/apic.h"

/* Registers of the calling CPU's local APIC, by offset (hw/apic.h). */
static inline uint32_t apic_read(uint32_t offset)
{
    return *(volatile uint32_t *)at_physical(APIC_BASE_DEFAULT + offset);
}

static inline void apic_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)at_physical(APIC_BASE_DEFAULT + offset) = value;
}

/* Stops the machine unless the calling CPU's APIC is on, in xAPIC mode, at its usual address. */
void apic_check(void);

/* APIC ID of the calling CPU. */
uint32_t apic_id(void);

/*
 * Ready for core: the calling CPU's APIC is on and takes nothing from the 8259s by LINT0. What an
 * APIC that a domain owns does later is the domain's business (core/vdev).
 */
void apic_quiet(void);

/* Sends what the bits of APIC_ICR_LOW say to the CPU with that APIC ID. False if the APIC doesn't
 * get it off within a bounded time. */
bool apic_send(uint32_t destination, uint32_t command);

/* Registers of the I/O APIC, by index; ioapic_init must have been called. */
void ioapic_init(uint32_t address);

/* Masks every entry of the I/O APIC and every line of the 8259s. */
void interrupts_mask_all(void);

uint32_t ioapic_read(uint32_t index);
void ioapic_write(uint32_t index, uint32_t value);

#endif
