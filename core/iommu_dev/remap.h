/*
 * Interrupt remapping while domains run. Each source of interrupts - a device, or the I/O APIC - of
 * a domain with several cores has a table of its own (struct bh_remap); this is the one place that
 * writes its entries, and none can name what the policy denies: a fixed interrupt of a vector that
 * is no exception's, to one core of the source's domain, or nothing at all.
 */
#ifndef CORE_IOMMU_DEV_REMAP_H
#define CORE_IOMMU_DEV_REMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"

struct remap {
    struct bh_remap *table; /* NULL: nothing can be asked for */
    const struct bh_domain *domain;
    uint16_t device;
    bool is_changed; /* the IOMMU may hold what stood there before */
};

/* Vectors that a device may send: no exception's, nor the spurious interrupt's. */
#define REMAP_FIRST_VECTOR 0x20u
#define REMAP_LAST_VECTOR  0xfeu

/* The source with that requester id, if it is the domain's and its interrupts are remapped. */
struct remap remap_find(const struct bh_header *policy, uint32_t domain, uint16_t device);

/* The I/O APIC, if the domain has pins of it. */
struct remap remap_find_ioapic(const struct bh_header *policy, uint32_t domain);

/*
 * Points entry `index` at the domain's core[id]; an interrupt that passes there arrives with that
 * vector. False if that can't be had: the entry is closed then.
 */
bool remap_point(struct remap *remap, uint32_t index, uint32_t id, uint32_t vector);

/* Lets no interrupt pass there. */
void remap_close(struct remap *remap, uint32_t index);

/* After changes: on return the IOMMU uses the entries as they are. */
void remap_commit(struct remap *remap);

#endif
