/*
 * Shadow paging, for CPUs without nested paging (APM vol. 2, 15.2.4): the CPU walks tables of
 * core's own, whose entries are the guest's tables and the p2m multiplied out. What the p2m doesn't
 * grant is in no shadow table.
 *
 * A shadow table is in step with the guest's as a TLB is with tables in memory (APM vol. 2, 5.5):
 * an entry that isn't present is never remembered, so that a #PF always walks the guest's tables
 * anew; one that is present may be outdated until the guest does what invalidates a TLB.
 * Guest pages in use as tables are mapped read-only. A write makes the page writable and
 * notes it; at the next flush that is due its shadow is compared with it and it is read-only again.
 * So no instruction has to be emulated, and a table may map itself.
 *
 * Two things are otherwise than on a CPU. What a device or core itself writes to a page that is a
 * table already takes no fault, so a write of CR3 alone may leave what was present before as it
 * was. It is seen after INVLPG for that address, and everywhere after the flush that spares no
 * global page either, a change of CR4.PGE: shadow_compare(). The p2m's rights hold all the time.
 * And with the guest's CR0.WP clear and CR4.SMAP set, what its supervisor has written to a user's
 * read-only page with AC set it can reach without.
 *
 * The VMCB of a vCPU that runs on shadow tables has, whatever the guest wrote:
 *   CR0  PG and WP set; PE set (paged real mode where the guest's is clear, 15.19)
 *   CR4  PAE set; PCIDE and LA57 clear; SMEP and SMAP clear while the guest's CR0.PG is, else its
 *   EFER NXE set; LME and LMA as shadow_is_long() says
 *   CR3  what shadow_root() returned
 * and intercepts #PF, INVLPG, INVLPGA, task switches, reads and writes of CR3, writes of CR0, CR4,
 * EFER and PAT.
 * Before each entry after a call of these functions the clean bit of CR0, CR3, CR4 and EFER is
 * cleared: with PAE's format the CPU takes the topmost four entries when it loads CR3.
 */
#ifndef MM_SHADOW_H
#define MM_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/platform/spinlock.h"
#include "hw/x86.h"

/* vCPUs that may share a domain's shadow tables. */
#define SHADOW_VCPUS 16u

/* Smallest pool for each vCPU, and largest of a domain. */
#define SHADOW_POOL_MIN ((uint64_t)BH_SHADOW_POOL_MIN)
#define SHADOW_POOL_MAX ((uint64_t)BH_SHADOW_POOL_MAX)

struct shadow_config {
    const uint64_t *p2m; /* root of the domain's table */
    uint64_t pool;       /* machine address of memory that is the engine's alone, below 4 GiB, */
    uint64_t pool_size;  /* in whole pages: at least SHADOW_POOL_MIN for each vCPU */
    unsigned vcpus;
    unsigned address_bits; /* of physical addresses, as CPUID 8000_0008h tells the domain */
    bool has_1g_pages;     /* as CPUID 8000_0001h tells the domain */
    /*
     * On return no vCPU of the domain uses a translation that it cached before. Called with the
     * engine's lock held, by the CPU of a vCPU that is in core: so it waits for those that run
     * the guest, never for one that is in core and may wait for that lock: there it is enough
     * that the TLB is flushed before the guest runs again.
     */
    void (*flush)(void *owner);
    void *owner;
};

#define SHADOW_UNSYNCED 32u

/* One for each domain, shared by its vCPUs. All but the lock is the engine's: shadow_pool.h. */
struct shadow {
    struct spinlock lock;
    struct shadow_config config;
    struct shadow_table *tables; /* metadata at the start of the pool */
    struct shadow_bucket *buckets;
    uint32_t *heads;
    uint64_t first_page, first_nodes;
    uint32_t count;       /* tables in the pool; number 0 stands for none */
    uint32_t free, freed; /* lists: ready for use; only after a flush */
    uint32_t hand;        /* where the search for something to evict goes on */
    bool stale;           /* a TLB may hold more than the tables grant */
    uint32_t unsynced_count;
    uint32_t unsynced[SHADOW_UNSYNCED]; /* frames of tables that the guest can write */
    uint32_t root[SHADOW_VCPUS];        /* the table that each vCPU uses, 0: none yet */
    uint64_t pat;                       /* of the vCPU that was here last */
    uint64_t p2m_start, p2m_end;        /* the leaf that was looked up last */
    uint64_t p2m_address, p2m_flags;
};

/* The registers of a vCPU that decide how an address is translated, as the guest sees them. */
struct shadow_guest {
    uint64_t cr0, cr3, cr4, efer, pat;
    bool ac; /* RFLAGS.AC set and CPL below 3: SMAP lets explicit accesses pass (5.6.6) */
};

enum shadow_outcome {
    SHADOW_RETRY,       /* the tables are in step: run the guest */
    SHADOW_PAGE_FAULT,  /* the guest's own tables refuse: it gets #PF with `error`, CR2 = linear */
    SHADOW_DENIED,      /* they lead to `gpa`, which the p2m doesn't grant so: as a nested fault */
    SHADOW_WALK_DENIED, /* they themselves lie at `gpa`, which is no RAM that it may write */
};

struct shadow_result {
    enum shadow_outcome outcome;
    uint32_t error; /* of #PF; with SHADOW_DENIED the access, P set if `gpa` is mapped at all */
    uint64_t gpa;
};

/* False if the pool is too small, too large, or lies where the CPU or core can't use it. */
bool shadow_init(struct shadow *s, const struct shadow_config *config);

/* True where shadow tables are those of long mode; else they are PAE's. */
static inline bool shadow_is_long(const struct shadow_guest *g)
{
    return (g->cr0 & CR0_PG) && (g->efer & EFER_LMA);
}

/*
 * What `vcpu` (its number in the domain) needs in VMCB.CR3 from now on. Called before it first
 * runs and whenever the guest writes CR3 (even the same value), CR0.PG or WP, CR4, EFER or does
 * anything else that flushes its whole TLB: all entries are as the guest's tables are now. The
 * caller flushes that vCPU's TLB. Never fails: what must go for it is evicted.
 */
uint64_t shadow_root(struct shadow *s, unsigned vcpu, const struct shadow_guest *g);

/*
 * A #PF of `vcpu` at `linear`, with the error code of the CPU (EXITINFO1). `g` is what it was at
 * the last shadow_root(), but for `ac`. An event that was being delivered is the caller's
 * to inject again.
 */
struct shadow_result shadow_fault(struct shadow *s, unsigned vcpu, const struct shadow_guest *g,
                                  uint64_t linear, uint32_t error);

/*
 * What an access (PF_W, PF_U, PF_ID of `error`) comes to by the guest's own tables alone, as for
 * shadow_fault(); A and D are set. Of `s` only the p2m and what CPUID tells are used, so that it is
 * of use with nested paging, too. Tables of five levels and protection keys are unknown here.
 */
struct shadow_result shadow_walk(const struct shadow *s, const struct shadow_guest *g,
                                 uint64_t linear, uint32_t error);

/* The guest's INVLPG. The caller flushes the translation, or all, from that vCPU's TLB. */
void shadow_invlpg(struct shadow *s, unsigned vcpu, const struct shadow_guest *g, uint64_t linear);

/*
 * The guest flushes all of its TLB, global pages too: all tables are compared with the guest's,
 * whoever wrote those. shadow_root() is called after it.
 */
void shadow_compare(struct shadow *s);

/* The guest wrote its PAT: all entries go, as each has a memory type from there. */
void shadow_reset(struct shadow *s);

#endif
