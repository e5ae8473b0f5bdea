/*
 * The policy: found among the loader's modules, verified, put in its place, checked, and
 * matched with the machine. What comes out of it can be used without a further look.
 */
#ifndef CORE_POLICY_POLICY_H
#define CORE_POLICY_POLICY_H

#include <stdint.h>

#include "bulkhead/evlog.h"
#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/platform/acpi_tables.h"

/* Where a policy comes from, to be measured. */
struct policy_origin {
    struct bh_event_policy event;
    uint8_t trust[BH_DIGEST]; /* SHA-256 of trust.pub */
};

/*
 * Verifies the module `policy` by `signature` and `trust.pub`, copies it to the place that it
 * names and checks it there. DMA must be closed. Fatal, with cause and remedy, if anything is
 * wrong: nothing can run then.
 */
const struct bh_header *policy_load(const struct boot_info *info, struct policy_origin *origin);

/* The first row of a table of the policy. */
#define POLICY_ROWS(policy, table, type) \
    ((const type *)((const uint8_t *)(policy) + (policy)->table.offset))

/* The loader's module of that name; fatal if there is none, or more than one. */
const struct boot_module *policy_module(const struct boot_info *info, const char *name);

/*
 * Compares the policy with the machine: features, CPUs, PCI functions, and where devices'
 * interrupts go. Fatal where they don't match.
 */
void policy_match(const struct bh_header *policy, const struct acpi_cpus *cpus);

#endif
