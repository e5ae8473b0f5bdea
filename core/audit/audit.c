#include "core/audit/audit.h"

#include "bulkhead/evidence.h"
#include "core/platform/platform.h"

/* By domain: who writes its rows below. */
static struct spinlock locks[BH_MAX_DOMAINS];

static const char *const word_of[VIOLATIONS] = {
#define VIOLATION(name, word) [VIOLATION_##name] = (word),
#include "tables/violations.def"
#undef VIOLATION
};

/*
 * Written under the domain's lock, `ends` by the one vCPU that stopped the domain. Others read:
 * `first`, `ends` are complete before `counts`, `ended` say that they are there, and never change
 * again.
 */
static uint64_t counts[BH_MAX_DOMAINS][VIOLATIONS];
static struct audit_first first[BH_MAX_DOMAINS][VIOLATIONS];
static struct audit_end ends[BH_MAX_DOMAINS];
static bool ended[BH_MAX_DOMAINS];
static struct audit_smis smis[BH_MAX_DOMAINS];

static bool smis_are_hidden; /* written before any domain runs */

uint64_t audit_note(unsigned index, enum violation kind, uint64_t address)
{
    uint64_t *at = &counts[index][kind];

    spinlock_take(&locks[index]);

    uint64_t count = *at + 1;

    if (count == 1)
        first[index][kind] = (struct audit_first){.address = address, .tsc = read_tsc()};
    __atomic_store_n(at, count, __ATOMIC_RELEASE);
    spinlock_release(&locks[index]);
    return count;
}

void audit_violation(const struct bh_domain *domain, unsigned index, enum violation kind,
                     uint64_t address, uint64_t info)
{
    uint64_t count = audit_note(index, kind, address);

    if (count <= AUDIT_LINES) {
        print("%s: denied %s at 0x%lx (0x%lx)", domain->name, word_of[kind], address, info);
    } else if ((count & (count - 1)) == 0) {
        print("%s: denied %s at 0x%lx (0x%lx), %lu times by now", domain->name, word_of[kind],
              address, info, count);
    }
}

uint64_t audit_count(unsigned index, enum violation kind)
{
    return __atomic_load_n(&counts[index][kind], __ATOMIC_ACQUIRE);
}

void audit_print(const struct bh_domain *domain, unsigned index)
{
    for (unsigned kind = 0; kind < VIOLATIONS; kind++)
        if (audit_count(index, kind) != 0)
            print("%s: denied in all: %s %lu", domain->name, word_of[kind],
                  audit_count(index, kind));
}

struct audit_first audit_first(unsigned index, enum violation kind)
{
    return first[index][kind];
}

void audit_set_end(unsigned index, const struct audit_end *end)
{
    ends[index] = *end;
    __atomic_store_n(&ended[index], true, __ATOMIC_RELEASE);
}

const struct audit_end *audit_end(unsigned index)
{
    return __atomic_load_n(&ended[index], __ATOMIC_ACQUIRE) ? &ends[index] : NULL;
}

void audit_smi(unsigned index, uint64_t ticks)
{
    struct audit_smis *row = &smis[index];

    spinlock_take(&locks[index]);
    __atomic_store_n(&row->count, row->count + 1, __ATOMIC_RELAXED);
    if (ticks > row->worst)
        __atomic_store_n(&row->worst, ticks, __ATOMIC_RELAXED);
    spinlock_release(&locks[index]);
}

void audit_hide_smis(void)
{
    smis_are_hidden = true;
}

struct audit_smis audit_smis(void)
{
    struct audit_smis sum = {0};

    for (unsigned i = 0; i < BH_MAX_DOMAINS; i++) {
        uint64_t worst = __atomic_load_n(&smis[i].worst, __ATOMIC_RELAXED);

        sum.count += __atomic_load_n(&smis[i].count, __ATOMIC_RELAXED);
        sum.worst = worst > sum.worst ? worst : sum.worst;
    }
    if (smis_are_hidden)
        sum.count = BH_SMIS_HIDDEN;
    return sum;
}
