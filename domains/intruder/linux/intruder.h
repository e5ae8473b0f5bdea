/* The attacks that root in a Linux domain can try, and what they share. */
#ifndef DOMAINS_INTRUDER_LINUX_INTRUDER_H
#define DOMAINS_INTRUDER_LINUX_INTRUDER_H

#include <stddef.h>
#include <stdint.h>

#include "domains/intruder/report.h"
#include "domains/work/client.h"

struct attack {
    const char *name;
    void (*run)(struct report *report);
    const char *text; /* what is tried, for --list */
};

/* One table a subject. */
extern const struct attack memory_attacks[], port_attacks[], pci_attacks[], msr_attacks[],
    apic_attacks[];
extern const size_t memory_attack_count, port_attack_count, pci_attack_count, msr_attack_count,
    apic_attack_count;

/* Vault's client, open. Attacks use its /dev/mem and leave its channel alone. */
extern struct client victim;

/*
 * Maps `size` bytes of guest-physical memory at `address`, both multiples of a page.
 * Returns NULL, with the reason as a breach of the report, if Linux refuses: an attack that
 * wasn't tried mustn't look like one that was refused.
 */
uint8_t *map_physical(struct report *report, uint64_t address, size_t size);
void unmap_physical(uint8_t *mapped, size_t size);

#endif
