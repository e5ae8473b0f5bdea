/*
 * Who reaches which memory: the machine's addresses are cut into pieces at every border that
 * policy, machine or image draw; in each piece a domain has the rights that the policy gives,
 * at the address that it says, for the whole of the piece, once - or it has nothing there.
 */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

#define RAM_RIGHTS    (REACH_READ | REACH_WRITE | REACH_EXECUTE)
#define DEVICE_RIGHTS (REACH_DEVICE_READ | REACH_DEVICE_WRITE)
#define MAX_BORDERS   1024u

struct borders {
    uint64_t at[MAX_BORDERS];
    unsigned count;
};

static void add_range(struct borders *borders, uint64_t base, uint64_t size)
{
    if (borders->count + 2 > MAX_BORDERS || size == 0)
        return;
    borders->at[borders->count++] = base;
    borders->at[borders->count++] = base + size;
}

static void add_ranges(struct borders *borders, const struct extent *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        add_range(borders, list[i].base, list[i].size);
}

static int by_value(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}

static uint64_t bar_bytes(const struct bar *bar)
{
    return (bar->size + BH_PAGE - 1) / BH_PAGE * BH_PAGE;
}

/* The pages of a device's MSI-X table. */
static uint64_t table_page(const struct resource *resource)
{
    return (resource->bar[resource->msix_table.bar].address + resource->msix_table.offset) /
           BH_PAGE * BH_PAGE;
}

static uint64_t table_bytes(const struct resource *resource)
{
    uint64_t past = resource->msix_table.offset % BH_PAGE + 16 * resource->msix_table.count;

    return resource->msix_table.at.line != 0 ? (past + BH_PAGE - 1) / BH_PAGE * BH_PAGE : 0;
}

static void draw(const struct verification *v, struct borders *borders)
{
    const struct machine *m = v->machine;
    unsigned kept = 0;

    borders->count = 0;
    add_ranges(borders, m->ram, m->ram_count);
    add_ranges(borders, m->closed, m->closed_count);
    add_ranges(borders, m->rom, m->rom_count);
    add_ranges(borders, &m->core, 1);
    add_ranges(borders, &m->device_table, 1);
    add_ranges(borders, &m->pool, 1);
    add_range(borders, LOCAL_APIC, BH_PAGE);
    for (uint32_t i = 0; i < v->image->header->regions.count; i++)
        add_range(borders, v->image->region[i].base, v->image->region[i].size);
    for (unsigned i = 0; i < m->resource_count; i++) {
        add_ranges(borders, m->resource[i].memory, m->resource[i].memory_count);
        for (unsigned j = 0; j < BARS; j++)
            if (m->resource[i].bar[j].at.line != 0)
                add_range(borders, m->resource[i].bar[j].address,
                          bar_bytes(&m->resource[i].bar[j]));
        add_range(borders, table_page(&m->resource[i]), table_bytes(&m->resource[i]));
    }
    qsort(borders->at, borders->count, sizeof(borders->at[0]), by_value);
    for (unsigned i = 0; i < borders->count; i++)
        if (kept == 0 || borders->at[kept - 1] != borders->at[i])
            borders->at[kept++] = borders->at[i];
    borders->count = kept;
}

static bool in_any(uint64_t address, const struct extent *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (within(address, 1, list[i]))
            return true;
    return false;
}

struct expected {
    uint32_t rights;
    uint64_t gpa;
};

static struct expected expect_channel(const struct verification *v, unsigned domain,
                                      uint32_t channel, uint64_t offset)
{
    const struct channel *said = &v->policy->channel[channel];
    struct expected expected = {0};

    for (unsigned i = 0; i < 2; i++) {
        const struct channel_end *end = &said->end[i];
        bool writes = (end->rights & BH_CHANNEL_WRITE) != 0;

        if (end->domain != domain)
            continue;
        expected.gpa = v->image->channel[channel].end[i].gpa + offset;
        expected.rights = REACH_READ | (writes ? REACH_WRITE : 0);
        /* A page for devices can't have NX. */
        if (end->dma.line != 0)
            expected.rights |=
                REACH_EXECUTE | REACH_DEVICE_READ | (writes ? REACH_DEVICE_WRITE : 0);
    }
    return expected;
}

static struct expected expect_region(const struct verification *v, unsigned domain,
                                     const struct bh_region *region, uint64_t address)
{
    struct expected expected = {0};

    if (region->use == BH_REGION_CHANNEL)
        return expect_channel(v, domain, region->owner, address - region->base);
    if (region->use == BH_REGION_DOMAIN && region->owner == domain) {
        expected.gpa = address - region->base;
        expected.rights = RAM_RIGHTS | (has_dma(v, &v->policy->domain[domain]) ? DEVICE_RIGHTS : 0);
    }
    return expected;
}

/* What a primary sees of RAM and firmware. */
static uint32_t expect_rest(const struct verification *v, const struct domain *domain,
                            uint64_t address)
{
    const struct machine *m = v->machine;

    if (domain->kind.value != BH_PRIMARY || within(address, 1, m->core) ||
        within(address, 1, m->device_table) || within(address, 1, m->pool))
        return 0;
    if (in_any(address, m->rom, m->rom_count))
        return REACH_READ | REACH_EXECUTE;
    if (in_any(address, m->closed, m->closed_count) || !in_any(address, m->ram, m->ram_count))
        return 0;
    return RAM_RIGHTS | (has_dma(v, domain) ? DEVICE_RIGHTS : 0);
}

static uint32_t expect_device(const struct verification *v, const struct domain *domain,
                              uint64_t address)
{
    for (unsigned i = 0; i < v->machine->resource_count; i++) {
        const struct resource *resource = &v->machine->resource[i];

        if (!owns(domain, i))
            continue;
        if (resource->class == CLASS_LEGACY_SAFE &&
            in_any(address, resource->memory, resource->memory_count))
            return REACH_READ | REACH_WRITE | REACH_UNCACHED;
        for (unsigned j = 0; j < BARS; j++) {
            const struct bar *bar = &resource->bar[j];

            if (is_remapped(domain) &&
                touches(address, 1, table_page(resource), table_bytes(resource)))
                continue; /* core's: it decides on interrupts */
            if (bar->at.line != 0 && address >= bar->address &&
                address - bar->address < bar_bytes(bar))
                return REACH_READ | REACH_WRITE | REACH_UNCACHED;
        }
    }
    if (domain->interrupts.value == BH_DIRECT && address >= LOCAL_APIC &&
        address - LOCAL_APIC < BH_PAGE)
        return REACH_READ | REACH_UNCACHED;
    return 0;
}

/* The rights in the piece that begins at this machine address. */
static struct expected expect(const struct verification *v, unsigned domain, uint64_t address)
{
    const struct domain *said = &v->policy->domain[domain];
    struct expected expected = {.gpa = address};

    for (uint32_t i = 0; i < v->image->header->regions.count; i++) {
        const struct bh_region *region = &v->image->region[i];

        if (address >= region->base && address - region->base < region->size)
            return expect_region(v, domain, region, address);
    }
    expected.rights = expect_rest(v, said, address) | expect_device(v, said, address);
    return expected;
}

static const char *rights_text(uint32_t rights, char text[8])
{
    snprintf(text, 8, "%c%c%c%c%c%c", rights & REACH_READ ? 'r' : '-',
             rights & REACH_WRITE ? 'w' : '-', rights & REACH_EXECUTE ? 'x' : '-',
             rights & REACH_DEVICE_READ ? 'R' : '-', rights & REACH_DEVICE_WRITE ? 'W' : '-',
             rights & REACH_UNCACHED ? 'u' : '-');
    return text;
}

/* Compare one mapped piece, which crosses no border. */
static void compare(struct verification *v, unsigned domain, uint64_t gpa, uint64_t hpa,
                    uint32_t rights)
{
    struct expected expected = expect(v, domain, hpa);
    char has[8], should[8];

    if (rights == expected.rights && gpa == expected.gpa)
        return;
    differ(v, v->policy->domain[domain].name.at,
           "%s maps machine address 0x%llx at 0x%llx as %s; the policy says %s at 0x%llx",
           v->policy->domain[domain].name.value, (unsigned long long)hpa, (unsigned long long)gpa,
           rights_text(rights, has), rights_text(expected.rights, should),
           (unsigned long long)expected.gpa);
}

/* Cut a span at the borders; add up what is mapped between them. */
static void compare_span(struct verification *v, unsigned domain, const struct span *span,
                         const struct borders *borders, uint64_t *mapped)
{
    uint64_t done = 0;
    unsigned piece = 0;

    while (piece + 1 < borders->count && borders->at[piece + 1] <= span->hpa)
        piece++;
    while (done < span->size) {
        uint64_t at = span->hpa + done, size = span->size - done;

        if (borders->count == 0 || at < borders->at[0] || piece + 1 >= borders->count) {
            differ(v, v->policy->domain[domain].name.at,
                   "%s maps machine address 0x%llx, which nobody described",
                   v->policy->domain[domain].name.value, (unsigned long long)at);
            return;
        }
        if (borders->at[piece + 1] - at < size)
            size = borders->at[piece + 1] - at;
        compare(v, domain, span->gpa + done, at, span->rights);
        mapped[piece++] += size;
        done += size;
    }
}

static void verify_domain(struct verification *v, unsigned domain, const struct borders *borders)
{
    const struct reach *reach = &v->reach[domain];
    uint64_t mapped[MAX_BORDERS] = {0};

    for (size_t i = 0; i < reach->count; i++)
        compare_span(v, domain, &reach->span[i], borders, mapped);
    for (unsigned i = 0; i + 1 < borders->count; i++) {
        uint64_t size = borders->at[i + 1] - borders->at[i];

        if (mapped[i] != (expect(v, domain, borders->at[i]).rights != 0 ? size : 0))
            differ(v, v->policy->domain[domain].name.at,
                   "%s maps 0x%llx of 0x%llx bytes at machine address 0x%llx",
                   v->policy->domain[domain].name.value, (unsigned long long)mapped[i],
                   (unsigned long long)size, (unsigned long long)borders->at[i]);
    }
}

/* No page that one domain can write is reached by another, but by a channel: said once more
 * of the spans alone, without looking at what was expected. */
static void verify_apart(struct verification *v, unsigned a, unsigned b)
{
    for (size_t i = 0; i < v->reach[a].count; i++)
        for (size_t j = 0; j < v->reach[b].count; j++) {
            const struct span *x = &v->reach[a].span[i], *y = &v->reach[b].span[j];
            uint64_t at = x->hpa > y->hpa ? x->hpa : y->hpa;
            bool is_channel = false;

            if (!touches(x->hpa, x->size, y->hpa, y->size) ||
                ((x->rights | y->rights) & (REACH_WRITE | REACH_DEVICE_WRITE)) == 0)
                continue;
            for (unsigned c = 0; c < v->policy->channel_count; c++)
                is_channel = is_channel ||
                             (at >= v->image->channel[c].base &&
                              at - v->image->channel[c].base < v->policy->channel[c].size.value);
            if (!is_channel)
                differ(v, v->policy->domain[a].name.at, "%s and %s share the page 0x%llx",
                       v->policy->domain[a].name.value, v->policy->domain[b].name.value,
                       (unsigned long long)at);
        }
}

void verify_memory(struct verification *v)
{
    struct borders borders;

    draw(v, &borders);
    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        verify_domain(v, i, &borders);
        for (unsigned j = 0; j < i && v->found == 0; j++)
            verify_apart(v, i, j);
    }
}
