/* PCI functions, device-table entries and interrupt remapping tables against the grants. */
#include "hw/amdvi.h"
#include "hw/npt.h"
#include "internal.h"
#include <string.h>

#define COMMAND      1u /* dwords of configuration space (PCI 3.0, 6.1) */
#define BAR0         4u
#define ROM          12u
#define FIRST_VECTOR 0x20u
#define LAST_VECTOR  0xfeu
#define INDEX_COUNT  (AMDVI_IRT_INDEX + 1)
#define COMMAND_BITS 0x406u /* memory space, bus master, INTx disable */

static unsigned find_bdf(const struct verification *v, uint16_t bdf)
{
    unsigned i = 0;

    while (i < v->machine->resource_count &&
           (v->machine->resource[i].pci.at.line == 0 || v->machine->resource[i].pci.value != bdf))
        i++;
    return i;
}

/* The bits of a dword that a domain may change in a function that it owns. */
static uint32_t may_write(const struct resource *resource, unsigned dword)
{
    unsigned msi = (unsigned)resource->msi.value / 4, msix = (unsigned)resource->msix.value / 4;
    unsigned data = msi + (resource->msi_64 ? 3 : 2);

    if (dword == COMMAND)
        return COMMAND_BITS;
    if (msix != 0 && dword == msix)
        return 0xc0000000; /* enable and function mask (6.8.2) */
    if (msi == 0)
        return 0;
    if (dword == msi)
        return 0x00710000; /* enable and number of messages (6.8.1) */
    if (dword == msi + 1)
        return 0xfffffffc;
    if (resource->msi_64 && dword == msi + 2)
        return 0xffffffff;
    return dword == data ? 0xffff : 0;
}

/* The bits that a domain sees of a byte of configuration space. */
static uint32_t may_read(const struct bh_pci_function *row, const struct resource *resource,
                         unsigned byte)
{
    if (!row->granted) /* ids, class, header type */
        return byte / 4 == 0 || byte / 4 == 2 || byte == 14 ? 0xff : 0;
    if (byte / 4 == ROM)
        return 0;
    for (unsigned i = 0; i < resource->hidden_count; i++)
        if (byte >= resource->hidden[i].base + 2 && /* the list's links stay */
            byte < resource->hidden[i].base + resource->hidden[i].size)
            return 0;
    return 0xff;
}

static const char *masks_fault(const struct bh_pci_function *row, const struct resource *resource)
{
    for (unsigned i = 0; i < 64; i++) {
        if (row->write_mask[i] != (row->granted ? may_write(resource, i) : 0))
            return "lets writes reach more or less than it may";
        for (unsigned j = 0; j < 4; j++)
            if ((row->read_mask[i] >> 8 * j & 0xff) != may_read(row, resource, 4 * i + j))
                return "shows more or less than it may";
    }
    return NULL;
}

static const char *bars_fault(const struct bh_pci_function *row, const struct resource *resource)
{
    for (unsigned i = 0; i < BARS; i++) {
        bool exists = row->granted != 0 && resource->bar[i].at.line != 0;

        if (row->bar[i].address != (exists ? resource->bar[i].address : 0) ||
            row->bar[i].size != (exists ? resource->bar[i].size : 0) ||
            row->bar[i].flags != (exists ? resource->bar[i].flags : 0) || row->bar[i].pad != 0)
            return "has other BARs";
    }
    return NULL;
}

static const char *function_fault(const struct verification *v, const struct domain *domain,
                                  const struct bh_pci_function *row)
{
    unsigned index = find_bdf(v, row->bdf);
    const struct resource *resource = &v->machine->resource[index];
    const char *fault;

    if (index == v->machine->resource_count)
        return "isn't in the machine description";
    if (row->granted != (owns(domain, index) ? 1 : 0))
        return row->granted ? "is granted, which the policy doesn't say" : "isn't granted";
    if (!row->granted && resource->visible.line == 0)
        return "is visible, which the machine description doesn't say";
    if (row->vendor != resource->vendor || row->device != resource->device)
        return "has other ids";
    if (row->granted && (row->msi != resource->msi.value || row->msix != resource->msix.value))
        return "has other capabilities";
    if (row->msix_bar != (row->granted ? resource->msix_table.bar : 0) ||
        row->msix_table != (row->granted ? resource->msix_table.offset : 0) ||
        row->msix_count != (row->granted ? resource->msix_table.count : 0) || row->pad != 0)
        return "has its MSI-X table elsewhere";
    fault = bars_fault(row, resource);
    return fault != NULL ? fault : masks_fault(row, resource);
}

static unsigned functions_of(const struct verification *v, const struct domain *domain)
{
    unsigned count = 0;

    for (unsigned i = 0; i < v->machine->resource_count; i++)
        if (v->machine->resource[i].pci.at.line != 0 &&
            (owns(domain, i) ||
             (v->machine->resource[i].visible.line != 0 && domain->kind.value == BH_PRIMARY)))
            count++;
    return count;
}

void verify_functions(struct verification *v)
{
    uint32_t next = 0;

    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        const struct domain *domain = &v->policy->domain[i];
        struct bh_table run = v->image->domain[i].functions;

        if (run.offset != next || run.count != functions_of(v, domain))
            differ(v, domain->name.at, "%s has %u PCI functions", domain->name.value, run.count);
        next += run.count;
        for (uint32_t j = 0; j < run.count; j++) {
            const struct bh_pci_function *row = &v->image->function[run.offset + j];
            const char *fault = function_fault(v, domain, row);

            if (fault == NULL && (row->domain != i || (j > 0 && row[-1].bdf >= row->bdf)))
                fault = "is another domain's, or out of order";
            if (fault != NULL)
                differ(v, domain->name.at, "%s: PCI function %02x:%02x.%x %s", domain->name.value,
                       row->bdf >> 8, row->bdf >> 3 & 31, row->bdf & 7, fault);
        }
    }
    if (next != v->image->header->functions.count)
        differ(v, v->policy->name.at, "it has PCI functions of nobody");
}

/* ---- device table ---- */

/* Several cores: core fills it in, nothing passes before. */
static const char *remap_fault(const struct bh_remap *remap)
{
    const uint8_t *byte = (const uint8_t *)remap;

    if (remap == NULL)
        return "has no room in the image for what core keeps of its interrupts";
    for (size_t i = 0; i < sizeof(*remap); i++)
        if (byte[i] != 0)
            return "lets interrupts pass before core has seen what the domain asks for";
    return NULL;
}

/* Every interrupt that the table lets through goes to the domain's core as it was sent. */
static const char *interrupts_fault(const struct verification *v, const struct bh_dte *row)
{
    uint64_t q = row->dte[2];
    uint64_t length = (q & AMDVI_DTE2_INTTABLEN) >> AMDVI_DTE2_INTTABLEN_SHIFT;
    const uint32_t *entry =
        reader_at(v->image, q & AMDVI_DTE2_INTTABROOT, INDEX_COUNT * sizeof(uint32_t));
    uint32_t core = (uint32_t)v->policy->domain[row->domain].core[0].value;

    if ((q & ~AMDVI_DTE2_USED) != 0 || (q & AMDVI_DTE2_IV) == 0 ||
        (q & AMDVI_DTE2_INTCTL) != AMDVI_DTE2_INTCTL_REMAP)
        return "lets interrupts pass";
    if (entry == NULL || length != AMDVI_IRT_LENGTH)
        return "has its interrupt table outside of the image, or of another length";
    if (is_remapped(&v->policy->domain[row->domain]))
        return remap_fault(reader_at(v->image, q & AMDVI_DTE2_INTTABROOT, sizeof(struct bh_remap)));
    for (uint32_t i = 0; i < INDEX_COUNT; i++) {
        uint32_t vector = i & 0xff;
        bool is_open = i >> 8 <= 1 && vector >= FIRST_VECTOR && vector <= LAST_VECTOR;
        uint32_t expected =
            AMDVI_IRTE_REMAP_EN | core << AMDVI_IRTE_DEST_SHIFT | vector << AMDVI_IRTE_VECTOR_SHIFT;

        if (entry[i] != (is_open ? expected : 0))
            return "sends an interrupt to a place that isn't its domain's";
    }
    return NULL;
}

static const char *dte_fault(const struct verification *v, const struct bh_dte *row)
{
    unsigned index = find_bdf(v, row->device_id);
    uint64_t always = AMDVI_DTE0_V | AMDVI_DTE0_TV, rights = 0;
    bool is_ioapic = row->device_id == v->machine->ioapic.value;
    const struct domain *domain;

    if (row->domain >= v->policy->domain_count || row->pad != 0)
        return "is of no domain";
    domain = &v->policy->domain[row->domain];
    if (is_ioapic ? pins_of(v, domain) == 0
                  : index == v->machine->resource_count || !owns(domain, index))
        return "is of a device that its domain wasn't given";
    if (!is_ioapic)
        rights = v->image->domain[row->domain].table |
                 (uint64_t)NPT_LEVELS << AMDVI_DTE0_MODE_SHIFT | AMDVI_DTE0_IR | AMDVI_DTE0_IW;
    if (row->dte[0] != (always | rights) || row->dte[3] != 0)
        return "gives the device other memory than its domain's";
    if (row->dte[1] != row->domain + 1u)
        return "has another DomainID than its domain's table";
    return interrupts_fault(v, row);
}

/* Interrupt tables have pages of their own; rows of one domain with one core share one. */
static void claim_interrupts(struct verification *v, uint32_t index)
{
    const struct bh_dte *row = &v->image->dte[index];
    uint64_t table = row->dte[2] & AMDVI_DTE2_INTTABROOT;
    bool is_own = is_remapped(&v->policy->domain[row->domain]), is_new = true;

    for (uint32_t i = 0; i < index && !is_own; i++)
        if (v->image->dte[i].domain == row->domain) {
            is_new = false;
            if ((v->image->dte[i].dte[2] & AMDVI_DTE2_INTTABROOT) != table)
                differ(v, v->policy->domain[row->domain].name.at, "%s has two interrupt tables",
                       v->policy->domain[row->domain].name.value);
        }
    if (is_new && !reader_claim(v->image, v->claimed, table,
                                is_own ? sizeof(struct bh_remap) : INDEX_COUNT * sizeof(uint32_t)))
        differ(v, v->policy->domain[row->domain].name.at,
               "%s's interrupt table is not pages of its own",
               v->policy->domain[row->domain].name.value);
}

void verify_dtes(struct verification *v)
{
    uint32_t count = v->image->header->dtes.count, expected = 0;

    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        const struct domain *domain = &v->policy->domain[i];

        for (unsigned j = 0; j < v->machine->resource_count; j++)
            expected += v->machine->resource[j].pci.at.line != 0 && owns(domain, j);
        expected += pins_of(v, domain) != 0;
    }
    if (count != expected)
        differ(v, v->policy->name.at, "it has %u device-table entries, not %u", count, expected);
    for (uint32_t i = 0; i < count; i++) {
        const struct bh_dte *row = &v->image->dte[i];
        const char *fault = dte_fault(v, row);

        if (fault == NULL && i > 0 && row[-1].device_id >= row->device_id)
            fault = "is out of order";
        if (fault != NULL)
            differ(v, v->policy->name.at, "the device-table entry of %04x %s", row->device_id,
                   fault);
        else
            claim_interrupts(v, i);
    }
}
