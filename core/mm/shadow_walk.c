#include "core/mm/shadow_walk.h"

#include "core/mm/mm.h"
#include "hw/npt.h"

/* How often a walk begins anew because another CPU of the guest changes an entry meanwhile. */
#define ATTEMPTS 8u

/* Bits of entries, APM vol. 2, 5.2 to 5.4. What is 4-byte has neither NX nor bits from 32 on. */
#define ENTRY_PAT         0x080ull /* of a 4-KiB page */
#define ENTRY_LEGACY_HIGH 0x001fe000ull
#define ENTRY_LEGACY_MBZ  0x00200000ull
#define ENTRY_PML4_MBZ    0x180ull
#define ENTRY_PDPE_MBZ    0xfff00000000001e6ull /* PAE's: no rights, no page */
#define ENTRY_PAE_MBZ     0x7ff0000000000000ull

/* How far a table at `level` spreads: a page's size where one stands there. */
static unsigned level_shift(uint32_t role, unsigned level)
{
    return 12 + ((role & ROLE_FORMAT) == ROLE_LEGACY ? 10 : 9) * (level - 1);
}

static bool is_page(uint32_t role, unsigned level, uint64_t entry)
{
    if (level == 1 || !(entry & PTE_PS))
        return level == 1;
    if ((role & ROLE_FORMAT) == ROLE_LEGACY)
        return role & ROLE_PSE;
    return level == 2 || (level == 3 && (role & ROLE_FORMAT) == ROLE_LONG);
}

/* The bits that must be clear in an entry of 8 bytes. */
static uint64_t reserved_bits(const struct shadow *s, uint32_t role, unsigned level, bool page)
{
    uint64_t bits = PTE_ADDRESS & ~((1ull << s->config.address_bits) - 1);
    bool is_long = (role & ROLE_FORMAT) == ROLE_LONG;

    if (!(role & ROLE_NXE))
        bits |= PTE_NX;
    if (!is_long)
        bits |= level == 3 ? ENTRY_PDPE_MBZ : ENTRY_PAE_MBZ;
    else if (level == 4)
        bits |= ENTRY_PML4_MBZ;
    else if (level == 3 && !s->config.has_1g_pages)
        bits |= PTE_PS;
    if (page && level > 1) /* bit 12 is the PAT's */
        bits |= ((1ull << level_shift(role, level)) - 1) & ~0x1fffull;
    return bits;
}

static struct guest_entry decode_legacy(const struct shadow *s, uint32_t role, unsigned level,
                                        uint64_t entry)
{
    struct guest_entry e = {.is_page = is_page(role, level, entry)};
    uint64_t high = (entry & ENTRY_LEGACY_HIGH) << (32 - 13);

    e.access = ROLE_X;
    e.address = entry & 0xfffff000;
    if (e.is_page && level == 2) { /* PSE-36, 5.2.2 */
        e.address = (entry & 0xffc00000) | high;
        e.reserved = (entry & ENTRY_LEGACY_MBZ) || e.address >> s->config.address_bits;
    }
    return e;
}

struct guest_entry guest_decode(const struct shadow *s, uint32_t role, unsigned level,
                                uint64_t entry)
{
    bool is_legacy = (role & ROLE_FORMAT) == ROLE_LEGACY;
    bool has_rights = level < 3 || (role & ROLE_FORMAT) == ROLE_LONG;
    struct guest_entry e = {0};

    if (is_legacy) {
        e = decode_legacy(s, role, level, entry);
    } else {
        e.is_page = is_page(role, level, entry);
        e.address = entry & PTE_ADDRESS;
        if (e.is_page)
            e.address &= ~((1ull << level_shift(role, level)) - 1);
        e.reserved = entry & reserved_bits(s, role, level, e.is_page);
        e.access = entry & PTE_NX ? 0 : ROLE_X;
    }
    e.present = entry & PTE_P;
    e.access |=
        has_rights ? (entry & PTE_RW ? ROLE_W : 0) | (entry & PTE_US ? ROLE_U : 0) : ROLE_ACCESS;
    e.accessed = !has_rights || (entry & PTE_A);
    e.dirty = entry & PTE_D;
    e.pat = (entry & PTE_PWT ? 1 : 0) | (entry & PTE_PCD ? 2 : 0) |
            (entry & (level == 1 ? ENTRY_PAT : PTE_LARGE_PAT) ? 4 : 0);
    return e;
}

uint32_t guest_mode(const struct shadow_guest *g)
{
    uint32_t mode = g->cr0 & CR0_WP ? 0 : ROLE_WP0 | (g->cr4 & CR4_SMEP ? ROLE_SMEP : 0);

    if (!(g->cr0 & CR0_PG))
        return ROLE_DIRECT | 3;
    if (g->efer & EFER_NXE)
        mode |= ROLE_NXE;
    if (g->efer & EFER_LMA)
        return mode | ROLE_LONG | 4;
    if (g->cr4 & CR4_PAE)
        return mode | ROLE_PAE | 3;
    return (mode & ~ROLE_NXE) | ROLE_LEGACY | (g->cr4 & CR4_PSE ? ROLE_PSE : 0) | 3;
}

/* Where CR3 says that the topmost table lies, and how long it is (APM vol. 2, 5.2.1, 5.3.2). */
static uint64_t root_address(const struct shadow_guest *g, uint32_t mode)
{
    if ((mode & ROLE_FORMAT) == ROLE_PAE)
        return g->cr3 & 0xffffffe0;
    return g->cr3 & ((mode & ROLE_FORMAT) == ROLE_LONG ? PTE_ADDRESS : 0xfffff000);
}

void *guest_root(const struct shadow *s, const struct shadow_guest *g)
{
    uint32_t mode = guest_mode(g);

    return p2m_ram(s->config.p2m, root_address(g, mode),
                   (mode & ROLE_FORMAT) == ROLE_PAE ? 32 : PAGE_SIZE, true);
}

/* APM vol. 2, 5.6 */
static bool is_allowed(const struct shadow_guest *g, uint32_t access, uint32_t error)
{
    bool is_write = error & PF_W, is_fetch = error & PF_ID;

    if ((is_fetch && !(access & ROLE_X)) ||
        (is_write && !(access & ROLE_W) && ((error & PF_U) || (g->cr0 & CR0_WP))))
        return false;
    if (error & PF_U)
        return access & ROLE_U;
    if (!(access & ROLE_U))
        return true;
    if (is_fetch)
        return !(g->cr4 & CR4_SMEP);
    /* Where the CPU refused a supervisor's read of what is mapped, SMAP is all that it can be: an
     * implicit access, which AC doesn't let pass. */
    return !(g->cr4 & CR4_SMAP) || (g->ac && (is_write || !(error & PF_P)));
}

/* Sets bits in an entry that is `old`; false: it no longer was. */
static bool set_bits(void *at, unsigned size, uint64_t old, uint64_t bits)
{
    uint32_t old32 = (uint32_t)old;

    if ((old & bits) == bits)
        return true;
    if (size == 8)
        return __atomic_compare_exchange_n((uint64_t *)at, &old, old | bits, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return __atomic_compare_exchange_n((uint32_t *)at, &old32, old32 | (uint32_t)bits, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static uint32_t reported(const struct shadow_guest *g, uint32_t mode, uint32_t error)
{
    /* a fetch is told of where it can be forbidden */
    bool tells_fetch = (mode & ROLE_NXE) || (g->cr4 & CR4_SMEP);

    return error & (PF_W | PF_U | (tells_fetch ? PF_ID : 0));
}

/* One walk; *is_raced: an entry changed while its A or D was to be set. */
static struct shadow_result walk_once(const struct shadow *s, const struct shadow_guest *g,
                                      uint64_t linear, uint32_t error, bool *is_raced)
{
    uint32_t mode = guest_mode(g), access = ROLE_ACCESS;
    bool is_legacy = (mode & ROLE_FORMAT) == ROLE_LEGACY;
    unsigned size = is_legacy ? 4 : 8, level = is_legacy ? 2 : mode & ROLE_LEVEL;
    unsigned top = level, entries = is_legacy ? 1024 : 512;
    struct shadow_result refused = {SHADOW_PAGE_FAULT, reported(g, mode, error), 0};
    uint64_t table = root_address(g, mode);

    *is_raced = false;
    for (;; level--) {
        uint64_t index = (linear >> level_shift(mode, level)) % entries, bits = PTE_A;
        uint64_t gpa = table + index * size, value;
        void *at = p2m_ram(s->config.p2m, gpa, size, true);
        struct guest_entry e;

        if (!at)
            return (struct shadow_result){SHADOW_WALK_DENIED, error, gpa};
        value = size == 8 ? *(volatile uint64_t *)at : *(volatile uint32_t *)at;
        e = guest_decode(s, mode, level, value);
        if (!e.present)
            return refused;
        refused.error |= PF_P;
        if (e.reserved) {
            refused.error |= PF_RSVD;
            return refused;
        }
        refused.error &= ~PF_P;
        access &= e.access;
        if (e.is_page && !is_allowed(g, access, error)) {
            refused.error |= PF_P;
            return refused;
        }
        if (level == 3 && top == 3)
            bits = 0; /* PAE's topmost entries have no A */
        if (e.is_page && (error & PF_W))
            bits |= PTE_D;
        *is_raced = !set_bits(at, size, value, bits);
        if (e.is_page || *is_raced)
            return (struct shadow_result){.outcome = SHADOW_RETRY};
        table = e.address;
    }
}

struct shadow_result guest_walk(const struct shadow *s, const struct shadow_guest *g,
                                uint64_t linear, uint32_t error)
{
    struct shadow_result result = {.outcome = SHADOW_RETRY};
    bool is_raced = true;

    if (!(g->cr0 & CR0_PG))
        return result;
    for (unsigned i = 0; is_raced && i < ATTEMPTS; i++)
        result = walk_once(s, g, linear, error, &is_raced);
    return result;
}
