/*
 * A small policy image that is right in everything, for tests to damage: `work`, a Linux
 * primary with one device on core 0, and `vault`, a flat microVM on core 1, with a channel.
 */
#ifndef TESTS_POLICY_SAMPLE_H
#define TESTS_POLICY_SAMPLE_H

#include <stdint.h>

#include "bulkhead/image.h"

#define SAMPLE_SIZE 0x40000u
#define SAMPLE_BASE 0x10000000ull

#define SAMPLE_VAULT      0x10400000ull /* vault's memory, 4 MiB */
#define SAMPLE_VAULT_SIZE 0x00400000ull
#define SAMPLE_CHANNEL    0x10c00000ull /* one page */
#define SAMPLE_RAM        0x40000000ull /* end of work's memory */
#define SAMPLE_BAR        0xfe000000ull /* four pages */

enum { SAMPLE_WORK, SAMPLE_VAULT_DOMAIN };

struct sample {
    union {
        struct bh_header header;
        uint8_t bytes[SAMPLE_SIZE];
    } __attribute__((aligned(4096)));
    struct bh_domain *domain;
    struct bh_file *file;
    struct bh_region *region;
    struct bh_channel *channel;
    struct bh_pci_function *function;
    struct bh_dte *dte;
    struct bh_cpuid *cpuid;
    struct bh_msr *msr;
    uint32_t used; /* bytes handed out so far */
};

/* Builds the image afresh. */
void sample_build(struct sample *s);

/* Hands out pages at the image's end; returns their machine address. */
uint64_t sample_pages(struct sample *s, uint32_t count);

/* What lies at a machine address inside the image. */
void *sample_at(struct sample *s, uint64_t address);

/* Maps [gpa, gpa + size) to `machine`, by 2-MiB leaves where it can, with these leaf bits. */
void sample_map(struct sample *s, uint32_t domain, uint64_t gpa, uint64_t machine, uint64_t size,
                uint64_t bits);

/* The leaf of a domain's table for a GPA, to be damaged; NULL if nothing is mapped. */
uint64_t *sample_leaf(struct sample *s, uint32_t domain, uint64_t gpa);

#endif
