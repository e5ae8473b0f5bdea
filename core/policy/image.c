#include "core/policy/image.h"

#include "bulkhead/layout.h"
#include "hw/amdvi.h"
#include "lib/memory.h"

const void *image_at(const struct bh_header *h, uint64_t address, uint64_t size)
{
    if (!image_within(address, size, h->base, h->size))
        return NULL;
    return (const uint8_t *)h + (address - h->base);
}

bool image_zero(const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;
    uint8_t seen = 0;

    for (size_t i = 0; i < size; i++)
        seen |= byte[i];
    return seen == 0;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool image_is_name(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && is_name_character(text[length]))
        length++;
    return length > 0 && length < size && image_zero(text + length, size - length);
}

bool image_is_text(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && ((text[length] >= ' ' && text[length] <= '~') || text[length] == '\n'))
        length++;
    return length < size && image_zero(text + length, size - length);
}

static bool header_is_known(const struct bh_header *h, size_t size, struct policy_fault *fault)
{
    if (memcmp(h->magic, BH_IMAGE_MAGIC, sizeof h->magic) != 0)
        return policy_fail(fault, POLICY_MAGIC, 0, 0);
    if (h->format != BH_IMAGE_FORMAT)
        return policy_fail(fault, POLICY_FORMAT, 0, h->format);
    if (h->header_size != sizeof *h)
        return policy_fail(fault, POLICY_HEADER_SIZE, 0, h->header_size);
    if (h->size != size)
        return policy_fail(fault, POLICY_TRUNCATED, 0, h->size);
    if (h->base == 0 || h->base % BH_PAGE != 0 || h->base > UINT64_MAX - h->size)
        return policy_fail(fault, POLICY_BASE, 0, h->base);
    return true;
}

/* Each table of rows is aligned, within its limit, and lies inside the image. */
static bool tables_fit(const struct bh_header *h, struct policy_fault *fault)
{
    const struct {
        struct bh_table table;
        uint32_t limit;
        size_t row;
    } tables[] = {
        {h->domains, BH_MAX_DOMAINS, sizeof(struct bh_domain)},
        {h->files, BH_MAX_FILES, sizeof(struct bh_file)},
        {h->regions, BH_MAX_REGIONS, sizeof(struct bh_region)},
        {h->channels, BH_MAX_CHANNELS, sizeof(struct bh_channel)},
        {h->functions, BH_MAX_PCI, sizeof(struct bh_pci_function)},
        {h->dtes, BH_MAX_DTE, sizeof(struct bh_dte)},
        {h->cpuid, BH_MAX_DOMAINS * BH_MAX_CPUID, sizeof(struct bh_cpuid)},
        {h->msrs, BH_MAX_DOMAINS * BH_MAX_MSR, sizeof(struct bh_msr)},
    };

    for (uint32_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct bh_table table = tables[i].table;

        if (table.count > tables[i].limit || table.offset % 8 != 0 ||
            (table.count != 0 &&
             !image_within(table.offset, table.count * tables[i].row, BH_PAGE, h->size - BH_PAGE)))
            return policy_fail(fault, POLICY_TABLE_PLACE, i, table.offset);
    }
    return true;
}

bool image_check_header(const void *bytes, size_t size, struct policy_fault *fault)
{
    static const uint64_t denied[AMDVI_DTE_QWORDS] = AMDVI_DTE_DENIED;
    const struct bh_header *h = bytes;

    if (size < BH_PAGE || size > BH_MAX_IMAGE || size % BH_PAGE != 0)
        return policy_fail(fault, POLICY_IMAGE_SIZE, 0, size);
    if (!header_is_known(h, size, fault))
        return false;
    if (!image_is_name(h->name, sizeof h->name) || !image_is_name(h->machine, sizeof h->machine))
        return policy_fail(fault, POLICY_HEADER_NAME, 0, 0);
    if (h->pad != 0 || !image_zero(h + 1, BH_PAGE - sizeof *h))
        return policy_fail(fault, POLICY_HEADER_PADDING, 0, 0);
    if ((h->required_features & ~(BH_FEATURE_NPT | BH_FEATURE_AMDVI | BH_FEATURE_RDRAND)) != 0)
        return policy_fail(fault, POLICY_FEATURES, 0, h->required_features);
    if (h->attest != BH_ATTEST_REQUIRED && h->attest != BH_ATTEST_OPTIONAL)
        return policy_fail(fault, POLICY_ATTEST, 0, h->attest);
    if (memcmp(h->denied_dte, denied, sizeof denied) != 0)
        return policy_fail(fault, POLICY_DENIED_DTE, 0, 0);
    return tables_fit(h, fault);
}

/* The owner of a region: a domain, a channel, or nobody. */
static bool region_owner_exists(const struct bh_header *h, const struct bh_region *region)
{
    switch (region->use) {
    case BH_REGION_DOMAIN:
    case BH_REGION_SHADOW:
        return region->owner < h->domains.count;
    case BH_REGION_CHANNEL:
        return region->owner < h->channels.count;
    default:
        return region->owner == BH_NOBODY;
    }
}

/* The number of regions with a use, and whether they all hold [base, base + size). */
static bool one_region_holds(const struct bh_header *h, enum bh_region_use use, uint64_t base,
                             uint64_t size)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    uint32_t count = 0;

    for (uint32_t i = 0; i < h->regions.count; i++) {
        if (region[i].use != use)
            continue;
        count++;
        if (!image_within(base, size, region[i].base, region[i].size))
            return false;
    }
    return count == 1;
}

bool image_check_regions(const struct bh_header *h, struct policy_fault *fault)
{
    const struct bh_region *region = POLICY_ROWS(h, regions, struct bh_region);
    uint64_t end = 0;

    for (uint32_t i = 0; i < h->regions.count; i++) {
        const struct bh_region *r = &region[i];

        if (r->size == 0 || (r->base | r->size) % BH_PAGE != 0 || r->base > UINT64_MAX - r->size)
            return policy_fail(fault, POLICY_REGION_FORM, i, r->base);
        if (r->base < end)
            return policy_fail(fault, POLICY_REGION_ORDER, i, r->base);
        if (r->use < BH_REGION_CORE || r->use > BH_REGION_SHADOW)
            return policy_fail(fault, POLICY_REGION_USE, i, r->use);
        if (!region_owner_exists(h, r))
            return policy_fail(fault, POLICY_REGION_OWNER, i, r->owner);
        end = r->base + r->size;
    }
    if (!one_region_holds(h, BH_REGION_CORE, CORE_BASE, CORE_SIZE))
        return policy_fail(fault, POLICY_REGION_CORE, 0, CORE_BASE);
    if (!one_region_holds(h, BH_REGION_IMAGE, h->base, h->size))
        return policy_fail(fault, POLICY_REGION_IMAGE, 0, h->base);
    if (!one_region_holds(h, BH_REGION_DEVICE_TABLE, DEVICE_TABLE_BASE, DEVICE_TABLE_SIZE))
        return policy_fail(fault, POLICY_REGION_DEVICE_TABLE, 0, DEVICE_TABLE_BASE);
    return true;
}

bool image_check(const void *bytes, size_t size, struct policy_fault *fault)
{
    const struct bh_header *h = bytes;

    *fault = (struct policy_fault){.check = POLICY_OK};
    return image_check_header(bytes, size, fault) && image_check_regions(h, fault) &&
           image_check_domains(h, fault) && image_check_devices(h, fault) &&
           image_check_rights(h, fault);
}
