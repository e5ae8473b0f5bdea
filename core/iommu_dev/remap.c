#include "core/iommu_dev/remap.h"

#include "core/iommu_dev/dma.h"
#include "core/platform/platform.h"
#include "hw/amdvi.h"

_Static_assert(BH_REMAP_INDEXES == AMDVI_IRT_ENTRIES, "what the device-table entries say");

static struct remap make(const struct bh_header *policy, uint32_t domain, const struct bh_dte *row)
{
    const struct bh_domain *owner = bh_domain_row(policy, domain);
    bool is_remapped = row && bh_is_remapped(owner);

    return (struct remap){.domain = owner,
                          .device = row ? row->device_id : 0,
                          .table = is_remapped ? at_physical(row->dte[2] & AMDVI_DTE2_INTTABROOT)
                                               : NULL};
}

struct remap remap_find(const struct bh_header *policy, uint32_t domain, uint16_t device)
{
    const struct bh_dte *rows = bh_rows(policy, &policy->dtes);

    for (uint32_t i = 0; i < policy->dtes.count; i++)
        if (rows[i].device_id == device && rows[i].domain == domain)
            return make(policy, domain, &rows[i]);
    return make(policy, domain, NULL);
}

/* Of a domain's sources, the one that has no DMA. */
struct remap remap_find_ioapic(const struct bh_header *policy, uint32_t domain)
{
    const struct bh_dte *rows = bh_rows(policy, &policy->dtes);

    for (uint32_t i = 0; i < policy->dtes.count; i++)
        if (rows[i].dte[0] == (AMDVI_DTE0_V | AMDVI_DTE0_TV) && rows[i].domain == domain)
            return make(policy, domain, &rows[i]);
    return make(policy, domain, NULL);
}

/* An entry is 32 bits: the IOMMU sees the old one or the new one. */
static void write_entry(struct remap *remap, uint32_t index, uint32_t value)
{
    uint32_t *entry = &remap->table->entry[index];

    if (*entry == value)
        return;
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
    remap->is_changed = true;
}

bool remap_point(struct remap *remap, uint32_t index, uint32_t id, uint32_t vector)
{
    uint32_t apic_id;

    if (!remap->table || index >= BH_REMAP_INDEXES)
        return false;
    if (id >= remap->domain->ncores || vector < REMAP_FIRST_VECTOR || vector > REMAP_LAST_VECTOR) {
        write_entry(remap, index, 0);
        return false;
    }
    apic_id = cpu_areas[remap->domain->core[id]].cpu.apic_id;
    write_entry(remap, index,
                AMDVI_IRTE_REMAP_EN | AMDVI_IRTE_FIXED |
                    (apic_id << AMDVI_IRTE_DEST_SHIFT & AMDVI_IRTE_DEST) |
                    vector << AMDVI_IRTE_VECTOR_SHIFT);
    return true;
}

void remap_close(struct remap *remap, uint32_t index)
{
    if (remap->table && index < BH_REMAP_INDEXES)
        write_entry(remap, index, 0);
}

void remap_commit(struct remap *remap)
{
    if (remap->is_changed)
        dma_forget_interrupts(remap->device);
    remap->is_changed = false;
}
