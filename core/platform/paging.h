/*
 * Core's own page tables: everything below 4 GiB at virtual = physical, supervisor only. Core's
 * text can be executed, its text and constants not be written, nothing else be executed; page 0 and
 * the guard pages of stacks are unmapped. All CPUs share them. They change during boot only.
 */
#ifndef CORE_PLATFORM_PAGING_H
#define CORE_PLATFORM_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* First address that core can't reach. */
#define PAGING_END 0x100000000u

/* Takes away the rights that start.S left open. */
void paging_init(void);

/* Makes all whole 2-MiB pages from address up to 4 GiB uncached: devices, no RAM, lie there. */
void paging_set_uncached_from(uint64_t address);

/* Makes the whole 2-MiB pages in [start, end) write-combining, for a framebuffer. */
void paging_set_write_combining(uint64_t start, uint64_t end);

/* True if core can read and write [start, start + length): mapped, and not core's own memory. */
bool paging_is_outside_core(uint64_t start, uint64_t length);

/* The memory at a physical address, which the caller has checked. */
static inline void *at_physical(uint64_t address)
{
    return (void *)address;
}

#endif
