#include "core/mm/mm.h"

#include "hw/npt.h"
#include "hw/x86.h"

/* How the guest's tables are laid out in its present mode (APM vol. 2, 5.2 and 5.3). */
struct walk {
    unsigned levels;
    unsigned bits;       /* of the linear address that select an entry, a level */
    unsigned entry_size; /* bytes */
    uint64_t root;
    uint64_t address_mask;
};

static struct walk guest_walk(const struct guest_paging *paging)
{
    if (paging->efer & EFER_LMA) {
        return (struct walk){.levels = (paging->cr4 & CR4_LA57) ? 5 : 4,
                             .bits = 9,
                             .entry_size = 8,
                             .root = paging->cr3 & NPT_ADDRESS,
                             .address_mask = NPT_ADDRESS};
    }
    if (paging->cr4 & CR4_PAE) {
        return (struct walk){.levels = 3,
                             .bits = 9,
                             .entry_size = 8,
                             .root = paging->cr3 & 0xffffffe0,
                             .address_mask = NPT_ADDRESS};
    }
    return (struct walk){.levels = 2,
                         .bits = 10,
                         .entry_size = 4,
                         .root = paging->cr3 & 0xfffff000,
                         .address_mask = 0xfffff000};
}

static bool read_entry(const struct guest_paging *paging, uint64_t gpa, unsigned size,
                       struct guest_trace *trace, uint64_t *entry)
{
    const volatile uint64_t *at = p2m_ram(paging->p2m, gpa & ~7ull, sizeof(*at), false);
    uint64_t value;

    if (!at) {
        return false;
    }
    value = *at;
    trace->entry[trace->count].at = at;
    trace->entry[trace->count++].value = value;
    *entry = size == 8 ? value : (uint32_t)(value >> gpa % 8 * 8);
    return true;
}

static bool is_large(const struct guest_paging *paging, const struct walk *walk, unsigned level,
                     uint64_t entry)
{
    if (!(entry & PTE_PS)) {
        return false;
    }
    return walk->entry_size == 4 ? level == 2 && (paging->cr4 & CR4_PSE)
                                 : level == 2 || (level == 3 && walk->levels > 3);
}

bool guest_translate_traced(const struct guest_paging *paging, uint64_t linear, uint64_t *gpa,
                            struct guest_trace *trace)
{
    struct walk walk = guest_walk(paging);
    uint64_t table = walk.root;

    trace->count = 0;

    if (!(paging->efer & EFER_LMA)) {
        linear = (uint32_t)linear; /* what is carried beyond 4 GiB wraps */
    }
    if (!(paging->cr0 & CR0_PG)) {
        *gpa = linear;
        return true;
    }
    for (unsigned level = walk.levels; level > 0; level--) {
        unsigned shift = 12 + walk.bits * (level - 1);
        uint64_t index = (linear >> shift) & ((1u << walk.bits) - 1);
        uint64_t entry;

        if (!read_entry(paging, table + index * walk.entry_size, walk.entry_size, trace, &entry) ||
            !(entry & PTE_P)) {
            return false;
        }
        if (level == 1 || is_large(paging, &walk, level, entry)) {
            uint64_t offset = (1ull << shift) - 1;
            /* a 4-MiB page's bits 20:13 are physical address bits 39:32 (PSE-36) */
            uint64_t high = walk.entry_size == 4 && level == 2 ? (entry >> 13 & 0xff) << 32 : 0;

            *gpa = (entry & walk.address_mask & ~offset) | high | (linear & offset);
            return true;
        }
        table = entry & walk.address_mask;
    }
    return false;
}

bool guest_walks_over(const struct guest_paging *paging, uint64_t linear, uint64_t page)
{
    struct walk walk = guest_walk(paging);
    uint64_t table = walk.root;
    struct guest_trace trace = {0};

    if (!(paging->efer & EFER_LMA))
        linear = (uint32_t)linear;
    for (unsigned level = walk.levels; level > 0 && (paging->cr0 & CR0_PG); level--) {
        uint64_t index = (linear >> (12 + walk.bits * (level - 1))) & ((1u << walk.bits) - 1);
        uint64_t at = table + index * walk.entry_size, entry;

        if ((at ^ page) < PAGE_SIZE)
            return true;
        if (!read_entry(paging, at, walk.entry_size, &trace, &entry) || !(entry & PTE_P) ||
            is_large(paging, &walk, level, entry))
            return false;
        table = entry & walk.address_mask;
    }
    return false;
}

bool guest_translate(const struct guest_paging *paging, uint64_t linear, uint64_t *gpa)
{
    struct guest_trace trace;

    return guest_translate_traced(paging, linear, gpa, &trace);
}

size_t guest_read(const struct guest_paging *paging, uint64_t linear, void *buffer, size_t size)
{
    uint8_t *to = buffer;
    size_t done = 0;

    while (done < size) {
        uint64_t gpa;
        size_t chunk = 4096 - ((linear + done) & 4095);
        const volatile uint8_t *from;

        if (chunk > size - done) {
            chunk = size - done;
        }
        if (!guest_translate(paging, linear + done, &gpa) ||
            !(from = p2m_ram(paging->p2m, gpa, chunk, false))) {
            break;
        }
        for (size_t i = 0; i < chunk; i++) {
            to[done++] = from[i];
        }
    }
    return done;
}
