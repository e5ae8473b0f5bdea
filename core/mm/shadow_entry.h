/*
 * What an entry of a shadow table stands for: the guest's entry as it is now, with the rights of
 * those above it, and, in the last level, what the p2m adds.
 */
#ifndef MM_SHADOW_ENTRY_H
#define MM_SHADOW_ENTRY_H

#include "core/mm/mm.h"
#include "core/mm/shadow_pool.h"

enum meaning_kind {
    MEANS_NOTHING, /* the guest's entry isn't present, or no access has passed it yet */
    MEANS_TABLE,
    MEANS_PAGE,
};

struct meaning {
    enum meaning_kind kind;
    uint32_t role;   /* MEANS_TABLE */
    uint64_t key;    /* MEANS_TABLE */
    uint64_t gpa;    /* MEANS_PAGE, as all below */
    uint32_t access; /* ROLE_W, ROLE_U, ROLE_X, as the guest's tables grant them together */
    unsigned type;   /* memory type, an index of PAT_CORE */
    bool is_dirty;
};

/* Reads the guest's entry, once. */
struct meaning shadow_meaning(const struct shadow *s, uint32_t number, unsigned index);

/* p2m_lookup() for the page at `gpa`, remembering one leaf. */
struct p2m_leaf shadow_p2m(struct shadow *s, uint64_t gpa);

/*
 * The entry for a page whose p2m leaf is present. `for_supervisor`: while the guest's CR0.WP is
 * clear its supervisor writes a user's read-only page. The CPU's WP is set, so the page is the
 * supervisor's until the user touches it again.
 */
uint64_t shadow_page_entry(const struct shadow *s, uint32_t role, const struct meaning *page,
                           const struct p2m_leaf *leaf, bool for_supervisor);

/* Makes an entry in the last level what it stands for now, or empties it. */
void shadow_refresh(struct shadow *s, uint32_t number, unsigned index);

/* The same in any level, for an entry that is present; one that isn't is left so. */
void shadow_revalidate(struct shadow *s, uint32_t number, unsigned index);

/* True if the guest's page is a table with shadows, and read-only therefore. */
bool shadow_is_protected(const struct shadow *s, uint64_t frame);

#endif
