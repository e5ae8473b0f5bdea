/*
 * Attacks that both intruders can try, root in Linux and the bare-metal stand-in, and what
 * they need from the program that they run in.
 */
#ifndef DOMAINS_INTRUDER_ATTACKS_ATTACK_H
#define DOMAINS_INTRUDER_ATTACKS_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domains/intruder/report.h"

struct attack {
    const char *name;
    void (*run)(struct report *report);
    const char *text; /* what is tried */
};

struct subject {
    const struct attack *attacks;
    size_t count;
};

/*
 * What attacks write. Made when it is needed, so that a look at the machine's memory finds
 * it only where an attack got through, not in copies of this program.
 */
static inline uint64_t attack_pattern(void)
{
    uint64_t hidden = 0xf4523f21f4523f21ull;

    __asm__("" : "+r"(hidden));
    return ~hidden;
}

/* One file a subject. */
extern const struct subject memory_attacks, port_attacks, pci_attacks, msr_attacks, apic_attacks;

/*
 * Gives `size` bytes of guest-physical memory at `address`, both multiples of a page.
 * Returns NULL, with the reason as a breach of the report, if that can't be had: an attack
 * that wasn't tried mustn't look like one that was refused.
 */
uint8_t *map_physical(struct report *report, uint64_t address, size_t size);
void unmap_physical(uint8_t *mapped, size_t size);

/* Whether the policy gives this domain the page, in the midst of what belongs to others. */
bool is_granted(uint64_t gpa);

/* A page of this domain's own whose guest-physical address is known. */
uint64_t own_page(void);

/* MSR accesses; false if the CPU or core refuses. msrs_ready() says on the report why not. */
bool msrs_ready(struct report *report);
bool try_read_msr(uint32_t number, uint64_t *value);
bool try_write_msr(uint32_t number, uint64_t value);

#endif
