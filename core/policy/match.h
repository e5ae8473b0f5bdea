/* Whether a policy fits loader and machine. Pure. */
#ifndef CORE_POLICY_MATCH_H
#define CORE_POLICY_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/policy/check.h"

/* What the machine has that the loader doesn't tell. */
struct policy_machine {
    uint64_t features;                /* BH_FEATURE_* */
    uint32_t asids;                   /* there are ASIDs below that */
    uint32_t cpus;                    /* at most BH_MAX_CORES */
    uint8_t apic_id[BH_MAX_CORES];    /* by core number */
    uint32_t (*pci_id)(uint16_t bdf); /* device << 16 | vendor; all ones: nothing there */
};

/* Each region is usable RAM in the loader's map, and no module lies in one but core's. */
bool match_memory(const struct bh_header *h, const struct boot_info *info,
                  struct policy_fault *fault);

/* Features, ASIDs, CPUs, PCI functions, and where devices' interrupts go. */
bool match_machine(const struct bh_header *h, const struct policy_machine *machine,
                   struct policy_fault *fault);

#endif
