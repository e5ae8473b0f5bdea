/*
 * What domains tried in vain: counted by kind, written to core's log. A domain that tries
 * without end cannot flood the console: after AUDIT_LINES lines of a kind, only counts that
 * are powers of two are printed.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include <stdint.h>

#include "bulkhead/image.h"

#define AUDIT_LINES 64u

enum violation {
#define VIOLATION(name, word) VIOLATION_##name,
#include "tables/violations.def"
#undef VIOLATION
    VIOLATIONS
};

/*
 * Counts and logs one violation by `domain` (its row in the policy image; index < the
 * limit BH_MAX_DOMAINS). `address` as violations.def says; `info` is a value worth having,
 * such as what was to be written.
 */
void audit_violation(const struct bh_domain *domain, unsigned index, enum violation kind,
                     uint64_t address, uint64_t info);

/* How often domain `index` has done `kind` so far. */
uint64_t audit_count(unsigned index, enum violation kind);

#endif
