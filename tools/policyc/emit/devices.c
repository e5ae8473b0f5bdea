/* PCI functions, device-table entries and interrupt remapping tables. */
#include "hw/amdvi.h"
#include "hw/npt.h"
#include "internal.h"
#include <stdlib.h>
#include <string.h>

/* Configuration space (PCI 3.0, 6.1), by dwords. */
#define CONFIG_IDS      0u
#define CONFIG_COMMAND  1u
#define CONFIG_CLASS    2u
#define CONFIG_HEADER   3u
#define CONFIG_ROM      12u
#define COMMAND_WRITES  0x406u /* memory space, bus master, INTx disable */
#define HEADER_TYPE     0x00ff0000u
#define MSIX_WRITES     0xc0000000u /* enable, function mask (6.8.2) */
#define MSI_WRITES      0x00710000u /* enable, number of messages (6.8.1) */
#define MSI_ADDRESS_LOW 0xfffffffcu
#define MSI_DATA        0x0000ffffu

/* Vectors below 20h are exceptions; FFh is the spurious interrupt, which no device sends. */
#define FIRST_VECTOR 0x20u
#define LAST_VECTOR  0xfeu

/* The index has 11 bits. The IOMMU is told of AMDVI_IRT_ENTRIES only; behind them all is empty,
 * for hardware that doesn't look at the length. */
#define INTERRUPT_TABLE_PAGES ((AMDVI_IRT_INDEX + 1) * 4 / BH_PAGE)

bool emit_has_dma(const struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];

    for (unsigned i = 0; i < owner->resource_count; i++)
        if (emission->machine->resource[owner->resource[i]].pci.at.line != 0)
            return true;
    return false;
}

static uint32_t pins(const struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    uint32_t pins = 0;

    for (unsigned i = 0; i < owner->resource_count; i++)
        pins |= emission->machine->resource[owner->resource[i]].pins;
    return pins;
}

/* ---- PCI functions ---- */

/* Ids and class; nothing that tells of, or reaches, anything else. */
static void show_only(struct bh_pci_function *function)
{
    function->read_mask[CONFIG_IDS] = UINT32_MAX;
    function->read_mask[CONFIG_CLASS] = UINT32_MAX;
    function->read_mask[CONFIG_HEADER] = HEADER_TYPE;
}

static void set_masks(struct bh_pci_function *function, const struct resource *resource)
{
    unsigned msi = function->msi / 4, msix = function->msix / 4;

    memset(function->read_mask, 0xff, sizeof(function->read_mask));
    function->read_mask[CONFIG_ROM] = 0;
    for (unsigned i = 0; i < resource->hidden_count; i++)
        for (uint64_t byte = 0; byte < resource->hidden[i].size; byte++) {
            uint64_t at = resource->hidden[i].base + byte;

            /* A capability's first two bytes are links of the list: they stay. */
            if (byte >= 2)
                function->read_mask[at / 4] &= ~(0xffu << at % 4 * 8);
        }
    function->write_mask[CONFIG_COMMAND] = COMMAND_WRITES;
    if (msix != 0)
        function->write_mask[msix] = MSIX_WRITES;
    if (msi != 0) {
        function->write_mask[msi] = MSI_WRITES;
        function->write_mask[msi + 1] = MSI_ADDRESS_LOW;
        if (resource->msi_64)
            function->write_mask[msi + 2] = UINT32_MAX;
        function->write_mask[msi + (resource->msi_64 ? 3 : 2)] = MSI_DATA;
    }
}

static void set_function(struct bh_pci_function *function, const struct resource *resource,
                         unsigned domain, bool is_granted)
{
    memset(function, 0, sizeof(*function));
    function->bdf = (uint16_t)resource->pci.value;
    function->vendor = resource->vendor;
    function->device = resource->device;
    function->domain = domain;
    if (!is_granted) {
        show_only(function);
        return;
    }
    function->granted = 1;
    function->msi = (uint8_t)resource->msi.value;
    function->msix = (uint8_t)resource->msix.value;
    function->msix_bar = (uint8_t)resource->msix_table.bar;
    function->msix_table = (uint32_t)resource->msix_table.offset;
    function->msix_count = (uint16_t)resource->msix_table.count;
    for (unsigned i = 0; i < BARS; i++)
        if (resource->bar[i].at.line != 0) {
            function->bar[i].address = resource->bar[i].address;
            function->bar[i].size = resource->bar[i].size;
            function->bar[i].flags = resource->bar[i].flags;
        }
    set_masks(function, resource);
}

static int by_bdf(const void *a, const void *b)
{
    const struct bh_pci_function *first = a, *second = b;

    return (int)first->bdf - (int)second->bdf;
}

static bool add_function(struct emission *emission, const struct resource *resource,
                         unsigned domain, bool is_granted)
{
    struct bh_table *all = &emission->header.functions;

    if (all->count == FUNCTIONS_MAX)
        return report(emission->front, CHECK_too_many, emission->policy->domain[domain].name.at,
                      front_format(emission->front, "%u", FUNCTIONS_MAX), "PCI functions", NULL);
    set_function(&emission->function[all->count++], resource, domain, is_granted);
    return true;
}

bool emit_functions(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    const struct machine *machine = emission->machine;
    struct bh_table *all = &emission->header.functions;
    struct bh_table *own = &emission->domain[domain].functions;

    own->offset = all->count;
    for (unsigned i = 0; i < machine->resource_count; i++)
        if (machine->resource[i].visible.line != 0 && owner->kind.value == BH_PRIMARY &&
            machine->resource[i].pci.at.line != 0 &&
            !add_function(emission, &machine->resource[i], domain, false))
            return false;
    for (unsigned i = 0; i < owner->resource_count; i++)
        if (machine->resource[owner->resource[i]].pci.at.line != 0 &&
            !add_function(emission, &machine->resource[owner->resource[i]], domain, true))
            return false;
    own->count = all->count - own->offset;
    qsort(&emission->function[own->offset], own->count, sizeof(emission->function[0]), by_bdf);
    emission->domain[domain].ioapic_pins = pins(emission, domain);
    return true;
}

/* ---- interrupts ---- */

/*
 * A domain on one core needs no choice of target: whatever vector its driver wrote into the
 * device goes to that core. The index is MSI data 10:0, delivery mode and vector; only fixed
 * (0) and lowest priority (1) have entries. With several cores each source has a table of its
 * own, which core fills in.
 */
void emit_interrupt_table(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    uint32_t core = (uint32_t)owner->core[0].value;
    uint32_t *table;

    if (is_remapped(owner) || (!emit_has_dma(emission, domain) && pins(emission, domain) == 0))
        return;
    table = emit_pages(emission, INTERRUPT_TABLE_PAGES, &emission->interrupt_table[domain]);
    for (uint32_t mode = 0; mode <= 1; mode++)
        for (uint32_t vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++)
            table[mode << 8 | vector] = AMDVI_IRTE_REMAP_EN | AMDVI_IRTE_FIXED |
                                        core << AMDVI_IRTE_DEST_SHIFT |
                                        vector << AMDVI_IRTE_VECTOR_SHIFT;
}

/* ---- device table ---- */

static bool add_dte(struct emission *emission, unsigned domain, uint64_t device, bool dma)
{
    struct bh_table *all = &emission->header.dtes;
    struct bh_dte *row = &emission->dte[all->count];
    uint64_t interrupts = emission->interrupt_table[domain];

    if (all->count == BH_MAX_DTE)
        return report(emission->front, CHECK_too_many, emission->policy->domain[domain].name.at,
                      front_format(emission->front, "%u", BH_MAX_DTE), "devices with DMA", NULL);
    memset(row, 0, sizeof(*row));
    row->device_id = (uint16_t)device;
    row->domain = domain;
    row->dte[0] = AMDVI_DTE0_V | AMDVI_DTE0_TV;
    if (dma)
        row->dte[0] |= (uint64_t)NPT_LEVELS << AMDVI_DTE0_MODE_SHIFT |
                       emission->domain[domain].table | AMDVI_DTE0_IR | AMDVI_DTE0_IW;
    if (is_remapped(&emission->policy->domain[domain]))
        emit_pages(emission, sizeof(struct bh_remap) / BH_PAGE, &interrupts);
    row->dte[1] = domain + 1; /* DomainID: one for each table */
    row->dte[2] = AMDVI_DTE2_IV | AMDVI_IRT_LENGTH << AMDVI_DTE2_INTTABLEN_SHIFT | interrupts |
                  AMDVI_DTE2_INTCTL_REMAP;
    all->count++;
    return true;
}

static int by_device(const void *a, const void *b)
{
    const struct bh_dte *first = a, *second = b;

    return (int)first->device_id - (int)second->device_id;
}

bool emit_dtes(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];

    for (unsigned i = 0; i < owner->resource_count; i++) {
        const struct resource *resource = &emission->machine->resource[owner->resource[i]];

        if (resource->pci.at.line != 0 && !add_dte(emission, domain, resource->pci.value, true))
            return false;
    }
    if (pins(emission, domain) != 0 &&
        !add_dte(emission, domain, emission->machine->ioapic.value, false))
        return false;
    qsort(emission->dte, emission->header.dtes.count, sizeof(emission->dte[0]), by_device);
    return true;
}
