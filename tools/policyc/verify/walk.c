/* Walks a domain's table as CPU (APM vol. 2, 5.3, 15.25) and IOMMU (spec, 2.2.3) do, and is
 * stricter than both: an entry that neither reads alike is a fault. */
#include "hw/npt.h"
#include "reader.h"
#include <stdlib.h>

#define LARGE_PAGE 0x200000ull

#define TABLE_BITS (NPT_P | NPT_W | NPT_US | NPT_A | NPT_NEXT | NPT_ADDRESS | NPT_IR | NPT_IW)
#define LEAF_BITS                                                                               \
    (NPT_P | NPT_W | NPT_US | NPT_UC | NPT_A | NPT_D | NPT_PS | NPT_ADDRESS | NPT_IR | NPT_IW | \
     NPT_NX)

struct walk {
    const struct reader *reader;
    uint8_t *claimed;
    struct reach *reach;
    uint64_t place;
};

bool reader_claim(const struct reader *reader, uint8_t *claimed, uint64_t address, uint64_t size)
{
    uint64_t first = address - reader->header->base;
    bool is_free = true;

    if (reader_at(reader, address, size) == NULL || address % BH_PAGE != 0 ||
        first < reader->rows_end)
        return false;
    for (uint64_t page = first / BH_PAGE; page < (first + size + BH_PAGE - 1) / BH_PAGE; page++) {
        is_free = is_free && claimed[page] == 0;
        claimed[page] = 1;
    }
    return is_free;
}

static uint32_t rights_of(uint64_t entry)
{
    return REACH_READ | ((entry & NPT_W) != 0 ? REACH_WRITE : 0) |
           ((entry & NPT_NX) == 0 ? REACH_EXECUTE : 0) |
           ((entry & NPT_IR) != 0 ? REACH_DEVICE_READ : 0) |
           ((entry & NPT_IW) != 0 ? REACH_DEVICE_WRITE : 0) |
           ((entry & NPT_UC) != 0 ? REACH_UNCACHED : 0);
}

static const char *entry_fault(uint64_t entry, unsigned level, bool is_leaf)
{
    uint64_t next = (entry & NPT_NEXT) >> NPT_NEXT_SHIFT;

    if ((entry & (NPT_P | NPT_US | NPT_A)) != (NPT_P | NPT_US | NPT_A))
        return "an entry isn't present, for users and accessed all at once";
    if ((entry & ~(is_leaf ? LEAF_BITS : TABLE_BITS)) != 0)
        return "an entry has bits that none should have";
    if (next != (is_leaf ? 0 : level - 1))
        return "CPU and IOMMU would take an entry for different levels";
    if (!is_leaf)
        return NULL;
    if ((entry & NPT_D) == 0)
        return "a leaf isn't dirty: the CPU would write into the table";
    if ((entry & NPT_UC) != 0 && (entry & NPT_UC) != NPT_UC)
        return "a leaf has a memory type that is neither cached nor uncached";
    if ((entry & NPT_NX) != 0 && (entry & (NPT_IR | NPT_IW)) != 0)
        return "a leaf for devices has NX, which they take for a reserved bit";
    if (level == 2 && (entry & NPT_ADDRESS & (LARGE_PAGE - 1)) != 0)
        return "a large leaf isn't aligned";
    return NULL;
}

/* The memory that two rights have in common; a level's own memory type doesn't matter. */
static uint32_t combine(uint32_t upper, uint32_t own)
{
    return (own & upper) | (own & REACH_UNCACHED);
}

static const char *add_span(struct walk *walk, struct span new)
{
    struct reach *reach = walk->reach;
    struct span *last = reach->count != 0 ? &reach->span[reach->count - 1] : NULL;

    if (last != NULL && last->gpa + last->size == new.gpa && last->hpa + last->size == new.hpa &&
        last->rights == new.rights) {
        last->size += new.size;
        return NULL;
    }
    if (reach->count == reach->room) {
        size_t room = reach->room == 0 ? 64 : 2 * reach->room;
        struct span *grown = realloc(reach->span, room * sizeof(*grown));

        if (grown == NULL)
            return "there is not enough memory to walk the table";
        reach->span = grown;
        reach->room = room;
    }
    reach->span[reach->count++] = new;
    return NULL;
}

static const char *walk_page(struct walk *walk, uint64_t page, unsigned level, uint64_t gpa,
                             uint32_t upper)
{
    const uint64_t *table;

    walk->place = page;
    if (!reader_claim(walk->reader, walk->claimed, page, BH_PAGE))
        return "a table page lies outside of the image, or has another use, too";
    table = reader_at(walk->reader, page, BH_PAGE);
    for (unsigned i = 0; i < NPT_ENTRIES; i++) {
        uint64_t entry = table[i], size = 1ull << (12 + 9 * (level - 1));
        bool is_leaf = level == 1 || (level == 2 && (entry & NPT_PS) != 0);
        uint32_t rights = combine(upper, rights_of(entry));
        uint64_t at = gpa + i * size;
        const char *fault;

        if (entry == 0)
            continue;
        walk->place = page + i * sizeof(entry);
        fault = entry_fault(entry, level, is_leaf);
        if (fault == NULL && is_leaf && level == 2 && at < LARGE_PAGE)
            fault = "the first 2 MiB have a large leaf across memory types";
        if (fault == NULL && is_leaf)
            fault = add_span(walk, (struct span){at, entry & NPT_ADDRESS, size, rights});
        else if (fault == NULL)
            fault = walk_page(walk, entry & NPT_ADDRESS, level - 1, at, rights);
        if (fault != NULL)
            return fault;
    }
    return NULL;
}

const char *reader_walk(const struct reader *reader, uint64_t root, uint8_t *claimed,
                        struct reach *reach, uint64_t *place)
{
    struct walk walk = {.reader = reader, .claimed = claimed, .reach = reach};
    const char *fault = walk_page(&walk, root, NPT_LEVELS, 0, ~REACH_UNCACHED);

    *place = walk.place;
    return fault;
}
