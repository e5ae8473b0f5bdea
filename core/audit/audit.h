/*
 * What domains tried in vain: counted by kind, written to core's log; how they ended. A domain that
 * tries without end cannot flood the console: after AUDIT_LINES lines of a kind, only counts that
 * are powers of two are printed.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include <stdbool.h>
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

/*
 * Counts one violation without a line, for those that have lines of their own; returns how many
 * there are by now.
 */
uint64_t audit_note(unsigned index, enum violation kind, uint64_t address);

/* How often domain `index` has done `kind` so far. Any CPU may ask, like below. */
uint64_t audit_count(unsigned index, enum violation kind);

/* Logs all of the domain's counts that aren't 0. */
void audit_print(const struct bh_domain *domain, unsigned index);

/* The first of that kind, once audit_count() isn't 0. */
struct audit_first {
    uint64_t address;
    uint64_t tsc;
};
struct audit_first audit_first(unsigned index, enum violation kind);

/* How a domain ended, and at which exit. */
struct audit_end {
    bool asked; /* it called for its end; else core stopped it */
    uint64_t exitcode;
    uint64_t exitinfo1;
    uint64_t exitinfo2;
    uint64_t rip;
    uint64_t tsc;
};
/* Once a domain. */
void audit_set_end(unsigned index, const struct audit_end *end);

/* The domain's end; NULL while it runs. */
const struct audit_end *audit_end(unsigned index);

/* An SMI interrupted domain `index`; `ticks` of the TSC went by until core was back. */
void audit_smi(unsigned index, uint64_t ticks);

/* No SMI is intercepted on this machine, so nobody can count them. */
void audit_hide_smis(void);

/* Over all domains. */
struct audit_smis {
    uint64_t count; /* BH_SMIS_HIDDEN (bulkhead/evidence.h) if nobody can count them */
    uint64_t worst; /* ticks */
};
struct audit_smis audit_smis(void);

#endif
