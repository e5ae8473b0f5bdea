/*
 * The short self-check of what the page tables give: each domain's table is walked, what it
 * reaches of the machine is noted as runs, and runs are compared with regions and with each
 * other. Shares nothing with policyc but the formats.
 */
#include "core/policy/image.h"
#include "hw/npt.h"
#include "hw/tpm.h"

#define MAX_RUNS 96u /* of one domain */

#define LOCAL_APIC        0xfee00000ull
#define INTERRUPT_RANGE   0xfee00000ull /* DMA writes there are interrupts, 1 MiB */
#define INTERRUPT_SIZE    0x00100000ull
#define HYPERTRANSPORT    0xfd00000000ull /* likewise, and more: IOMMU spec, 2.1.2 */
#define HYPERTRANSPORT_GB 12ull

#define READ   1u
#define WRITE  2u
#define DREAD  4u /* by devices */
#define DWRITE 8u

/* Machine memory that a domain reaches with the same rights throughout. */
struct run {
    uint64_t base, end;
    uint32_t rights;
};

static struct {
    struct run run[MAX_RUNS];
    uint32_t count;
} reach[BH_MAX_DOMAINS];

struct walk {
    const struct bh_header *h;
    struct policy_fault *fault;
    uint32_t domain;
    uint64_t pages_left; /* a table that is a tree has no more pages than the image */
};

/* Bits that policyc sets in an entry; all else is zero (DESIGN: rules for silicon). */
#define COMMON_BITS (NPT_P | NPT_W | NPT_US | NPT_A | NPT_NEXT | NPT_ADDRESS | NPT_IR | NPT_IW)
#define LEAF_BITS   (COMMON_BITS | NPT_UC | NPT_D | NPT_PS | NPT_NX)
#define NEEDED_BITS (NPT_P | NPT_US | NPT_A)

static uint32_t rights_of(uint64_t entry)
{
    return READ | ((entry & NPT_W) != 0 ? WRITE : 0) | ((entry & NPT_IR) != 0 ? DREAD : 0) |
           ((entry & NPT_IW) != 0 ? DWRITE : 0);
}

static bool is_leaf(uint64_t entry, uint32_t level)
{
    return level == 1 || (level == 2 && (entry & NPT_PS) != 0);
}

/* An entry that is present says all that it must, and nothing that it must not. */
static bool entry_is_sound(uint64_t entry, uint32_t level)
{
    uint64_t next = (entry & NPT_NEXT) >> NPT_NEXT_SHIFT;

    if ((entry & NEEDED_BITS) != NEEDED_BITS)
        return false;
    if (!is_leaf(entry, level))
        return (entry & ~COMMON_BITS) == 0 && next == level - 1;
    if ((entry & ~LEAF_BITS) != 0 || next != 0 || (entry & NPT_D) == 0)
        return false;
    if ((entry & NPT_UC) != 0 && (entry & NPT_UC) != NPT_UC)
        return false;
    if ((entry & NPT_NX) != 0 && (entry & (NPT_IR | NPT_IW)) != 0)
        return false;
    return level == 1 ? (entry & NPT_PS) == 0 : (entry & NPT_ADDRESS & 0x1fffff) == 0;
}

/* Add [base, base + size) to what a domain reaches. */
static bool note(struct walk *w, uint64_t base, uint64_t size, uint32_t rights)
{
    uint32_t *count = &reach[w->domain].count;
    struct run *run = reach[w->domain].run;

    if (*count > 0 && run[*count - 1].end == base && run[*count - 1].rights == rights) {
        run[*count - 1].end += size;
        return true;
    }
    if (*count == MAX_RUNS)
        return policy_fail(w->fault, POLICY_TABLE_RUNS, w->domain, base);
    run[(*count)++] = (struct run){.base = base, .end = base + size, .rights = rights};
    return true;
}

/* One table page at `level`, 4 to 1; rights are those of all levels together. */
static bool walk_page(struct walk *w, uint64_t page, uint32_t level, uint32_t rights)
{
    const uint64_t *table = image_at(w->h, page, BH_PAGE);

    if (!table || page % BH_PAGE != 0 || image_is_remap(w->h, page))
        return policy_fail(w->fault, POLICY_TABLE_ENTRY, w->domain, page);
    if (w->pages_left-- == 0)
        return policy_fail(w->fault, POLICY_TABLE_SHARED, w->domain, page);
    for (uint32_t i = 0; i < NPT_ENTRIES; i++) {
        uint64_t entry = table[i], address = entry & NPT_ADDRESS;
        uint32_t all = rights & rights_of(entry);

        if (entry == 0)
            continue;
        if (!entry_is_sound(entry, level))
            return policy_fail(w->fault, POLICY_TABLE_ENTRY, w->domain, page + 8 * i);
        if (is_leaf(entry, level) ? !note(w, address, level == 1 ? BH_PAGE : 2u << 20, all)
                                  : !walk_page(w, address, level - 1, all))
            return false;
    }
    return true;
}

/* What a channel allows to a domain: rights as of a run. */
static uint32_t channel_rights(const struct bh_header *h, uint32_t channel, uint32_t domain)
{
    const struct bh_channel *c = &POLICY_ROWS(h, channels, struct bh_channel)[channel];

    for (uint32_t i = 0; i < 2; i++) {
        uint32_t rights = c->end[i].rights;
        uint32_t dma = (rights & BH_CHANNEL_DMA) != 0 ? DREAD | DWRITE : 0;

        if (c->end[i].domain == domain)
            return ((rights & BH_CHANNEL_READ) != 0 ? READ | (dma & DREAD) : 0) |
                   ((rights & BH_CHANNEL_WRITE) != 0 ? WRITE | (dma & DWRITE) : 0);
    }
    return 0;
}

/* A run that touches a region: only the owner's own memory, and channels as they say. */
static bool check_region(const struct bh_header *h, uint32_t domain, const struct run *run,
                         const struct bh_region *region, struct policy_fault *fault)
{
    if (!image_overlaps(run->base, run->end - run->base, region->base, region->size))
        return true;
    switch (region->use) {
    case BH_REGION_DOMAIN:
        if (region->owner == domain)
            return true;
        return policy_fail(fault, POLICY_MAPS_FOREIGN, domain, run->base);
    case BH_REGION_CHANNEL:
        if (channel_rights(h, region->owner, domain) == 0)
            return policy_fail(fault, POLICY_MAPS_FOREIGN, domain, run->base);
        if ((run->rights & ~channel_rights(h, region->owner, domain)) != 0)
            return policy_fail(fault, POLICY_MAPS_CHANNEL, domain, run->base);
        return true;
    default:
        return policy_fail(fault, POLICY_MAPS_CORE, domain, run->base);
    }
}

/* If `address` is the domain's: the end of the piece that it lies in; else `address`. */
static uint64_t own_until(const struct bh_header *h, uint32_t domain, uint64_t address)
{
    const struct bh_domain *d = &POLICY_ROWS(h, domains, struct bh_domain)[domain];
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    const struct bh_pci_function *f = POLICY_ROWS(h, functions, struct bh_pci_function);

    if (d->kind == BH_PRIMARY && address < d->memory_size)
        return d->memory_size;
    for (uint32_t i = 0; i < h->regions.count; i++)
        if (image_within(address, 1, region[i].base, region[i].size) &&
            (region[i].use == BH_REGION_DOMAIN || region[i].use == BH_REGION_CHANNEL))
            return region[i].base + region[i].size; /* whose it is, check_region has seen */
    for (uint32_t i = d->functions.offset; i < d->functions.offset + d->functions.count; i++)
        for (uint32_t n = 0; n < 6 && f[i].granted != 0; n++)
            if ((f[i].bar[n].flags & BH_BAR_IO) == 0 &&
                image_within(address, 1, f[i].bar[n].address, f[i].bar[n].size))
                return f[i].bar[n].address + f[i].bar[n].size;
    return image_within(address, 1, LOCAL_APIC, BH_PAGE) ? LOCAL_APIC + BH_PAGE : address;
}

/* All of a run is the domain's memory, a channel, a granted BAR, or the local APIC. */
static bool check_own(const struct bh_header *h, uint32_t domain, const struct run *run,
                      struct policy_fault *fault)
{
    for (uint64_t at = run->base; at < run->end;) {
        uint64_t next = own_until(h, domain, at);

        if (next == at)
            return policy_fail(fault, POLICY_MAPS_STRAY, domain, at);
        at = (next + BH_PAGE - 1) & ~(uint64_t)(BH_PAGE - 1); /* BARs may be smaller than pages */
    }
    return true;
}

/* The ranges in which an access is an interrupt. */
static bool check_interrupt_ranges(uint32_t domain, const struct run *run,
                                   struct policy_fault *fault)
{
    uint64_t size = run->end - run->base;
    bool device = (run->rights & (DREAD | DWRITE)) != 0;

    if (((run->rights & WRITE) != 0 && image_overlaps(run->base, size, LOCAL_APIC, BH_PAGE)) ||
        (device && image_overlaps(run->base, size, INTERRUPT_RANGE, INTERRUPT_SIZE)) ||
        image_overlaps(run->base, size, HYPERTRANSPORT, HYPERTRANSPORT_GB << 30))
        return policy_fail(fault, POLICY_MAPS_INTERRUPTS, domain, run->base);
    return true;
}

/* Not even as memory or a BAR: who reaches a locality's page can measure and quote like core. */
static bool check_tpm(uint32_t domain, const struct run *run, struct policy_fault *fault)
{
    if (image_overlaps(run->base, run->end - run->base, TIS_BASE,
                       TIS_LOCALITIES * TIS_LOCALITY_SIZE))
        return policy_fail(fault, POLICY_MAPS_TPM, domain, run->base);
    return true;
}

/* MSI-X tables that core guards. */
static bool check_msix(const struct bh_header *h, uint32_t domain, const struct run *run,
                       struct policy_fault *fault)
{
    const struct bh_pci_function *f = POLICY_ROWS(h, functions, struct bh_pci_function);
    uint64_t base, end;

    for (uint32_t i = 0; i < h->functions.count; i++)
        if (image_msix_pages(h, &f[i], &base, &end) && run->base < end && base < run->end)
            return policy_fail(fault, POLICY_MAPS_MSIX, domain, base);
    return true;
}

/* True if [base, end) lies in channels' regions, one behind the other. */
static bool in_channels(const struct bh_header *h, uint64_t base, uint64_t end)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);

    for (uint32_t i = 0; i < h->regions.count && base < end; i++) /* they ascend */
        if (region[i].use == BH_REGION_CHANNEL &&
            image_within(base, 1, region[i].base, region[i].size))
            base = region[i].base + region[i].size;
    return base >= end;
}

/* What one of two domains can write, the other doesn't reach, but by a channel. */
static bool check_pair(const struct bh_header *h, uint32_t a, uint32_t b,
                       struct policy_fault *fault)
{
    for (uint32_t i = 0; i < reach[a].count; i++) {
        const struct run *x = &reach[a].run[i];

        for (uint32_t j = 0; j < reach[b].count; j++) {
            const struct run *y = &reach[b].run[j];
            uint64_t base = x->base > y->base ? x->base : y->base;
            uint64_t end = x->end < y->end ? x->end : y->end;

            if (base < end && ((x->rights | y->rights) & (WRITE | DWRITE)) != 0 &&
                !in_channels(h, base, end))
                return policy_fail(fault, POLICY_MAPS_SHARED, b, base);
        }
    }
    return true;
}

static bool check_run(const struct bh_header *h, uint32_t domain, const struct run *run,
                      struct policy_fault *fault)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);

    if (!check_interrupt_ranges(domain, run, fault) || !check_tpm(domain, run, fault))
        return false;
    for (uint32_t r = 0; r < h->regions.count; r++)
        if (!check_region(h, domain, run, &region[r], fault))
            return false;
    return true;
}

/* Pages of MSI-X tables are mapped nowhere: core reads and writes the rest of them in the domain's
 * stead, so the domain reaches them as if they were. */
static bool note_msix(struct walk *w)
{
    const struct bh_pci_function *f = POLICY_ROWS(w->h, functions, struct bh_pci_function);
    uint64_t base, end;

    for (uint32_t i = 0; i < w->h->functions.count; i++)
        if (f[i].domain == w->domain && image_msix_pages(w->h, &f[i], &base, &end) &&
            !note(w, base, end - base, READ | WRITE))
            return false;
    return true;
}

bool image_check_rights(const struct bh_header *h, struct policy_fault *fault)
{
    const struct bh_domain *domain = POLICY_ROWS(h, domains, struct bh_domain);

    for (uint32_t n = 0; n < h->domains.count; n++) {
        struct walk w = {.h = h, .fault = fault, .domain = n, .pages_left = h->size / BH_PAGE};

        reach[n].count = 0;
        if (!walk_page(&w, domain[n].table, NPT_LEVELS, READ | WRITE | DREAD | DWRITE))
            return false;
        for (uint32_t i = 0; i < reach[n].count; i++)
            if (!check_msix(h, n, &reach[n].run[i], fault))
                return false;
        if (!note_msix(&w))
            return false;
        for (uint32_t i = 0; i < reach[n].count; i++)
            if (!check_run(h, n, &reach[n].run[i], fault))
                return false;
        for (uint32_t other = 0; other < n; other++)
            if (!check_pair(h, other, n, fault))
                return false;
        for (uint32_t i = 0; i < reach[n].count; i++)
            if (!check_own(h, n, &reach[n].run[i], fault))
                return false;
    }
    return true;
}
