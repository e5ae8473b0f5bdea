/* Checks of what hangs on domains: channels, PCI functions, device-table entries, CPUID, MSRs. */
#include "core/policy/image.h"
#include "hw/amdvi.h"
#include "hw/npt.h"
#include "hw/x86.h"

#define CONFIG_BAR0 4u /* dwords of the config header, PCI 3.0, 6.1 */
#define CONFIG_ROM  12u

static bool check_channel(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    const struct bh_channel *c = &POLICY_ROWS(h, channels, struct bh_channel)[n];
    bool found = false;

    if (!image_is_name(c->name, sizeof c->name) || c->size == 0 ||
        (c->base | c->size) % BH_PAGE != 0 || c->end[0].domain == c->end[1].domain)
        return policy_fail(fault, POLICY_CHANNEL_FORM, n, 0);
    for (uint32_t i = 0; i < 2; i++)
        if (c->end[i].domain >= h->domains.count || c->end[i].gpa % BH_PAGE != 0 ||
            (c->end[i].rights &
             ~(BH_CHANNEL_READ | BH_CHANNEL_WRITE | BH_CHANNEL_RING | BH_CHANNEL_DMA)) != 0)
            return policy_fail(fault, POLICY_CHANNEL_FORM, n, 0);
    for (uint32_t i = 0; i < h->regions.count; i++)
        if (region[i].use == BH_REGION_CHANNEL && region[i].owner == n)
            found |= image_within(c->base, c->size, region[i].base, region[i].size);
    if (!found)
        return policy_fail(fault, POLICY_CHANNEL_PLACE, n, c->base);
    return true;
}

/* BARs are powers of two, aligned, in 32-bit space, and memory BARs lie on no region. */
static bool bar_is_placed(const struct bh_header *h, const struct bh_pci_function *f, uint32_t n)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    uint64_t address = f->bar[n].address, size = f->bar[n].size;

    if ((f->bar[n].flags & ~(BH_BAR_IO | BH_BAR_64 | BH_BAR_PREFETCH)) != 0 || f->bar[n].pad != 0)
        return false;
    if (size == 0)
        return address == 0;
    if ((size & (size - 1)) != 0 || address % size != 0 || address > UINT64_MAX - size)
        return false;
    if ((f->bar[n].flags & BH_BAR_IO) != 0)
        return address + size <= 0x10000;
    if ((f->bar[n].flags & BH_BAR_64) != 0 && (n == 5 || f->bar[n + 1].size != 0))
        return false;
    for (uint32_t i = 0; i < h->regions.count; i++)
        if (image_overlaps(address, size, region[i].base, region[i].size))
            return false;
    return true;
}

/* Writes of a domain reach only what it was granted, and a BAR never. */
static bool writes_are_bounded(const struct bh_pci_function *f)
{
    if (f->granted == 0)
        return image_zero(f->write_mask, sizeof f->write_mask);
    return image_zero(&f->write_mask[CONFIG_BAR0], 6 * sizeof f->write_mask[0]) &&
           f->write_mask[CONFIG_ROM] == 0;
}

#define MSIX_ENTRY       16u /* bytes, PCI 3.0, 6.8.2 */
#define CAPABILITY_FIRST 0x40u
#define CAPABILITY_LAST  0xf0u /* an MSI capability with all its registers fits behind */

static const struct bh_domain *domain_of(const struct bh_header *h, uint32_t domain)
{
    return &POLICY_ROWS(h, domains, struct bh_domain)[domain];
}

/* PCI 3.0, 6.7: behind the header, in whole dwords; all of it lies in configuration space. */
static bool capability_is_placed(uint32_t offset)
{
    return offset == 0 ||
           (offset >= CAPABILITY_FIRST && offset <= CAPABILITY_LAST && offset % 4 == 0);
}

/* Where nobody says where the table lies, core can't guard it. */
static bool msix_is_placed(const struct bh_header *h, const struct bh_pci_function *f)
{
    uint64_t size = (uint64_t)f->msix_count * MSIX_ENTRY;
    uint32_t n = f->msix_bar;

    if (f->pad != 0 || (f->granted == 0 && (f->msix | f->msi) != 0) ||
        !capability_is_placed(f->msi) || !capability_is_placed(f->msix))
        return false;
    if (f->msix_count == 0)
        return n == 0 && f->msix_table == 0 &&
               (f->msix == 0 || !bh_is_remapped(domain_of(h, f->domain)));
    return f->granted != 0 && f->msix != 0 && n < 6 && f->msix_count <= BH_MSIX_MAX &&
           f->msix_table % 8 == 0 && (f->bar[n].flags & BH_BAR_IO) == 0 &&
           f->bar[n].address + f->bar[n].size <= 1ull << 32 &&
           image_within(f->msix_table, size, 0, f->bar[n].size);
}

bool image_msix_pages(const struct bh_header *h, const struct bh_pci_function *f, uint64_t *base,
                      uint64_t *end)
{
    uint64_t table;

    if (f->msix_count == 0 || !bh_is_remapped(domain_of(h, f->domain)))
        return false;
    table = f->bar[f->msix_bar].address + f->msix_table;
    *base = table & ~(uint64_t)(BH_PAGE - 1);
    *end = (table + (uint64_t)f->msix_count * MSIX_ENTRY + BH_PAGE - 1) & ~(uint64_t)(BH_PAGE - 1);
    return true;
}

static bool check_function(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_pci_function *row = POLICY_ROWS(h, functions, struct bh_pci_function);
    const struct bh_pci_function *f = &row[n];

    if (f->domain >= h->domains.count || f->granted > 1 ||
        (n > 0 && row[n - 1].domain == f->domain && row[n - 1].bdf >= f->bdf))
        return policy_fail(fault, POLICY_FUNCTION_FORM, n, f->bdf);
    for (uint32_t i = 0; i < n; i++)
        if (row[i].bdf == f->bdf && (row[i].granted | f->granted) != 0)
            return policy_fail(fault, POLICY_FUNCTION_SHARED, n, f->bdf);
    for (uint32_t i = 0; i < 6; i++)
        if (!bar_is_placed(h, f, i))
            return policy_fail(fault, POLICY_FUNCTION_BAR, n, f->bar[i].address);
    if (!writes_are_bounded(f))
        return policy_fail(fault, POLICY_FUNCTION_WRITE, n, f->bdf);
    if (!msix_is_placed(h, f))
        return policy_fail(fault, POLICY_FUNCTION_MSIX, n, f->bdf);
    return true;
}

static bool is_granted(const struct bh_header *h, uint32_t bdf, uint32_t domain)
{
    const struct bh_pci_function *row = POLICY_ROWS(h, functions, struct bh_pci_function);

    for (uint32_t i = 0; i < h->functions.count; i++)
        if (row[i].bdf == bdf && row[i].domain == domain && row[i].granted != 0)
            return true;
    return false;
}

/* Its interrupt table's bytes in the image. */
static uint64_t table_size(const struct bh_header *h, const struct bh_dte *row)
{
    return bh_is_remapped(domain_of(h, row->domain)) ? sizeof(struct bh_remap)
                                                     : (AMDVI_IRT_INDEX + 1) * sizeof(uint32_t);
}

bool image_is_remap(const struct bh_header *h, uint64_t page)
{
    const struct bh_dte *row = POLICY_ROWS(h, dtes, struct bh_dte);

    for (uint32_t i = 0; i < h->dtes.count; i++)
        if (bh_is_remapped(domain_of(h, row[i].domain)) &&
            image_overlaps(page, BH_PAGE, row[i].dte[2] & AMDVI_DTE2_INTTABROOT,
                           sizeof(struct bh_remap)))
            return true;
    return false;
}

/* Behind all rows: core writes there what a domain asks for. */
static bool is_behind_rows(const struct bh_header *h, uint64_t address)
{
    uint64_t offset = address - h->base;

    return offset >= h->dtes.offset + h->dtes.count * sizeof(struct bh_dte) &&
           offset >= h->domains.offset + h->domains.count * sizeof(struct bh_domain) &&
           offset >= h->files.offset + h->files.count * sizeof(struct bh_file) &&
           offset >= h->regions.offset + h->regions.count * sizeof(struct bh_region) &&
           offset >= h->channels.offset + h->channels.count * sizeof(struct bh_channel) &&
           offset >= h->functions.offset + h->functions.count * sizeof(struct bh_pci_function) &&
           offset >= h->cpuid.offset + h->cpuid.count * sizeof(struct bh_cpuid) &&
           offset >= h->msrs.offset + h->msrs.count * sizeof(struct bh_msr);
}

/* Of a domain's sources, the one that has no DMA is the I/O APIC. */
static bool is_second_ioapic(const struct bh_dte *row, uint32_t n)
{
    uint32_t i = n;

    if (row[n].dte[0] == (AMDVI_DTE0_V | AMDVI_DTE0_TV))
        for (i = 0; row[i].dte[0] != row[n].dte[0] || row[i].domain != row[n].domain;)
            i++;
    return i < n;
}

/* With several cores: empty, and nothing else lies there. Page tables are looked at as they are
 * walked (rights.c); bitmaps have ones in each of their pages. */
static bool check_remap(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const struct bh_dte *row = POLICY_ROWS(h, dtes, struct bh_dte);
    uint64_t at = row[n].dte[2] & AMDVI_DTE2_INTTABROOT;
    const void *bytes = image_at(h, at, sizeof(struct bh_remap));
    bool is_own = bytes && at % BH_PAGE == 0 && is_behind_rows(h, at) &&
                  (row[n].dte[2] & AMDVI_DTE2_INTCTL) == AMDVI_DTE2_INTCTL_REMAP &&
                  (row[n].dte[2] & AMDVI_DTE2_INTTABLEN) == (uint64_t)AMDVI_IRT_LENGTH
                                                                << AMDVI_DTE2_INTTABLEN_SHIFT &&
                  image_zero(bytes, sizeof(struct bh_remap));

    for (uint32_t i = 0; i < h->dtes.count; i++)
        is_own = is_own && (i == n || !image_overlaps(at, sizeof(struct bh_remap),
                                                      row[i].dte[2] & AMDVI_DTE2_INTTABROOT,
                                                      table_size(h, &row[i])));
    return (is_own && !is_second_ioapic(row, n)) || policy_fail(fault, POLICY_DTE_REMAP, n, at);
}

/* Interrupts a device may send: fixed and lowest priority, to a vector that is no exception. */
static bool check_interrupts(const struct bh_header *h, const struct bh_dte *row, uint32_t n,
                             struct policy_fault *fault)
{
    uint64_t q = row->dte[2];
    uint64_t root = q & AMDVI_DTE2_INTTABROOT;
    uint64_t length = (q & AMDVI_DTE2_INTTABLEN) >> AMDVI_DTE2_INTTABLEN_SHIFT;
    const uint32_t *entry = image_at(h, root, 4ull << length);

    if ((q & AMDVI_DTE2_INTCTL) == AMDVI_DTE2_INTCTL_ABORT && root == 0 && length == 0)
        return true;
    if ((q & AMDVI_DTE2_INTCTL) != AMDVI_DTE2_INTCTL_REMAP || !entry || length > AMDVI_IRT_LENGTH ||
        root % AMDVI_IRT_ALIGNMENT != 0)
        return policy_fail(fault, POLICY_DTE_INTERRUPTS, n, root);
    for (uint64_t i = 0; i < 1ull << length; i++) {
        uint32_t type = entry[i] & AMDVI_IRTE_TYPE;
        uint32_t vector = (entry[i] & AMDVI_IRTE_VECTOR) >> AMDVI_IRTE_VECTOR_SHIFT;
        uint32_t used = AMDVI_IRTE_REMAP_EN | AMDVI_IRTE_SUP_IOPF | AMDVI_IRTE_TYPE |
                        AMDVI_IRTE_DEST | AMDVI_IRTE_VECTOR;

        if ((entry[i] & ~used) != 0 ||
            ((entry[i] & AMDVI_IRTE_REMAP_EN) != 0 &&
             ((type != AMDVI_IRTE_FIXED && type != AMDVI_IRTE_LOWEST) || vector < 32)))
            return policy_fail(fault, POLICY_DTE_INTERRUPTS, n, entry[i]);
    }
    return true;
}

/* A DomainID names one table: the IOMMU's caches are tagged with it. */
static bool domain_id_is_own(const struct bh_header *h, uint32_t n)
{
    const struct bh_dte *row = POLICY_ROWS(h, dtes, struct bh_dte);
    uint64_t id = row[n].dte[1] & AMDVI_DTE1_DOMAIN;

    for (uint32_t i = 0; i < n; i++)
        if (((row[i].dte[1] & AMDVI_DTE1_DOMAIN) == id) != (row[i].domain == row[n].domain))
            return false;
    return id != 0;
}

static bool check_dte(const struct bh_header *h, uint32_t n, struct policy_fault *fault)
{
    const uint64_t always = AMDVI_DTE0_V | AMDVI_DTE0_TV;
    const struct bh_dte *row = &POLICY_ROWS(h, dtes, struct bh_dte)[n];
    uint64_t q0 = row->dte[0];

    if (row->pad != 0 || row->domain >= h->domains.count ||
        (n > 0 && row[-1].device_id >= row->device_id))
        return policy_fail(fault, POLICY_DTE_ORDER, n, row->device_id);
    if ((q0 & ~AMDVI_DTE0_USED) != 0 || (row->dte[1] & ~AMDVI_DTE1_USED) != 0 ||
        (row->dte[2] & ~AMDVI_DTE2_USED) != 0 || (row->dte[3] & ~AMDVI_DTE3_USED) != 0 ||
        (q0 & always) != always || (row->dte[2] & AMDVI_DTE2_IV) == 0)
        return policy_fail(fault, POLICY_DTE_BITS, n, row->device_id);
    if (!domain_id_is_own(h, n))
        return policy_fail(fault, POLICY_DTE_ID, n, row->dte[1]);
    if (q0 != always) {
        const struct bh_domain *d = &POLICY_ROWS(h, domains, struct bh_domain)[row->domain];

        if ((q0 & AMDVI_DTE0_ROOT) != d->table ||
            (q0 & AMDVI_DTE0_MODE) != (uint64_t)NPT_LEVELS << AMDVI_DTE0_MODE_SHIFT)
            return policy_fail(fault, POLICY_DTE_ROOT, n, q0);
        if (!is_granted(h, row->device_id, row->domain))
            return policy_fail(fault, POLICY_DTE_OWNER, n, row->device_id);
    }
    return bh_is_remapped(domain_of(h, row->domain)) ? check_remap(h, n, fault)
                                                     : check_interrupts(h, row, n, fault);
}

static bool check_cpuid(const struct bh_cpuid *row, uint32_t n, struct policy_fault *fault)
{
    const struct bh_cpuid *c = &row[n];

    if ((c->flags & ~(BH_CPUID_ANY_SUBLEAF | BH_CPUID_OSXSAVE | BH_CPUID_XSAVE_SIZE)) != 0 ||
        c->pad != 0)
        return policy_fail(fault, POLICY_CPUID_FORM, n, c->leaf);
    if ((c->leaf == CPUID_EXTENDED && ((c->and_[2] | c->or_[2]) & CPUID_EXTENDED_ECX_SVM) != 0) ||
        (c->leaf == CPUID_SVM &&
         (!image_zero(c->and_, sizeof c->and_) || !image_zero(c->or_, sizeof c->or_))))
        return policy_fail(fault, POLICY_CPUID_SVM, n, c->leaf);
    return true;
}

static bool msr_actions_are_known(const struct bh_msr *m)
{
    bool read = m->read == BH_MSR_GP || m->read == BH_MSR_CONSTANT || m->read == BH_MSR_HARDWARE ||
                m->read == BH_MSR_EFER || m->read == BH_MSR_APIC_BASE || m->read == BH_MSR_PAT ||
                m->read == BH_MSR_X2APIC;
    bool write = m->write == BH_MSR_GP || m->write == BH_MSR_CONSTANT || m->write == BH_MSR_DROP ||
                 m->write == BH_MSR_EFER || m->write == BH_MSR_APIC_BASE ||
                 m->write == BH_MSR_PAT || m->write == BH_MSR_X2APIC;

    return read && write;
}

/* Each domain's MSRs ascend. */
static bool check_msr_rows(const struct bh_header *h, struct policy_fault *fault)
{
    const struct bh_domain *domain = POLICY_ROWS(h, domains, struct bh_domain);
    const struct bh_msr *row = POLICY_ROWS(h, msrs, struct bh_msr);

    for (uint32_t n = 0; n < h->domains.count; n++) {
        uint32_t first = domain[n].msrs.offset, count = domain[n].msrs.count;

        for (uint32_t i = first; i < first + count; i++)
            if (!msr_actions_are_known(&row[i]) ||
                (i > first && row[i - 1].number >= row[i].number))
                return policy_fail(fault, POLICY_MSR_FORM, i, row[i].number);
    }
    return true;
}

bool image_check_devices(const struct bh_header *h, struct policy_fault *fault)
{
    for (uint32_t n = 0; n < h->channels.count; n++)
        if (!check_channel(h, n, fault))
            return false;
    for (uint32_t n = 0; n < h->functions.count; n++)
        if (!check_function(h, n, fault))
            return false;
    for (uint32_t n = 0; n < h->dtes.count; n++)
        if (!check_dte(h, n, fault))
            return false;
    for (uint32_t n = 0; n < h->cpuid.count; n++)
        if (!check_cpuid(POLICY_ROWS(h, cpuid, struct bh_cpuid), n, fault))
            return false;
    return check_msr_rows(h, fault);
}
