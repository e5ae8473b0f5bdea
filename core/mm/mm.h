/*
 * What a domain's addresses mean.
 *
 * The p2m is the domain's compiled table in the policy image: guest-physical to machine.
 * Core reads it and never changes it. On top of it stands the domain's own paging, which
 * core walks where it must fetch an instruction on CPUs without decode assists.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One translation: the machine address of `gpa`, and what its leaf allows (hw/npt.h). */
struct p2m_leaf {
    uint64_t address; /* machine address that corresponds to the looked-up GPA */
    uint64_t size;    /* bytes from there to the end of the leaf, or of what isn't mapped */
    uint64_t flags;   /* the leaf's bits without the address, NPT_W only if each table above
                         grants it too; 0: nothing is mapped */
};

/*
 * Looks `gpa` up in the 4-level table whose root page lies at `root`. Entries are read at
 * their machine addresses, which core maps one to one. Pure but for those reads.
 */
struct p2m_leaf p2m_lookup(const uint64_t *root, uint64_t gpa);

/*
 * A pointer to the domain's own RAM at `gpa`, or NULL unless all `size` bytes lie in one
 * page that the domain may read (and, if `write`, write) and that is RAM, not MMIO. NULL too
 * where core would fault: in page 0 and from 4 GiB on (core/platform/paging.h), which a domain
 * may well be given.
 */
void *p2m_ram(const uint64_t *root, uint64_t gpa, size_t size, bool write);

#define GUEST_LEVELS 5u /* of a guest's own tables, at most */

/* The registers that decide how an address is translated (APM vol. 2, chapter 5). */
struct guest_paging {
    const uint64_t *p2m; /* root of the domain's table */
    uint64_t cr0, cr3, cr4, efer;
};

/*
 * The entries of the guest's own tables by which an address was translated: 8 bytes each, where
 * they lie in its RAM, and what they were. An entry of 4 bytes has its neighbour beside it.
 */
struct guest_trace {
    unsigned count; /* 0: paging was off */
    struct {
        const volatile uint64_t *at;
        uint64_t value;
    } entry[GUEST_LEVELS];
};

/* Translates a linear address; false if the guest's tables or the p2m don't map it. */
bool guest_translate(const struct guest_paging *paging, uint64_t linear, uint64_t *gpa);

/* The same; fills the trace, too, if there is a translation. */
bool guest_translate_traced(const struct guest_paging *paging, uint64_t linear, uint64_t *gpa,
                            struct guest_trace *trace);

/* True if the way to `linear`, as far as it can be gone, leads over a table in `page`. */
bool guest_walks_over(const struct guest_paging *paging, uint64_t linear, uint64_t page);

/*
 * True if all entries are still what they were: then the address, under the same registers, is
 * still translated so, as the p2m never changes.
 */
static inline bool guest_trace_holds(const struct guest_trace *trace)
{
    for (unsigned i = 0; i < trace->count; i++)
        if (*trace->entry[i].at != trace->entry[i].value)
            return false;
    return true;
}

/*
 * Copies up to `size` bytes at linear address `linear` into `buffer`, each byte read once.
 * Returns how many bytes could be read before the first one that isn't mapped as RAM.
 */
size_t guest_read(const struct guest_paging *paging, uint64_t linear, void *buffer, size_t size);

#endif
