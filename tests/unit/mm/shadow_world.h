/*
 * A domain of random guests for test_shadow_random.c: its memory, its vCPUs with what their TLBs
 * and page-walk caches may hold, and everything that is drawn by lot.
 */
#ifndef MM_SHADOW_WORLD_H
#define MM_SHADOW_WORLD_H

#include "core/mm/shadow.h"
#include "hw/npt.h"
#include "models/memory_model.h"
#include "models/mmu_model.h"

#define TABLES        0x00100000ull
#define TABLE_COUNT   16u
#define DATA          0x00200000ull
#define DATA_COUNT    8u
#define ROM           0x00300000ull
#define DEVICE        0xfe000000ull
#define UNMAPPED      0x70000000ull
#define ALIAS         0x40000000ull /* tables again, where a page of 1 GiB reaches them */
#define FAR_ALIAS     0xa500c00000ull
#define PAGES         (TABLE_COUNT + DATA_COUNT)
#define REGION        (PAGES * (uint64_t)PAGE_SIZE)
#define ADDRESS_BITS  40u
#define VCPUS         3u /* the last one never has paging on: it can write everything */
#define PLACES        24u
#define HISTORY       12u
#define KINDS         16u /* MMU_W, MMU_U and MMU_ID as bits 0 to 2, AC as bit 3 */
#define MOST_ATTEMPTS 200u

struct past {
    uint64_t machine; /* of the page */
    uint32_t passes;  /* a bit for each kind */
};

/* What a vCPU may know of one linear address. */
struct place {
    uint64_t linear;
    bool is_fresh; /* flushed since the last write to any table */
    unsigned pasts;
    struct past past[HISTORY];
    bool is_cached; /* in the TLB */
    struct mmu_result cached;
    uint64_t last_table; /* in the page-walk cache */
};

struct vcpu_state {
    struct shadow_guest g;
    uint64_t cr3; /* shadow_root() */
    struct place place[PLACES];
    uint64_t topmost[4]; /* PAE's, as they were when note_bits() looked last */
};

struct world {
    struct shadow shadow;
    struct mmu_memory memory;
    struct vcpu_state vcpu[VCPUS];
    uint64_t random;
    unsigned flushes, verdicts[4], exact, stale_passes, reserved_faults;
};

extern struct world t;

/* A number below `range`; true in so many of a hundred cases. */
uint32_t random_below(uint32_t range);
bool chance(uint32_t percent);

/* An entry of `size` bytes; an offset in the region where one may stand; a vCPU with paging. */
uint64_t random_entry(unsigned size);
uint64_t random_slot(unsigned size);
struct vcpu_state *random_vcpu(void);

/* Another mode of paging, other linear addresses. */
void choose_mode(struct vcpu_state *v);

/* The domain anew, with random tables; `copy` has room for the region. */
void begin(uint64_t seed, uint64_t pool_size, uint8_t *copy);

/* The guest loads CR3; flushes one address; has stored `size` bytes where an access passed. */
void load_root(struct vcpu_state *v);
void invalidate(struct vcpu_state *v, uint64_t linear);
void store(uint64_t machine, uint64_t value, unsigned size);

/* A and D were set by a walk. They are reserved in PAE's topmost entries: where the same page is
 * that to one vCPU and another table to another, they change what the first one's tables say. */
void note_bits(void);

/* The vCPU accesses memory until it passes or the guest (or its owner) has to do something. */
struct mmu_result try_access(struct vcpu_state *v, struct place *place, uint32_t access);

#endif
