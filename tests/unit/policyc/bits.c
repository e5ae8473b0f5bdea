#include "bits.h"
#include "testing.h"
#include <stdlib.h>
#include <string.h>

#define FACTS 16u

static unsigned add(struct file_fact *facts, unsigned count, const char *name)
{
    if (name == NULL || count == FACTS)
        return count;
    facts[count] = (struct file_fact){.name = name, .size = 4096};
    memset(facts[count].sha256, 0xaa, 32);
    return count + 1;
}

/* Every string of the policy that stands behind `flat`, `kernel`, `initrd` or `module`. */
static unsigned collect(const struct policy *policy, struct file_fact *facts)
{
    unsigned count = 0;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        const struct domain *domain = &policy->domain[i];

        count = add(facts, count, domain->flat.value);
        count = add(facts, count, domain->kernel.value);
        count = add(facts, count, domain->initrd.value);
        for (unsigned j = 0; j < domain->module.count; j++)
            count = add(facts, count, domain->module.item[j].value);
    }
    return count;
}

void bits_emit(const char *text, struct front *front, struct image *image)
{
    struct file_fact facts[FACTS];

    if (front_load_text(front, "policy/of-a-test.policy", text) != FRONT_OK ||
        !emit_image(front, facts, collect(&front->policy, facts), image)) {
        front_print(front, stderr);
        fail_msg("the policy was refused");
    }
}

const struct bh_header *bits_header(const struct image *image)
{
    return (const struct bh_header *)image->bytes;
}

const struct bh_domain *bits_domain(const struct image *image, unsigned index)
{
    return (const struct bh_domain *)(image->bytes + bits_header(image)->domains.offset) + index;
}

const void *bits_at(const struct image *image, uint64_t address)
{
    uint64_t base = bits_header(image)->base;

    assert_true(address >= base && address - base < image->size);
    return image->bytes + (address - base);
}

static bool bit(uint64_t value, unsigned n)
{
    return (value >> n & 1) != 0;
}

struct bits_leaf bits_translate(const struct image *image, uint64_t root, uint64_t gpa)
{
    struct bits_leaf leaf = {.hpa = BITS_NOTHING,
                             .write = true,
                             .execute = true,
                             .device_read = true,
                             .device_write = true};
    uint64_t table = root;

    for (unsigned level = 4; level >= 1; level--) {
        const uint64_t *entries = bits_at(image, table);
        uint64_t entry = entries[gpa >> (3 + 9 * level) & 511];
        bool is_leaf = level == 1 || bit(entry, 7);

        if (!bit(entry, 0))
            return (struct bits_leaf){.hpa = BITS_NOTHING};
        assert_true(bit(entry, 2));                                /* user */
        assert_int_equal(entry >> 9 & 7, is_leaf ? 0 : level - 1); /* the IOMMU's next level */
        leaf.write = leaf.write && bit(entry, 1);
        leaf.execute = leaf.execute && !bit(entry, 63);
        leaf.device_read = leaf.device_read && bit(entry, 61);
        leaf.device_write = leaf.device_write && bit(entry, 62);
        table = entry & 0x000ffffffffff000;
        if (!is_leaf)
            continue;
        assert_true(bit(entry, 5) && bit(entry, 6)); /* accessed, dirty */
        leaf.uncached = bit(entry, 3) && bit(entry, 4);
        leaf.size = 1ull << (3 + 9 * level);
        leaf.hpa = table | (gpa & (leaf.size - 1));
        return leaf;
    }
    return leaf;
}

bool bits_port_open(const struct image *image, unsigned domain, uint32_t port)
{
    const uint8_t *iopm = bits_at(image, bits_domain(image, domain)->iopm);

    return !bit(iopm[port >> 3], port & 7);
}

unsigned bits_msr_open(const struct image *image, unsigned domain, uint32_t number)
{
    const uint8_t *msrpm = bits_at(image, bits_domain(image, domain)->msrpm);
    uint32_t start = number >> 16 == 0 ? 0 : number >> 16 == 0xc000 ? 0x800 : 0x1000;
    uint32_t offset = number & 0xffff;

    assert_true(offset < 0x2000);
    return ~(uint32_t)msrpm[start + offset / 4] >> offset % 4 * 2 & 3;
}
