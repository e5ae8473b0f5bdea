/* CPUID and MSR rows, from their tables and the domain's way with interrupts. */
#include "bulkhead/abi.h"
#include "internal.h"
#include <string.h>

enum scope { ANY, DIRECT, VIRTUAL };

static bool in_scope(const struct emission *emission, unsigned domain, enum scope scope)
{
    uint64_t interrupts = emission->policy->domain[domain].interrupts.value;

    return scope == ANY || (scope == DIRECT && interrupts == BH_DIRECT) ||
           (scope == VIRTUAL && interrupts == BH_VIRTUAL);
}

static const struct {
    struct bh_cpuid row;
    enum scope scope;
} cpuid_rows[] = {
#define CPUID(leaf, subleaf, flags, scope, a, b, c, d, set_a, set_b, set_c, set_d, text) \
    {{leaf, subleaf, flags, 0, {a, b, c, d}, {set_a, set_b, set_c, set_d}}, scope},
#include "tables/cpuid.def"
#undef CPUID
};

#define CPUID_ROWS  (sizeof(cpuid_rows) / sizeof(cpuid_rows[0]))
#define CPUID_CLASS 0xffff0000u /* basic, hypervisor or extended */

#define LEAF_FEATURES  0x00000001u
#define COUNT_SHIFT    16 /* EBX: logical processors */
#define EDX_HTT        (1u << 28)
#define LEAF_EXTENDED  0x80000001u
#define ECX_CMP_LEGACY (1u << 1) /* they are cores, not threads */
#define LEAF_SIZES     0x80000008u
#define ID_SIZE_SHIFT  12 /* ECX: bits of the APIC id that tell cores apart; 7:0: cores - 1 */

/* The highest leaf with a row in the class of this one. */
static uint32_t highest_leaf(uint32_t leaf)
{
    uint32_t highest = leaf;

    for (size_t i = 0; i < CPUID_ROWS; i++)
        if ((cpuid_rows[i].row.leaf & CPUID_CLASS) == leaf && cpuid_rows[i].row.leaf > highest)
            highest = cpuid_rows[i].row.leaf;
    return highest;
}

/* Virtual local APICs are numbered in each domain, real ones have the numbers of their cores. */
static uint64_t apic_id(const struct domain *domain, unsigned core)
{
    return domain->interrupts.value == BH_VIRTUAL ? core : domain->core[core].value;
}

/* What the leaves say of the domain's cores (APM vol. 3, E.3.2, E.4.2, E.4.7 and E.5.3): one
 * package. */
static void set_topology(struct bh_cpuid *row, const struct domain *domain)
{
    uint32_t cores = domain->core_count, id_size = 0;

    for (unsigned i = 0; i < cores; i++)
        while (apic_id(domain, i) >> id_size != 0)
            id_size++;
    if (row->leaf == LEAF_FEATURES)
        row->or_[1] |= cores << COUNT_SHIFT;
    if (cores == 1)
        return;
    if (row->leaf == LEAF_FEATURES)
        row->or_[3] |= EDX_HTT;
    if (row->leaf == LEAF_EXTENDED)
        row->or_[2] |= ECX_CMP_LEGACY;
    if (row->leaf == LEAF_SIZES)
        row->or_[2] |= (cores - 1) | id_size << ID_SIZE_SHIFT;
}

void emit_cpuid(struct emission *emission, unsigned domain)
{
    struct bh_table *all = &emission->header.cpuid;
    struct bh_table *own = &emission->domain[domain].cpuid;

    own->offset = all->count;
    for (size_t i = 0; i < CPUID_ROWS; i++) {
        struct bh_cpuid *row = &emission->cpuid[all->count];

        if (!in_scope(emission, domain, cpuid_rows[i].scope))
            continue;
        *row = cpuid_rows[i].row;
        if ((row->leaf & ~CPUID_CLASS) == 0)
            row->or_[0] = highest_leaf(row->leaf);
        if (row->leaf == BH_CPUID_BASE)
            memcpy(&row->or_[1], BH_CPUID_SIGNATURE, 12);
        set_topology(row, &emission->policy->domain[domain]);
        all->count++;
    }
    own->count = all->count - own->offset;
}
_Static_assert(CPUID_ROWS <= BH_MAX_CPUID, "the rows of one domain fit");

#define MSR(name, first, last, grant, scope, read, write, value, text) +((last) - (first) + 1)
_Static_assert(0
#include "tables/msrs.def"
                   <= BH_MAX_MSR,
               "the rows of one domain fit");
#undef MSR

void emit_msrs(struct emission *emission, unsigned domain)
{
    static const struct {
        uint32_t first, last;
        enum scope scope;
        uint16_t read, write;
        uint64_t value;
    } msrs[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) \
    {first, last, scope, BH_MSR_##read, BH_MSR_##write, value},
#include "tables/msrs.def"
#undef MSR
    };
    struct bh_table *all = &emission->header.msrs;
    struct bh_table *own = &emission->domain[domain].msrs;

    own->offset = all->count;
    for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        /* What has no row is #GP anyway. */
        if ((msrs[i].read == BH_MSR_GP && msrs[i].write == BH_MSR_GP) ||
            !in_scope(emission, domain, msrs[i].scope))
            continue;
        for (uint32_t number = msrs[i].first; number <= msrs[i].last; number++)
            emission->msr[all->count++] =
                (struct bh_msr){number, msrs[i].read, msrs[i].write, msrs[i].value};
    }
    own->count = all->count - own->offset;
}
