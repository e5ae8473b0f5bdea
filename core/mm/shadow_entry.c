#include "core/mm/shadow_entry.h"

#include "core/mm/shadow_walk.h"
#include "hw/npt.h"

/* Indices of memory types in PAT_CORE, and the types (APM vol. 2, 7.8.1). */
#define TYPE_WB       0u
#define TYPE_WT       1u
#define TYPE_UC_MINUS 2u
#define TYPE_UC       3u
#define TYPE_WC       4u
#define PAT_WC        1u
#define PAT_WT        4u
#define PAT_WB        6u
#define PAT_UC_MINUS  7u

/* What the guest's PAT selects, in core's. Core's has no WP: uncached keeps its promise, too. */
static unsigned memory_type(const struct shadow *s, unsigned pat)
{
    switch (s->pat >> (8 * pat) & 7) {
    case PAT_WB:
        return TYPE_WB;
    case PAT_WT:
        return TYPE_WT;
    case PAT_WC:
        return TYPE_WC;
    case PAT_UC_MINUS:
        return TYPE_UC_MINUS;
    default:
        return TYPE_UC;
    }
}

/* A piece of what `base` begins, which is `level` deep. */
static struct meaning direct_meaning(uint32_t role, unsigned level, uint64_t gpa)
{
    if (level > 0)
        return (struct meaning){
            .kind = MEANS_TABLE, .role = (role & ~ROLE_LEVEL) | level, .key = gpa};
    return (struct meaning){
        .kind = MEANS_PAGE,
        .gpa = gpa,
        .access = role & ROLE_ACCESS,
        .type = (role & ROLE_TYPE) >> ROLE_TYPE_SHIFT,
        .is_dirty = !(role & ROLE_CLEAN),
    };
}

/* A large page of the guest's: as tables of small ones. */
static struct meaning large_meaning(const struct shadow *s, uint32_t mode, unsigned level,
                                    const struct guest_entry *e, uint64_t offset)
{
    uint32_t role = (mode & (ROLE_WP0 | ROLE_SMEP)) | ROLE_DIRECT | e->access |
                    memory_type(s, e->pat) << ROLE_TYPE_SHIFT | (e->dirty ? 0 : ROLE_CLEAN);

    return direct_meaning(role, level - 1, e->address + offset);
}

static struct meaning guest_meaning(const struct shadow *s, const struct shadow_table *table,
                                    unsigned index)
{
    unsigned level = shadow_level(table);
    bool is_legacy = (table->role & ROLE_FORMAT) == ROLE_LEGACY;
    uint32_t quadrant = (table->role & ROLE_QUADRANT) >> ROLE_QUADRANT_SHIFT;
    uint32_t mode = table->role & ROLE_MODE;
    struct guest_entry e;
    void *next;

    if (is_legacy) {
        /* 1024 entries of 4 MiB each are 2048 of 2 MiB; 1024 of 4 KiB are two tables */
        unsigned at = level == 1 ? quadrant * 512 + index : quadrant * 256 + index / 2;

        e = guest_decode(s, mode, level, ((const volatile uint32_t *)table->key)[at]);
        quadrant = level == 2 ? index % 2 : 0;
    } else {
        e = guest_decode(s, mode, level, ((const volatile uint64_t *)table->key)[index]);
        quadrant = 0;
    }
    e.access &= table->role & ROLE_ACCESS;
    if (!e.present || e.reserved || !e.accessed)
        return (struct meaning){.kind = MEANS_NOTHING};
    if (e.is_page && level > 1)
        return large_meaning(s, mode, level, &e, quadrant * (uint64_t)LARGE_PAGE_SIZE);
    if (e.is_page)
        return (struct meaning){.kind = MEANS_PAGE,
                                .gpa = e.address,
                                .access = e.access,
                                .type = memory_type(s, e.pat),
                                .is_dirty = e.dirty};
    next = p2m_ram(s->config.p2m, e.address, PAGE_SIZE, true);
    if (!next)
        return (struct meaning){.kind = MEANS_NOTHING};
    return (struct meaning){.kind = MEANS_TABLE,
                            .role = mode | e.access | (level - 1) | quadrant << ROLE_QUADRANT_SHIFT,
                            .key = (uint64_t)next};
}

struct meaning shadow_meaning(const struct shadow *s, uint32_t number, unsigned index)
{
    const struct shadow_table *table = shadow_table(s, number);
    unsigned level = shadow_level(table);

    if ((table->role & ROLE_FORMAT) == ROLE_DIRECT)
        return direct_meaning(table->role, level - 1,
                              table->key + ((uint64_t)index << (12 + 9 * (level - 1))));
    if ((table->role & ROLE_FORMAT) == ROLE_LEGACY && level == 3)
        return (struct meaning){.kind = MEANS_TABLE,
                                .role = (table->role & ~ROLE_LEVEL) | 2 |
                                        (uint32_t)index << ROLE_QUADRANT_SHIFT,
                                .key = table->key};
    return guest_meaning(s, table, index);
}

struct p2m_leaf shadow_p2m(struct shadow *s, uint64_t gpa)
{
    struct p2m_leaf leaf;

    if (gpa >= s->p2m_start && gpa < s->p2m_end)
        return (struct p2m_leaf){.address = s->p2m_address + (gpa - s->p2m_start),
                                 .size = s->p2m_end - gpa,
                                 .flags = s->p2m_flags};
    leaf = p2m_lookup(s->config.p2m, gpa);
    if (leaf.flags) {
        s->p2m_start = gpa;
        s->p2m_end = gpa + leaf.size;
        s->p2m_address = leaf.address;
        s->p2m_flags = leaf.flags;
    }
    return leaf;
}

bool shadow_is_protected(const struct shadow *s, uint64_t frame)
{
    uint32_t number = shadow_of_frame(s, frame, 0);

    return number && !(shadow_table(s, number)->flags & SHADOW_OPEN);
}

uint64_t shadow_page_entry(const struct shadow *s, uint32_t role, const struct meaning *page,
                           const struct p2m_leaf *leaf, bool for_supervisor)
{
    bool is_user = (page->access & ROLE_U) && !for_supervisor;
    bool is_writable = (page->access & ROLE_W) || ((role & ROLE_WP0) && !is_user);
    bool is_executable = (page->access & ROLE_X) && !(for_supervisor && (role & ROLE_SMEP));
    unsigned type = leaf->flags & NPT_UC ? TYPE_UC : page->type;
    uint64_t frame = leaf->address & PTE_ADDRESS;

    is_writable =
        is_writable && page->is_dirty && (leaf->flags & NPT_W) && !shadow_is_protected(s, frame);
    is_executable = is_executable && !(leaf->flags & NPT_NX);
    return frame | PTE_P | PTE_A | (is_writable ? PTE_RW | PTE_D : 0) | (is_user ? PTE_US : 0) |
           (is_executable ? 0 : PTE_NX) | (type & 1 ? PTE_PWT : 0) | (type & 2 ? PTE_PCD : 0) |
           (type & 4 ? PTE_PS : 0); /* bit 7 of a 4-KiB page's entry is the PAT's, 5.4.1 */
}

static uint64_t page_now(struct shadow *s, uint32_t role, const struct meaning *page)
{
    struct p2m_leaf leaf;

    if (page->kind != MEANS_PAGE)
        return 0;
    leaf = shadow_p2m(s, page->gpa);
    return leaf.flags & NPT_P ? shadow_page_entry(s, role, page, &leaf, false) : 0;
}

void shadow_refresh(struct shadow *s, uint32_t number, unsigned index)
{
    uint64_t old = shadow_entries(s, number)[index], entry;
    struct meaning now = shadow_meaning(s, number, index);

    entry = page_now(s, shadow_table(s, number)->role, &now);
    if (entry & PTE_P) {
        if (entry != old)
            shadow_set_page(s, number, index, entry);
    } else if (old & PTE_P) {
        shadow_clear(s, number, index);
    }
}

void shadow_revalidate(struct shadow *s, uint32_t number, unsigned index)
{
    const struct shadow_table *table = shadow_table(s, number), *child;
    uint64_t old = shadow_entries(s, number)[index];
    struct meaning now;

    if (!(old & PTE_P))
        return;
    if (shadow_level(table) == 1) {
        shadow_refresh(s, number, index);
        return;
    }
    now = shadow_meaning(s, number, index);
    child = shadow_table(s, shadow_child(s, old));
    if (now.kind != MEANS_TABLE || child->key != now.key || child->role != now.role)
        shadow_clear(s, number, index);
}
