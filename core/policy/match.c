#include "core/policy/match.h"

#include "core/platform/paging.h"
#include "core/policy/image.h"
#include "hw/amdvi.h"

bool match_memory(const struct bh_header *h, const struct boot_info *info,
                  struct policy_fault *fault)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);

    for (uint32_t i = 0; i < h->regions.count; i++) {
        uint64_t start = region[i].base, end = start + region[i].size;

        if (!boot_is_usable(info, start, end) || end > PAGING_END) /* core must reach it */
            return policy_fail(fault, POLICY_REGION_RAM, i, start);
        if (region[i].use != BH_REGION_CORE && boot_has_module(info, start, end))
            return policy_fail(fault, POLICY_REGION_MODULE, i, start);
    }
    return true;
}

static bool match_features(const struct bh_header *h, const struct policy_machine *machine,
                           struct policy_fault *fault)
{
    uint64_t missing = h->required_features & ~machine->features;

    if (machine->asids < 2) /* 0 is the host's */
        return policy_fail(fault, POLICY_NO_SVM, 0, 0);
    if ((missing & BH_FEATURE_NPT) != 0)
        return policy_fail(fault, POLICY_NO_NPT, 0, 0);
    if ((missing & BH_FEATURE_AMDVI) != 0)
        return policy_fail(fault, POLICY_NO_AMDVI, 0, 0);
    if ((missing & BH_FEATURE_RDRAND) != 0)
        return policy_fail(fault, POLICY_NO_RDRAND, 0, 0);
    return true;
}

static bool match_domains(const struct bh_header *h, const struct policy_machine *machine,
                          struct policy_fault *fault)
{
    const struct bh_domain *domain = POLICY_ROWS(h, domains, struct bh_domain);

    for (uint32_t n = 0; n < h->domains.count; n++) {
        for (uint32_t i = 0; i < domain[n].ncores; i++)
            if (domain[n].core[i] >= machine->cpus)
                return policy_fail(fault, POLICY_FEW_CPUS, n, domain[n].core[i]);
    }
    return true;
}

static bool is_core_of(const struct bh_domain *d, const struct policy_machine *machine,
                       uint32_t apic_id)
{
    for (uint32_t i = 0; i < d->ncores; i++)
        if (machine->apic_id[d->core[i]] == apic_id)
            return true;
    return false;
}

/* A device's interrupts reach the cores of its domain only. */
static bool match_interrupts(const struct bh_header *h, const struct policy_machine *machine,
                             struct policy_fault *fault)
{
    const struct bh_domain *domain = POLICY_ROWS(h, domains, struct bh_domain);
    const struct bh_dte *row = POLICY_ROWS(h, dtes, struct bh_dte);

    for (uint32_t n = 0; n < h->dtes.count; n++) {
        uint64_t q = row[n].dte[2];
        uint64_t length = (q & AMDVI_DTE2_INTTABLEN) >> AMDVI_DTE2_INTTABLEN_SHIFT;
        const uint32_t *entry = image_at(h, q & AMDVI_DTE2_INTTABROOT, 4ull << length);

        for (uint64_t i = 0; entry && i < 1ull << length; i++) {
            uint32_t apic_id = (entry[i] & AMDVI_IRTE_DEST) >> AMDVI_IRTE_DEST_SHIFT;

            if ((entry[i] & AMDVI_IRTE_REMAP_EN) != 0 &&
                !is_core_of(&domain[row[n].domain], machine, apic_id))
                return policy_fail(fault, POLICY_DTE_CORE, n, apic_id);
        }
    }
    return true;
}

bool match_machine(const struct bh_header *h, const struct policy_machine *machine,
                   struct policy_fault *fault)
{
    const struct bh_pci_function *f = POLICY_ROWS(h, functions, struct bh_pci_function);

    if (!match_features(h, machine, fault) || !match_domains(h, machine, fault) ||
        !match_interrupts(h, machine, fault))
        return false;
    for (uint32_t i = 0; i < h->functions.count; i++) {
        uint32_t found = machine->pci_id(f[i].bdf);

        if (found != ((uint32_t)f[i].device << 16 | f[i].vendor))
            return policy_fail(fault, POLICY_OTHER_DEVICE, i, found);
    }
    return true;
}
