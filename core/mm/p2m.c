#include "core/mm/mm.h"

#include "core/platform/paging.h"
#include "hw/npt.h"

static const uint64_t *entry_table(uint64_t entry)
{
    return (const uint64_t *)(uintptr_t)(entry & NPT_ADDRESS);
}

struct p2m_leaf p2m_lookup(const uint64_t *root, uint64_t gpa)
{
    const uint64_t *table = root;
    uint64_t withheld = 0; /* by a table above: no leaf gives it back (APM vol. 2, 5.6) */

    if (gpa >> 48) {
        return (struct p2m_leaf){0};
    }
    for (unsigned level = NPT_LEVELS; level > 0; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t entry = table[(gpa >> shift) % NPT_ENTRIES];
        uint64_t offset = gpa & ((1ull << shift) - 1);

        /* a large page is reserved in the highest level: the CPU faults */
        if (!(entry & NPT_P) || (level == NPT_LEVELS && (entry & NPT_PS))) {
            return (struct p2m_leaf){.size = (1ull << shift) - offset};
        }
        withheld |= ~entry & NPT_W;
        if (level == 1 || (entry & NPT_PS)) {
            return (struct p2m_leaf){
                .address = (entry & NPT_ADDRESS & ~((1ull << shift) - 1)) + offset,
                .size = (1ull << shift) - offset,
                .flags = entry & ~NPT_ADDRESS & ~withheld,
            };
        }
        table = entry_table(entry);
    }
    return (struct p2m_leaf){0}; /* not reached: level 1 is a leaf */
}

void *p2m_ram(const uint64_t *root, uint64_t gpa, size_t size, bool write)
{
    struct p2m_leaf leaf = p2m_lookup(root, gpa);

    if (leaf.flags == 0 || (leaf.flags & NPT_UC) || leaf.size < size ||
        (write && !(leaf.flags & NPT_W)) || !paging_is_outside_core(leaf.address, size)) {
        return NULL;
    }
    return at_physical(leaf.address);
}
