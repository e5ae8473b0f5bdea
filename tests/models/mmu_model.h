/*
 * Two MMUs, written after APM vol. 2, chapter 5, that share nothing with the shadow engine: one
 * walks tables as the CPU does that runs on shadow tables, one walks a guest's tables and its p2m.
 */
#ifndef MODELS_MMU_MODEL_H
#define MODELS_MMU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mm/shadow.h"

/* Error codes of #PF, 8.4.2 */
#define MMU_P    1u
#define MMU_W    2u
#define MMU_U    4u
#define MMU_RSVD 8u
#define MMU_ID   16u

enum mmu_verdict {
    MMU_PASSES,
    MMU_PAGE_FAULT,
    MMU_DENIED,      /* by the p2m, at the end of the walk */
    MMU_WALK_DENIED, /* by the p2m, for a table */
};

struct mmu_result {
    enum mmu_verdict verdict;
    uint32_t error;   /* MMU_PAGE_FAULT */
    uint64_t gpa;     /* of all but MMU_PAGE_FAULT; 0 in mmu_hardware() */
    uint64_t machine; /* MMU_PASSES */
    unsigned type;    /* MMU_PASSES: memory type as the PAT encodes it (7.8.1) */
    /* What a TLB keeps: rights of the page. In mmu_reference() D counts as W does. */
    bool can_write, is_user, can_execute;
    /* mmu_reference(): machine addresses of the entries that were read, the last one last. */
    uint64_t path[4];
    unsigned depth;
};

/* True if rights that a TLB holds allow the access (MMU_W, MMU_U, MMU_ID) without a walk. */
bool mmu_tlb_allows(const struct mmu_result *cached, const struct shadow_guest *g, uint32_t access);

/*
 * The CPU on shadow tables, with the VMCB that shadow.h asks for. Ends the test if an entry has a
 * bit set that the format reserves: no guest may see such a fault. `*last` is where a CPU's
 * page-walk cache says that the last table lies, or 0; where the walk came to is left there.
 */
struct mmu_result mmu_hardware(uint64_t cr3, const struct shadow_guest *g, uint64_t linear,
                               uint32_t access, uint64_t *last);

/* The guest's memory for mmu_reference(): `length` bytes from `machine` on are read in a copy. */
struct mmu_memory {
    const uint64_t *p2m;
    unsigned address_bits;
    bool has_1g_pages;
    uint64_t machine, length;
    uint8_t *copy;
};

/* The guest's CPU on nested paging: what it allows, and, if `sets_bits`, the A and D it sets. */
struct mmu_result mmu_reference(const struct mmu_memory *memory, const struct shadow_guest *g,
                                uint64_t linear, uint32_t access, bool sets_bits);

#endif
