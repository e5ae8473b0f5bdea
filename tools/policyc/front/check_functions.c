/* PCI functions of the machine description: BARs and capabilities. */
#include "internal.h"
#include <string.h>

#define FOUR_GIB        (1ull << 32)
#define INTERRUPT_BASE  0xfee00000u /* local APIC; DMA there is an interrupt */
#define INTERRUPT_SIZE  0x100000u
#define CONFIG_SIZE     256u
#define CAPABILITY_BASE 0x40u

static uint64_t pages(uint64_t size)
{
    return (size + BH_PAGE - 1) / BH_PAGE * BH_PAGE;
}

static const char *bar_fault(const struct resource *resource, unsigned index)
{
    const struct bar *bar = &resource->bar[index];

    if (bar->size < 16 || (bar->size & (bar->size - 1)) != 0)
        return "has a size that is not a power of two";
    if (bar->address % bar->size != 0 || bar->address % BH_PAGE != 0)
        return "is not aligned to its size and to pages";
    if (bar->address + bar->size > FOUR_GIB)
        return "doesn't lie below 4 GiB";
    if (overlap(bar->address, bar->size, INTERRUPT_BASE, INTERRUPT_SIZE))
        return "lies in the interrupt range at 0xfee00000";
    if ((bar->flags & BH_BAR_64) != 0 && (index == BARS - 1 || resource->bar[index + 1].at.line))
        return "is 64 bits wide, but has no upper half: the next BAR is in use";
    return NULL;
}

/* Does something that the description names lie there already? */
static const char *bar_neighbour(const struct machine *machine, const struct bar *bar)
{
    uint64_t size = pages(bar->size);

    for (unsigned i = 0; i < machine->ram_count; i++)
        if (overlap(bar->address, size, machine->ram[i].base, machine->ram[i].size))
            return "lies in RAM";
    for (unsigned i = 0; i < machine->resource_count; i++) {
        const struct resource *other = &machine->resource[i];

        for (unsigned j = 0; j < other->memory_count; j++)
            if (overlap(bar->address, size, other->memory[j].base, other->memory[j].size))
                return "overlaps the memory of another resource";
        for (unsigned j = 0; j < BARS; j++)
            if (&other->bar[j] != bar && other->bar[j].at.line != 0 &&
                overlap(bar->address, size, other->bar[j].address, pages(other->bar[j].size)))
                return "overlaps another BAR";
    }
    return NULL;
}

#define ENTRY_SIZE 16u /* of an MSI-X table (PCI 3.0, 6.8.2) */

static const char *msix_table_fault(struct front *front, const struct resource *resource)
{
    uint64_t bar = resource->msix_table.bar, offset = resource->msix_table.offset;
    uint64_t count = resource->msix_table.count;

    if (bar >= BARS || resource->bar[bar].at.line == 0)
        return front_format(front, "lies in BAR %llu, which the device lacks",
                            (unsigned long long)bar);
    if (offset % 8 != 0)
        return front_format(front, "lies at 0x%llx, which isn't a multiple of 8",
                            (unsigned long long)offset);
    if (count == 0 || count > BH_MSIX_MAX)
        return front_format(front, "has %llu entries, not 1 to %u", (unsigned long long)count,
                            BH_MSIX_MAX);
    if (!inside(offset, count * ENTRY_SIZE, 0, resource->bar[bar].size))
        return front_format(front, "with its %llu bytes reaches past the end of BAR %llu",
                            (unsigned long long)(count * ENTRY_SIZE), (unsigned long long)bar);
    return NULL;
}

static void check_msix_table(struct front *front, struct resource *resource)
{
    const char *fault;

    if (resource->msix_table.at.line == 0)
        return;
    fault = msix_table_fault(front, resource);
    if (fault == NULL)
        return;
    report(front, CHECK_msix_table_bad, resource->msix_table.at, fault, NULL);
    resource->msix_table.bar = 0; /* what else looks at it stays within the array */
}

static void check_capability(struct front *front, struct number offset)
{
    if (offset.at.line == 0)
        return;
    if (offset.value < CAPABILITY_BASE || offset.value % 4 != 0 || offset.value > CONFIG_SIZE - 16)
        report(front, CHECK_msi_bad, offset.at,
               front_format(front, "0x%llx", (unsigned long long)offset.value), NULL);
}

void check_functions(struct front *front, unsigned index)
{
    struct resource *resource = &front->machine.resource[index];

    for (unsigned i = 0; i < BARS; i++) {
        const struct bar *bar = &resource->bar[i];
        const char *fault;

        if (bar->at.line == 0)
            continue;
        fault = bar_fault(resource, i);
        if (fault == NULL)
            fault = bar_neighbour(&front->machine, bar);
        if (fault != NULL)
            report(front, CHECK_bar_bad, bar->at, front_format(front, "%u", i), fault, NULL);
    }
    check_capability(front, resource->msi);
    check_capability(front, resource->msix);
    check_msix_table(front, resource);
    for (unsigned i = 0; i < resource->hidden_count; i++)
        if (!inside(resource->hidden[i].base, resource->hidden[i].size, CAPABILITY_BASE,
                    CONFIG_SIZE - CAPABILITY_BASE))
            report(front, CHECK_msi_bad, resource->hidden[i].at,
                   front_format(front, "0x%llx", (unsigned long long)resource->hidden[i].base),
                   NULL);
}
