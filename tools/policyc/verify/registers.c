/* Intercepts, ports, MSRs, CPUID: the bits against the tables under include/tables. */
#include "bulkhead/abi.h"
#include "internal.h"
#include <string.h>

enum intercept_rule { FLOOR, DEFAULT, DIRECT_OFF, SHADOW, OFF, VIRTUAL_ONLY };
enum scope { ANY, DIRECT, VIRTUAL };
enum msr_grant { OPEN, WRITE_OPEN, ALLOW_READ, SHUT };

static bool lists(const struct texts *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->item[i].value, name) == 0)
            return true;
    return false;
}

static void verify_intercepts(struct verification *v, unsigned index)
{
    static const struct {
        const char *name;
        uint32_t word, bit;
        enum intercept_rule rule;
    } known[] = {
#define INTERCEPT(name, word, bit, rule, text) {#name, BH_INTERCEPT_##word, bit, rule},
#include "tables/intercepts.def"
#undef INTERCEPT
    };
    const struct domain *domain = &v->policy->domain[index];
    const struct bh_domain *row = &v->image->domain[index];
    uint32_t left[BH_INTERCEPT_WORDS], shadow[BH_INTERCEPT_WORDS] = {0};
    bool has_shadow =
        domain->paging.value == BH_PAGING_SHADOW || domain->paging.value == BH_PAGING_ANY;

    memcpy(left, row->intercepts, sizeof(left));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        bool is_set = (left[known[i].word] >> known[i].bit & 1) != 0;
        bool by_default = known[i].rule != OFF && known[i].rule != SHADOW &&
                          known[i].rule != VIRTUAL_ONLY &&
                          (known[i].rule != DIRECT_OFF || domain->interrupts.value == BH_VIRTUAL);
        bool is_wanted = (by_default || lists(&domain->intercept, known[i].name)) &&
                         (known[i].rule == FLOOR || !lists(&domain->no_intercept, known[i].name));

        if (is_set != is_wanted)
            differ(v, domain->name.at, "%s: %s is %sintercepted", domain->name.value, known[i].name,
                   is_set ? "" : "not ");
        left[known[i].word] &= ~(1u << known[i].bit);
        if (known[i].rule == SHADOW && has_shadow)
            shadow[known[i].word] |= 1u << known[i].bit;
    }
    if (memcmp(shadow, row->shadow_intercepts, sizeof(shadow)) != 0)
        differ(v, domain->name.at, "%s: shadow tables don't come with just their intercepts",
               domain->name.value);
    for (unsigned i = 0; i < BH_INTERCEPT_WORDS; i++)
        if (left[i] != 0)
            differ(v, domain->name.at, "%s: reserved intercepts 0x%x of word %u are set",
                   domain->name.value, left[i], i);
}

bool port_is_open(const struct verification *v, unsigned domain, uint32_t port)
{
    const uint8_t *iopm = reader_at(v->image, v->image->domain[domain].iopm, BH_IOPM_SIZE);

    return iopm != NULL && (iopm[port / 8] >> port % 8 & 1) == 0;
}

/* The IOPM asks about ports up to 65,535, and about bits behind them, which no port has. */
#define IOPM_BITS (BH_IOPM_SIZE * 8)

static void list_ports(const struct verification *v, const struct domain *domain,
                       bool granted[IOPM_BITS])
{
    memset(granted, 0, IOPM_BITS * sizeof(granted[0]));
    for (unsigned i = 0; i < v->machine->resource_count; i++) {
        const struct resource *resource = &v->machine->resource[i];

        if (resource->class == CLASS_PLATFORM || !owns(domain, i))
            continue;
        for (unsigned j = 0; j < resource->ports_count; j++)
            for (uint32_t n = resource->ports[j].first; n <= resource->ports[j].last; n++)
                granted[n] = true;
    }
}

static void verify_ports(struct verification *v, unsigned index)
{
    const struct domain *domain = &v->policy->domain[index];
    bool granted[IOPM_BITS];

    list_ports(v, domain, granted);
    for (uint32_t port = 0; port < IOPM_BITS; port++)
        if (port_is_open(v, index, port) != granted[port])
            differ(v, domain->name.at, "%s: port 0x%x is %s", domain->name.value, port,
                   granted[port] ? "closed" : "open");
}

static const struct msr_fact {
    const char *name;
    uint32_t first, last;
    enum msr_grant grant;
    enum scope scope;
    uint16_t read, write;
    uint64_t value;
} msr_facts[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) \
    {#name, first, last, grant, scope, BH_MSR_##read, BH_MSR_##write, value},
#include "tables/msrs.def"
#undef MSR
};

/* What may be open of an MSR: bit 0 reads, bit 1 writes. */
static uint32_t msr_may(const struct domain *domain, const struct msr_fact *fact)
{
    if (fact->grant == SHUT)
        return 0;
    if (fact->grant == ALLOW_READ)
        return lists(&domain->msrs, fact->name) ? 1 : 0;
    return fact->grant == OPEN ? 3 : 2;
}

/* The MSRPM has three ranges of 2000h MSRs, and room behind them. */
#define MSRPM_MSRS (BH_MSRPM_SIZE * 4)
#define MSR_RANGE  0x2000u

static void list_msrs(const struct domain *domain, uint32_t may[MSRPM_MSRS])
{
    memset(may, 0, MSRPM_MSRS * sizeof(may[0]));
    for (size_t i = 0; i < sizeof(msr_facts) / sizeof(msr_facts[0]); i++)
        for (uint32_t n = msr_facts[i].first; n <= msr_facts[i].last; n++) {
            uint32_t range = n >> 16 == 0 ? 0 : n >> 16 == 0xc000 ? 1 : 2;

            if (n % 0x10000 < MSR_RANGE)
                may[range * MSR_RANGE + n % 0x10000] = msr_may(domain, &msr_facts[i]);
        }
}

static void verify_msrpm(struct verification *v, unsigned index)
{
    const struct domain *domain = &v->policy->domain[index];
    const uint8_t *msrpm = reader_at(v->image, v->image->domain[index].msrpm, BH_MSRPM_SIZE);
    uint32_t may[MSRPM_MSRS];

    list_msrs(domain, may);
    for (uint32_t i = 0; i < MSRPM_MSRS; i++) {
        uint32_t open = ~((uint32_t)msrpm[i / 4] >> i % 4 * 2) & 3;

        if (open != may[i])
            differ(v, domain->name.at, "%s: of the MSRPM's MSR %u are open: reads %u, writes %u",
                   domain->name.value, i, open & 1, open >> 1);
    }
}

static bool in_scope(const struct domain *domain, enum scope scope)
{
    return scope == ANY || (scope == DIRECT) == (domain->interrupts.value == BH_DIRECT);
}

static const struct msr_fact *msr_fact(const struct domain *domain, uint32_t number)
{
    for (size_t i = 0; i < sizeof(msr_facts) / sizeof(msr_facts[0]); i++)
        if (number >= msr_facts[i].first && number <= msr_facts[i].last &&
            in_scope(domain, msr_facts[i].scope))
            return &msr_facts[i];
    return NULL;
}

/* Rows that answer what the MSRPM stops: those of the table, no more. */
static void verify_msr_rows(struct verification *v, unsigned index, uint32_t *next)
{
    const struct domain *domain = &v->policy->domain[index];
    struct bh_table run = v->image->domain[index].msrs;
    uint32_t expected = 0;

    for (size_t i = 0; i < sizeof(msr_facts) / sizeof(msr_facts[0]); i++)
        if (in_scope(domain, msr_facts[i].scope) &&
            (msr_facts[i].read != BH_MSR_GP || msr_facts[i].write != BH_MSR_GP))
            expected += msr_facts[i].last - msr_facts[i].first + 1;
    if (run.offset != *next || run.count != expected)
        differ(v, domain->name.at, "%s has %u MSR rows, not %u", domain->name.value, run.count,
               expected);
    *next += run.count;
    for (uint32_t i = 0; i < run.count; i++) {
        const struct bh_msr *row = &v->image->msr[run.offset + i];
        const struct msr_fact *fact = msr_fact(domain, row->number);

        if (fact == NULL || row->read != fact->read || row->write != fact->write ||
            row->value != fact->value || (i > 0 && row[-1].number >= row->number))
            differ(v, domain->name.at, "%s: the row of MSR 0x%x is wrong", domain->name.value,
                   row->number);
    }
}

static const struct cpuid_fact {
    struct bh_cpuid row;
    enum scope scope;
} cpuid_facts[] = {
#define CPUID(leaf, subleaf, flags, scope, a, b, c, d, set_a, set_b, set_c, set_d, text) \
    {{leaf, subleaf, flags, 0, {a, b, c, d}, {set_a, set_b, set_c, set_d}}, scope},
#include "tables/cpuid.def"
#undef CPUID
};

#define CPUID_FACTS (sizeof(cpuid_facts) / sizeof(cpuid_facts[0]))

/* What the rows must say of a domain's cores, by leaf; APIC ids are core numbers, as bits, or
 * counted from 0 where they are virtual. */
static void expect_cores(const struct domain *domain, struct bh_cpuid *row)
{
    uint64_t highest = 0;
    uint32_t width;

    for (unsigned i = 0; i < domain->core_count; i++)
        if (domain->core[i].value > highest)
            highest = domain->core[i].value;
    if (domain->interrupts.value == BH_VIRTUAL)
        highest = domain->core_count - 1;
    width = highest >= 8 ? 4 : highest >= 4 ? 3 : highest >= 2 ? 2 : 1;
    switch (row->leaf) {
    case 1: /* logical processor count, HTT */
        row->or_[1] |= domain->core_count << 16;
        row->or_[3] |= domain->core_count > 1 ? 1u << 28 : 0;
        break;
    case 0x80000001: /* CmpLegacy */
        row->or_[2] |= domain->core_count > 1 ? 1u << 1 : 0;
        break;
    case 0x80000008: /* NC, ApicIdSize */
        row->or_[2] |= domain->core_count > 1 ? (domain->core_count - 1) | width << 12 : 0;
        break;
    default:
        break;
    }
}

/* What the table says, with the parts that hang on other rows or on the policy. */
static struct bh_cpuid cpuid_expected(const struct domain *domain, const struct cpuid_fact *fact)
{
    struct bh_cpuid row = fact->row;

    expect_cores(domain, &row);
    if (row.leaf == 0 || row.leaf == 0x40000000 || row.leaf == 0x80000000)
        for (size_t i = 0; i < CPUID_FACTS; i++)
            if (cpuid_facts[i].row.leaf >> 28 == row.leaf >> 28 &&
                cpuid_facts[i].row.leaf > row.or_[0])
                row.or_[0] = cpuid_facts[i].row.leaf;
    if (row.leaf == BH_CPUID_BASE)
        memcpy(row.or_ + 1, BH_CPUID_SIGNATURE, 3 * sizeof(uint32_t));
    return row;
}

static void verify_cpuid(struct verification *v, unsigned index, uint32_t *next)
{
    const struct domain *domain = &v->policy->domain[index];
    struct bh_table run = v->image->domain[index].cpuid;
    uint32_t at = 0;

    if (run.offset != *next)
        differ(v, domain->name.at, "%s's CPUID rows aren't its own", domain->name.value);
    *next += run.count;
    for (size_t i = 0; i < CPUID_FACTS; i++) {
        struct bh_cpuid row = cpuid_expected(domain, &cpuid_facts[i]);

        if (!in_scope(domain, cpuid_facts[i].scope))
            continue;
        if (at >= run.count || memcmp(&v->image->cpuid[run.offset + at], &row, sizeof(row)) != 0)
            differ(v, domain->name.at, "%s: CPUID leaf 0x%x is wrong", domain->name.value,
                   row.leaf);
        at++;
    }
    if (at != run.count)
        differ(v, domain->name.at, "%s has %u CPUID rows, not %u", domain->name.value, run.count,
               at);
}

void verify_rights(struct verification *v)
{
    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        verify_intercepts(v, i);
        verify_ports(v, i);
        verify_msrpm(v, i);
    }
}

void verify_registers(struct verification *v)
{
    uint32_t msrs = 0, cpuid = 0;

    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        verify_msr_rows(v, i, &msrs);
        verify_cpuid(v, i, &cpuid);
    }
    if (msrs != v->image->header->msrs.count || cpuid != v->image->header->cpuid.count)
        differ(v, v->policy->name.at, "it has MSR or CPUID rows of nobody");
}
