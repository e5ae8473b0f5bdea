/* The guest's own tables, by the manual: what one entry says, and what a walk comes to. */
#ifndef MM_SHADOW_WALK_H
#define MM_SHADOW_WALK_H

#include "core/mm/shadow_pool.h"

/* Error code of #PF, APM vol. 2, 8.4.2 */
#define PF_P    0x01u
#define PF_W    0x02u
#define PF_U    0x04u
#define PF_RSVD 0x08u
#define PF_ID   0x10u

/* One entry of the guest's, at `level` of its own tables (in each format 1 is the last). */
struct guest_entry {
    bool present, reserved; /* reserved: a bit is set that must be clear */
    bool is_page;
    bool accessed, dirty;
    uint32_t access;  /* ROLE_W, ROLE_U, ROLE_X */
    unsigned pat;     /* of a page: which entry of the PAT */
    uint64_t address; /* guest-physical: of the page, or of the next table */
};

struct guest_entry guest_decode(const struct shadow *s, uint32_t role, unsigned level,
                                uint64_t entry);

/* The part of a role that the guest's mode decides, with the level of its topmost shadow table. */
uint32_t guest_mode(const struct shadow_guest *g);

/* A pointer to the table that CR3 names, NULL if that isn't RAM that the domain may write. */
void *guest_root(const struct shadow *s, const struct shadow_guest *g);

/*
 * Walks the guest's tables for an access (PF_W, PF_U, PF_ID of `error`), and sets A and D as a
 * CPU does. SHADOW_RETRY: they allow it; or they change so fast that the access is to be tried
 * anew.
 */
struct shadow_result guest_walk(const struct shadow *s, const struct shadow_guest *g,
                                uint64_t linear, uint32_t error);

#endif
