#include "models/mmu_model.h"

#include "hw/npt.h"
#include "hw/x86.h"
#include "testing.h"

#define BIT(n)       (1ull << (n))
#define BITS(hi, lo) ((BIT((hi)-1) | (BIT((hi)-1) - 1)) * 2 + 1 - (BIT(lo) - 1))

static unsigned pat_type(uint64_t pat, uint64_t entry, unsigned pat_bit)
{
    unsigned index = (unsigned)((entry >> 3 & 3) | (entry >> pat_bit & 1) << 2);

    return pat >> (8 * index) & 7;
}

bool mmu_tlb_allows(const struct mmu_result *cached, const struct shadow_guest *g, uint32_t access)
{
    if ((access & MMU_W) && !cached->can_write)
        return false;
    if ((access & MMU_ID) && !cached->can_execute)
        return false;
    if (access & MMU_U)
        return cached->is_user;
    if (!cached->is_user || !(g->cr0 & CR0_PG))
        return true;
    if (access & MMU_ID)
        return !(g->cr4 & CR4_SMEP);
    return !(g->cr4 & CR4_SMAP) || g->ac;
}

struct mmu_result mmu_hardware(uint64_t cr3, const struct shadow_guest *g, uint64_t linear,
                               uint32_t access, uint64_t *last)
{
    bool is_long = (g->cr0 & CR0_PG) && (g->efer & EFER_LMA);
    struct mmu_result result = {
        .verdict = MMU_PASSES, .can_write = true, .is_user = true, .can_execute = true};
    uint64_t table = *last ? *last : cr3, entry = 0;

    assert_int_equal(cr3 % PAGE_SIZE, 0);
    assert_true(is_long || cr3 < BIT(32));
    for (int level = *last ? 1 : is_long ? 4 : 3; level > 0; level--) {
        unsigned shift = 12 + 9 * (unsigned)(level - 1);
        unsigned entries = level == 3 && !is_long ? 4 : 512;

        if (level == 1)
            *last = table;
        entry = ((const uint64_t *)table)[(linear >> shift) % entries];
        if (!(entry & BIT(0))) {
            result.verdict = MMU_PAGE_FAULT;
            result.error = access;
            return result;
        }
        /* 5.2.3, 5.3.3: nothing that is reserved, and no large pages */
        if (!is_long)
            assert_int_equal(entry & BITS(62, 52), 0);
        if (!is_long && level == 3) {
            assert_int_equal(entry & (BIT(63) | BITS(8, 5) | BITS(2, 1)), 0);
        } else {
            result.can_write &= entry >> 1 & 1;
            result.is_user &= entry >> 2 & 1;
            result.can_execute &= !(entry >> 63);
        }
        if (level > 1)
            assert_int_equal(entry & BITS(8, 7), 0);
        table = entry & BITS(51, 12);
    }
    if (!mmu_tlb_allows(&result, g, access)) {
        result.verdict = MMU_PAGE_FAULT;
        result.error = access | MMU_P;
        return result;
    }
    result.machine = table | linear % PAGE_SIZE;
    result.type = pat_type(PAT_CORE, entry, 7);
    return result;
}

/* A guest's tables, one format at a time: how deep, how wide, what each level reserves. */
struct level {
    unsigned shift, entry_bytes, entries;
    uint64_t reserved, reserved_in_page;
    bool may_be_page, has_rights;
    uint64_t page_mask;
};

static const struct level long_levels[] = {
    {39, 8, 512, BITS(8, 7), 0, false, true, 0},
    {30, 8, 512, 0, BITS(29, 13), true, true, BITS(51, 30)},
    {21, 8, 512, 0, BITS(20, 13), true, true, BITS(51, 21)},
    {12, 8, 512, 0, 0, true, true, BITS(51, 12)},
};
static const struct level pae_levels[] = {
    {30, 8, 4, BIT(63) | BITS(62, 52) | BITS(8, 5) | BITS(2, 1), 0, false, false, 0},
    {21, 8, 512, BITS(62, 52), BITS(20, 13), true, true, BITS(51, 21)},
    {12, 8, 512, BITS(62, 52), 0, true, true, BITS(51, 12)},
};
static const struct level legacy_levels[] = {
    {22, 4, 1024, 0, BIT(21), true, true, BITS(31, 22)},
    {12, 4, 1024, 0, 0, true, true, BITS(31, 12)},
};

/* Where the guest's entry at `gpa` is read; NULL unless it is RAM that the domain may write. */
static uint8_t *entry_at(const struct mmu_memory *m, uint64_t gpa, struct mmu_result *result)
{
    uint64_t entry = 0;
    const uint64_t *table = m->p2m;
    uint64_t machine;

    if (gpa >> 48)
        return NULL;
    for (int shift = 39; shift >= 12; shift -= 9) {
        entry = table[gpa >> shift & 511];
        if (!(entry & NPT_P))
            return NULL;
        if (shift == 12 || (entry & NPT_PS))
            gpa &= BIT(shift) - 1;
        if (entry & NPT_PS)
            break;
        table = (const uint64_t *)(entry & NPT_ADDRESS);
    }
    if (!(entry & NPT_W) || (entry & NPT_UC))
        return NULL;
    machine = (entry & NPT_ADDRESS) + gpa;
    result->path[result->depth++] = machine;
    if (machine - m->machine < m->length)
        return m->copy + (machine - m->machine);
    return (uint8_t *)machine;
}

/* The end of the nested walk: 15.25.5. */
static void finish(const struct mmu_memory *m, struct mmu_result *result, uint32_t access)
{
    const uint64_t *table = m->p2m;
    uint64_t entry = 0, offset = result->gpa;

    result->verdict = MMU_DENIED;
    if (result->gpa >> 48)
        return;
    for (int shift = 39; shift >= 12; shift -= 9) {
        entry = table[result->gpa >> shift & 511];
        if (!(entry & NPT_P))
            return;
        offset = result->gpa & (BIT(shift) - 1);
        if (entry & NPT_PS)
            break;
        table = (const uint64_t *)(entry & NPT_ADDRESS);
    }
    if ((!(entry & NPT_W) && (access & MMU_W)) || ((entry & NPT_NX) && (access & MMU_ID)))
        return;
    result->verdict = MMU_PASSES;
    result->machine = (entry & NPT_ADDRESS) + offset;
    result->can_write &= (entry & NPT_W) != 0;
    result->can_execute &= !(entry & NPT_NX);
    if (entry & NPT_UC)
        result->type = 0;
}

static uint64_t load(const uint8_t *at, unsigned bytes)
{
    return bytes == 4 ? *(const uint32_t *)at : *(const uint64_t *)at;
}

static void set(uint8_t *at, unsigned bytes, uint64_t bits)
{
    if (bytes == 4)
        *(uint32_t *)at |= (uint32_t)bits;
    else
        *(uint64_t *)at |= bits;
}

static bool page_allows(const struct mmu_result *page, const struct shadow_guest *g,
                        uint32_t access)
{
    struct mmu_result effective = *page;

    /* 3.1.1, WP: the supervisor's writes are bound by R/W only where it is set */
    if (!(access & MMU_U) && !(g->cr0 & CR0_WP))
        effective.can_write = true;
    return mmu_tlb_allows(&effective, g, access);
}

static struct mmu_result refuse(struct mmu_result *result, uint32_t error)
{
    result->verdict = MMU_PAGE_FAULT;
    result->error = error;
    return *result;
}

struct mmu_result mmu_reference(const struct mmu_memory *m, const struct shadow_guest *g,
                                uint64_t linear, uint32_t access, bool sets_bits)
{
    struct mmu_result result = {.can_write = true, .is_user = true, .can_execute = true, .type = 6};
    bool is_long = g->efer & EFER_LMA, is_legacy = !is_long && !(g->cr4 & CR4_PAE);
    const struct level *level = is_long ? long_levels : is_legacy ? legacy_levels : pae_levels;
    bool has_nx = !is_legacy && (g->efer & EFER_NXE);
    uint64_t cr3_mask = is_long ? BITS(51, 12) : is_legacy ? BITS(31, 12) : BITS(31, 5);
    uint32_t fault = access & ~(has_nx || (g->cr4 & CR4_SMEP) ? 0 : MMU_ID);
    uint64_t table = g->cr3 & cr3_mask;

    if (!is_long)
        linear = (uint32_t)linear;
    if (!(g->cr0 & CR0_PG)) {
        result.gpa = linear;
        finish(m, &result, access);
        return result;
    }
    for (;; level++) {
        uint64_t at = table + (linear >> level->shift) % level->entries * level->entry_bytes;
        uint8_t *in_memory = entry_at(m, at, &result);
        uint64_t entry, reserved = level->reserved, bits = level->has_rights ? BIT(5) : 0;
        bool is_page;

        if (!in_memory) {
            result.gpa = at;
            result.verdict = MMU_WALK_DENIED;
            return result;
        }
        entry = load(in_memory, level->entry_bytes);
        is_page = level->shift == 12 ||
                  (level->may_be_page && (entry & BIT(7)) && (!is_legacy || (g->cr4 & CR4_PSE)));
        if (is_page && level->shift == 30 && !m->has_1g_pages) { /* 5.3.5: bit 7 is reserved */
            is_page = false;
            reserved |= BIT(7);
        }
        if (!(entry & BIT(0)))
            return refuse(&result, fault);
        if (is_page)
            reserved |= level->reserved_in_page;
        if (!is_legacy)
            reserved |= (BITS(51, 0) & ~(BIT(m->address_bits) - 1)) | (has_nx ? 0 : BIT(63));
        table = entry & (is_legacy ? BITS(31, 12) : BITS(51, 12));
        result.gpa = (entry & level->page_mask) | (linear & (BIT(level->shift) - 1));
        if (is_legacy && is_page && level->shift == 22)
            result.gpa |= (entry >> 13 & 0xff) << 32;
        if ((entry & reserved) || (is_page && result.gpa >> m->address_bits))
            return refuse(&result, fault | MMU_P | MMU_RSVD);
        if (level->has_rights) {
            result.can_write &= entry >> 1 & 1;
            result.is_user &= entry >> 2 & 1;
            result.can_execute &= !(has_nx && entry >> 63);
        }
        if (is_page && !page_allows(&result, g, access))
            return refuse(&result, fault | MMU_P);
        if (is_page && (access & MMU_W))
            bits |= BIT(6);
        if (sets_bits)
            set(in_memory, level->entry_bytes, bits);
        if (!is_page)
            continue;
        result.type = pat_type(g->pat, entry, level->shift == 12 ? 7 : 12);
        finish(m, &result, access);
        return result;
    }
}
