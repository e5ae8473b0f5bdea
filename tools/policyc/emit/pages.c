/*
 * A domain's table: its nested page table and its devices' I/O page table at once
 * (hw/npt.h). Built from ranges, each with one machine place and one set of rights.
 */
#include "hw/npt.h"
#include "internal.h"
#include <string.h>

#define LARGE_PAGE 0x200000ull
#define LOCAL_APIC 0xfee00000ull

/* Accessed and dirty are preset, so that no CPU writes into a measured table. */
#define LEAF       (NPT_P | NPT_US | NPT_A | NPT_D)
#define RAM        (LEAF | NPT_W)
#define ROM        LEAF
#define MMIO       (LEAF | NPT_W | NPT_UC | NPT_NX)
#define MMIO_READ  (LEAF | NPT_UC | NPT_NX)
#define DEVICES_RW (NPT_IR | NPT_IW)

#define RANGES_MAX 64u

struct range {
    uint64_t base, end;
};

struct ranges {
    struct range item[RANGES_MAX];
    unsigned count;
};

/* Take [base, end) out of the ranges. */
static void subtract(struct ranges *ranges, uint64_t base, uint64_t end)
{
    struct ranges left = {.count = 0};

    for (unsigned i = 0; i < ranges->count; i++) {
        struct range range = ranges->item[i];

        if (range.base < base && left.count < RANGES_MAX)
            left.item[left.count++] =
                (struct range){range.base, range.end < base ? range.end : base};
        if (range.end > end && left.count < RANGES_MAX)
            left.item[left.count++] =
                (struct range){range.base > end ? range.base : end, range.end};
    }
    *ranges = left;
}

static unsigned slot(uint64_t gpa, unsigned level)
{
    return (unsigned)(gpa >> (12 + 9 * (level - 1))) & (NPT_ENTRIES - 1);
}

/* Set the leaf for `gpa` at `level` (1: 4 KiB, 2: 2 MiB), making the tables above it. */
static void set_leaf(struct emission *emission, unsigned domain, uint64_t gpa, uint64_t hpa,
                     unsigned level, uint64_t flags)
{
    uint64_t *table = emit_at(emission, emission->domain[domain].table);
    uint64_t upper = NPT_P | NPT_W | NPT_US | NPT_A;

    if (emit_has_dma(emission, domain))
        upper |= DEVICES_RW;
    for (unsigned at = NPT_LEVELS; at > level; at--) {
        uint64_t *entry = &table[slot(gpa, at)];

        if (*entry == 0) {
            uint64_t page;

            emit_pages(emission, 1, &page);
            if (emission->is_full)
                return;
            *entry = page | upper | (uint64_t)(at - 1) << NPT_NEXT_SHIFT;
        }
        table = emit_at(emission, *entry & NPT_ADDRESS);
    }
    table[slot(gpa, level)] = hpa | flags | (level == 2 ? NPT_PS : 0);
}

/* Large leaves where a whole one lies inside of the range, but never in the first 2 MiB:
 * there memory types change within a leaf (APM vol. 2, 7.7.2). */
static void map(struct emission *emission, unsigned domain, uint64_t gpa, uint64_t hpa,
                uint64_t size, uint64_t flags)
{
    while (size != 0 && !emission->is_full) {
        bool is_large =
            gpa >= LARGE_PAGE && ((gpa | hpa) & (LARGE_PAGE - 1)) == 0 && size >= LARGE_PAGE;
        uint64_t step = is_large ? LARGE_PAGE : BH_PAGE;

        set_leaf(emission, domain, gpa, hpa, is_large ? 2 : 1, flags);
        gpa += step;
        hpa += step;
        size -= step;
    }
}

/* All RAM outside of the places that core and pool have, where it lies. */
static void map_rest(struct emission *emission, unsigned domain, uint64_t devices)
{
    const struct machine *machine = emission->machine;
    const struct extent *const places[] = {&machine->core, &machine->device_table, &machine->pool};
    struct ranges ranges = {.count = 0};

    for (unsigned i = 0; i < machine->ram_count; i++)
        ranges.item[ranges.count++] =
            (struct range){machine->ram[i].base, machine->ram[i].base + machine->ram[i].size};
    for (unsigned i = 0; i < machine->closed_count; i++)
        subtract(&ranges, machine->closed[i].base,
                 machine->closed[i].base + machine->closed[i].size);
    for (unsigned i = 0; i < machine->rom_count; i++)
        subtract(&ranges, machine->rom[i].base, machine->rom[i].base + machine->rom[i].size);
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        subtract(&ranges, places[i]->base, places[i]->base + places[i]->size);
    for (unsigned i = 0; i < ranges.count; i++)
        map(emission, domain, ranges.item[i].base, ranges.item[i].base,
            ranges.item[i].end - ranges.item[i].base, RAM | devices);
    for (unsigned i = 0; i < machine->rom_count; i++)
        map(emission, domain, machine->rom[i].base, machine->rom[i].base, machine->rom[i].size,
            ROM);
}

static void map_channels(struct emission *emission, unsigned domain)
{
    for (unsigned i = 0; i < emission->policy->channel_count; i++)
        for (unsigned j = 0; j < 2; j++) {
            const struct channel *channel = &emission->policy->channel[i];
            const struct channel_end *end = &channel->end[j];
            bool is_writable = (end->rights & BH_CHANNEL_WRITE) != 0;
            uint64_t flags = LEAF | (is_writable ? NPT_W : 0);

            if (end->domain != domain)
                continue;
            /* Data, not code; but NX is a reserved bit for the IOMMU. */
            if (end->dma.line == 0)
                flags |= NPT_NX;
            else
                flags |= NPT_IR | (is_writable ? NPT_IW : 0);
            map(emission, domain, emission->layout.channel_gpa[i][j],
                emission->layout.channel_base[i], channel->size.value, flags);
        }
}

/* A BAR: but for the pages of the MSI-X table, where core decides on interrupts. */
static void map_bar(struct emission *emission, unsigned domain, const struct bar *bar,
                    struct extent table)
{
    uint64_t end = bar->address + ((bar->size + BH_PAGE - 1) & ~(uint64_t)(BH_PAGE - 1));

    if (table.size == 0) {
        map(emission, domain, bar->address, bar->address, end - bar->address, MMIO);
        return;
    }
    map(emission, domain, bar->address, bar->address, table.base - bar->address, MMIO);
    map(emission, domain, table.base + table.size, table.base + table.size,
        end - table.base - table.size, MMIO);
}

static void map_devices(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    const struct extent nothing = {.size = 0};

    for (unsigned i = 0; i < owner->resource_count; i++) {
        const struct resource *resource = &emission->machine->resource[owner->resource[i]];

        for (unsigned j = 0; j < BARS; j++)
            if (resource->bar[j].at.line != 0)
                map_bar(emission, domain, &resource->bar[j],
                        is_remapped(owner) && resource->msix_table.bar == j ? msix_pages(resource)
                                                                            : nothing);
        for (unsigned j = 0; j < resource->memory_count; j++)
            map(emission, domain, resource->memory[j].base, resource->memory[j].base,
                resource->memory[j].size, MMIO);
    }
    if (owner->interrupts.value == BH_DIRECT)
        map(emission, domain, LOCAL_APIC, LOCAL_APIC, BH_PAGE, MMIO_READ);
}

void emit_page_tables(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    uint64_t devices = emit_has_dma(emission, domain) ? DEVICES_RW : 0;

    emit_pages(emission, 1, &emission->domain[domain].table);
    if (owner->kind.value == BH_PRIMARY)
        map_rest(emission, domain, devices);
    else
        map(emission, domain, 0, emission->layout.domain_base[domain], owner->memory.value,
            RAM | devices);
    map_channels(emission, domain);
    map_devices(emission, domain);
}
