/*
 * The relying party's rules (docs/attestation.md): what domains may have done.
 *
 *   {"format": "bulkhead-rules-1",
 *    "profile": "static",                the weakest launch that is accepted
 *    "smis": "any", "settings": "warn",  SMIs during domains; firmware's settings changed
 *    "domains": {
 *      "work": {
 *        "violations": {"port-read": "any", "msr-read": 20},
 *        "crashes": 0, "starts": 1, "stopped": 0}}}
 *
 * A limit is a number (more is C602), "warn" (more than by default is W603; of SMIs, any is) or
 * "any". What is left out: no violations, no crashes, 1 start, not stopped; of the machine: as
 * above. A domain without rules never affirms.
 */
#ifndef ATTEST_RULES_H
#define ATTEST_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "lib/evidence.h"
#include "profile.h"
#include "signed.h"

#define RULES_MAX 65536u /* bytes of a file of rules */

struct rule_limit {
    uint64_t most;
    bool warns; /* more than `most` warns, instead of breaking the rule */
};

struct domain_rules {
    char name[BH_NAME_SIZE + 1];
    struct rule_limit violations[EVIDENCE_KINDS];
    struct rule_limit crashes, starts, stopped;
};

struct rules {
    enum profile profile;
    struct rule_limit smis;     /* SMIs that interrupted domains */
    struct rule_limit settings; /* PCRs 1, 3, 5 and 6 that aren't as pinned */
    size_t domains;
    struct domain_rules domain[BH_EVIDENCE_MAX_DOMAINS];
};

bool rules_parse(struct rules *rules, const char *json, size_t size, char fault[FAULT_SIZE]);
bool rules_load(struct rules *rules, const char *path, char fault[FAULT_SIZE]);

/* NULL: the rules don't name it. */
const struct domain_rules *rules_find(const struct rules *rules, const char *name);

#endif
