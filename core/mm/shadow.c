#include "core/mm/shadow.h"

#include "core/mm/shadow_entry.h"
#include "core/mm/shadow_sync.h"
#include "core/mm/shadow_walk.h"
#include "hw/npt.h"

#define LEVELS 4u

/* Entries that are made together. */
#define READ_AHEAD 16u

static_assert(sizeof(struct shadow) <= 512, "one a domain, in core's own memory");

/* What is being resolved. */
struct fault {
    uint64_t linear;
    uint32_t error;
    uint32_t path[LEVELS]; /* tables pinned on the way down, [0] is the root */
    unsigned depth;
};

bool shadow_init(struct shadow *s, const struct shadow_config *config)
{
    *s = (struct shadow){.config = *config};
    return config->vcpus > 0 && config->vcpus <= SHADOW_VCPUS && config->address_bits >= 32 &&
           config->address_bits <= 52 && shadow_pool_init(s);
}

static unsigned index_of(const struct shadow_table *table, uint64_t linear)
{
    return (unsigned)(linear >> (12 + 9 * (shadow_level(table) - 1))) % PAGE_ENTRIES;
}

uint64_t shadow_root(struct shadow *s, unsigned vcpu, const struct shadow_guest *g)
{
    uint32_t role = guest_mode(g) | ROLE_ACCESS, number;
    bool is_direct = (role & ROLE_FORMAT) == ROLE_DIRECT;
    void *at = is_direct ? NULL : guest_root(s, g);
    uint64_t key = is_direct ? 0 : at ? (uint64_t)at : SHADOW_NOWHERE;

    spinlock_take(&s->lock);
    s->pat = g->pat;
    if (s->root[vcpu])
        shadow_table(s, s->root[vcpu])->pins--;
    s->root[vcpu] = 0;
    shadow_sync(s);
    number = shadow_find(s, key, role);
    if (!number)
        number = shadow_create(s, key, role);
    shadow_table(s, number)->pins++;
    s->root[vcpu] = number;
    /* PAE's four belong to CR3 (5.2.3). A walk that knows their page as another table may have set
     * A in them since, which is reserved there. */
    for (unsigned i = 0; i < 4 && (role & ROLE_FORMAT) == ROLE_PAE; i++)
        shadow_revalidate(s, number, i);
    spinlock_release(&s->lock);
    return (uint64_t)shadow_entries(s, number);
}

static void pin(struct shadow *s, struct fault *f, uint32_t number)
{
    shadow_table(s, number)->pins++;
    f->path[f->depth++] = number;
}

static void unpin_all(struct shadow *s, struct fault *f)
{
    while (f->depth)
        shadow_table(s, f->path[--f->depth])->pins--;
}

/*
 * Goes down as the guest's tables do, making tables and links that are missing. False: the
 * guest's tables have changed since they were walked.
 */
static bool descend(struct shadow *s, struct fault *f)
{
    for (;;) {
        uint32_t number = f->path[f->depth - 1], child;
        const struct shadow_table *table = shadow_table(s, number);
        unsigned index = index_of(table, f->linear);
        struct meaning now;

        if (shadow_level(table) == 1)
            return true;
        now = shadow_meaning(s, number, index);
        if (now.kind != MEANS_TABLE)
            return false;
        child = shadow_child(s, shadow_entries(s, number)[index]);
        if (!child || shadow_table(s, child)->key != now.key ||
            shadow_table(s, child)->role != now.role) {
            child = shadow_find(s, now.key, now.role);
            if (child && s->unsynced_count) {
                /* What the guest has changed in it, or below, without a flush, is new here. */
                uint32_t root = f->path[0];

                unpin_all(s, f);
                shadow_sync(s);
                pin(s, f, root);
                continue;
            }
            if (!child)
                child = shadow_create(s, now.key, now.role);
            shadow_link(s, number, index, child);
        }
        shadow_table(s, child)->flags |= SHADOW_USED;
        pin(s, f, child);
    }
}

/* Makes the entries around one that is needed, as far as a CPU may have read them ahead: where the
 * guest's A is set. Its memory is touched in runs, and each entry less is an exit. */
static void read_ahead(struct shadow *s, uint32_t number, unsigned index)
{
    unsigned first = index - index % READ_AHEAD;

    for (unsigned i = first; i < first + READ_AHEAD; i++)
        if (!(shadow_entries(s, number)[i] & PTE_P))
            shadow_refresh(s, number, i);
}

/* Makes the entry in the last level, if the p2m grants what is asked for. */
static struct shadow_result set_page(struct shadow *s, const struct fault *f)
{
    uint32_t number = f->path[f->depth - 1], role = shadow_table(s, number)->role;
    unsigned index = index_of(shadow_table(s, number), f->linear);
    struct meaning page = shadow_meaning(s, number, index);
    bool is_write = f->error & PF_W, for_supervisor;
    struct p2m_leaf leaf;

    if (page.kind != MEANS_PAGE)
        return (struct shadow_result){.outcome = SHADOW_RETRY};
    leaf = shadow_p2m(s, page.gpa);
    if (!(leaf.flags & NPT_P) || (is_write && !(leaf.flags & NPT_W)) ||
        ((f->error & PF_ID) && (leaf.flags & NPT_NX)))
        return (struct shadow_result){
            SHADOW_DENIED, (f->error & (PF_W | PF_U | PF_ID)) | (leaf.flags & NPT_P ? PF_P : 0),
            page.gpa | (f->linear & (PAGE_SIZE - 1))};
    for_supervisor = is_write && !(f->error & PF_U) && (role & ROLE_WP0) &&
                     (page.access & ROLE_U) && !(page.access & ROLE_W);
    if (is_write && shadow_is_protected(s, leaf.address & PTE_ADDRESS))
        shadow_open(s, leaf.address & PTE_ADDRESS);
    shadow_set_page(s, number, index, shadow_page_entry(s, role, &page, &leaf, for_supervisor));
    if (!(f->error & PF_P))
        read_ahead(s, number, index);
    return (struct shadow_result){.outcome = SHADOW_RETRY};
}

struct shadow_result shadow_fault(struct shadow *s, unsigned vcpu, const struct shadow_guest *g,
                                  uint64_t linear, uint32_t error)
{
    struct fault f = {.linear = shadow_is_long(g) ? linear : (uint32_t)linear, .error = error};
    struct shadow_result result;

    spinlock_take(&s->lock);
    s->pat = g->pat;
    if (s->unsynced_count == SHADOW_UNSYNCED)
        shadow_sync(s); /* a place is needed, perhaps; and to be in step is never wrong */
    result = guest_walk(s, g, f.linear, error);
    if (result.outcome == SHADOW_RETRY) {
        pin(s, &f, s->root[vcpu]);
        if (descend(s, &f))
            result = set_page(s, &f);
        unpin_all(s, &f);
    }
    spinlock_release(&s->lock);
    return result;
}

struct shadow_result shadow_walk(const struct shadow *s, const struct shadow_guest *g,
                                 uint64_t linear, uint32_t error)
{
    return guest_walk(s, g, shadow_is_long(g) ? linear : (uint32_t)linear, error);
}

void shadow_invlpg(struct shadow *s, unsigned vcpu, const struct shadow_guest *g, uint64_t linear)
{
    uint32_t number;

    if (!shadow_is_long(g))
        linear = (uint32_t)linear;
    spinlock_take(&s->lock);
    s->pat = g->pat;
    for (number = s->root[vcpu]; number;) {
        const struct shadow_table *table = shadow_table(s, number);
        unsigned index = index_of(table, linear);

        shadow_revalidate(s, number, index);
        if (shadow_level(table) == 1)
            break;
        number = shadow_child(s, shadow_entries(s, number)[index]);
    }
    spinlock_release(&s->lock);
}

void shadow_reset(struct shadow *s)
{
    spinlock_take(&s->lock);
    for (uint32_t i = 1; i <= s->count; i++) {
        const struct shadow_table *table = shadow_table(s, i);

        for (unsigned at = 0; table->present; at++)
            if (shadow_entries(s, i)[at] & PTE_P)
                shadow_clear(s, i, at);
        if ((table->flags & SHADOW_LIVE) && !table->pins)
            shadow_free(s, i);
    }
    shadow_settle(s);
    spinlock_release(&s->lock);
}
