#include "core/audit/audit.h"

#include "core/platform/platform.h"

static const char *const word_of[VIOLATIONS] = {
#define VIOLATION(name, word) [VIOLATION_##name] = (word),
#include "tables/violations.def"
#undef VIOLATION
};

/* Owner: the domain's own core; a domain runs on one core. */
static uint64_t counts[BH_MAX_DOMAINS][VIOLATIONS];

void audit_violation(const struct bh_domain *domain, unsigned index, enum violation kind,
                     uint64_t address, uint64_t info)
{
    uint64_t count = ++counts[index][kind];

    if (count <= AUDIT_LINES) {
        print("%s: denied %s at 0x%lx (0x%lx)", domain->name, word_of[kind], address, info);
    } else if ((count & (count - 1)) == 0) {
        print("%s: denied %s at 0x%lx (0x%lx), %lu times by now", domain->name, word_of[kind],
              address, info, count);
    }
}

uint64_t audit_count(unsigned index, enum violation kind)
{
    return counts[index][kind];
}
