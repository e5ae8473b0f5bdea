/* Check 15: the relying party's rules. What no rule allows is never affirmed. */
#include "check.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[EVIDENCE_KINDS] = {
#define VIOLATION(name, word) word,
#include "tables/violations.def"
#undef VIOLATION
};

static void check_limit(struct checking *checking, int domain, const char *component,
                        const char *what, const struct rule_limit *limit, uint64_t count)
{
    char expected[96];

    if (count <= limit->most)
        return;
    snprintf(expected, sizeof(expected), "%s, at most %" PRIu64, what, limit->most);
    if (limit == &checking->in->rules->smis && count == BH_SMIS_HIDDEN)
        differs(&checking->difference, expected, "any number: core sees none there");
    else
        differs(&checking->difference, expected, "%" PRIu64, count);
    accuse(checking, limit->warns ? CODE_W603 : CODE_C602, domain, component);
}

static void check_profile(struct checking *checking, const struct rules *rules)
{
    enum profile profile = checking->result->profile;

    if (rules == NULL || profile < rules->profile) {
        differs(&checking->difference,
                rules != NULL ? profile_name(rules->profile) : "a rule for the profile", "%s",
                profile_name(profile));
        accuse(checking, CODE_C602, MACHINE, "profile");
    } else if (profile == PROFILE_UNMEASURED) {
        differs(&checking->difference, "that somebody measured core", "nobody did");
        accuse(checking, CODE_W603, MACHINE, "profile");
    }
}

/* PCR 1, 3, 5 and 6 hold what users may set in the firmware. */
static void check_settings(struct checking *checking, const struct rules *rules)
{
    const struct record *record = checking->in->record;
    uint64_t changed = 0;

    for (unsigned pcr = 0; pcr < 8; pcr++)
        changed += (PINNED_PCRS & ~COMPARED_PCRS & record->pcrs) >> pcr & 1 &&
                   memcmp(record->pcr[pcr], claims_pcr(&checking->claims, pcr), BH_DIGEST) != 0;
    check_limit(checking, MACHINE, "settings", "changes of PCR 1, 3, 5 and 6", &rules->settings,
                changed);
}

static void check_domain(struct checking *checking, int index, const struct domain_rules *rules,
                         const struct evidence_domain *reported)
{
    const char *name = rules->name;
    char what[48];

    for (size_t kind = 0; kind < EVIDENCE_KINDS; kind++) {
        snprintf(what, sizeof(what), "violations %s", kinds[kind]);
        check_limit(checking, index, name, what, &rules->violations[kind],
                    reported->violations[kind]);
    }
    check_limit(checking, index, name, "crashes", &rules->crashes, reported->crashes);
    check_limit(checking, index, name, "starts", &rules->starts, reported->starts);
    check_limit(checking, index, name, "times stopped", &rules->stopped,
                reported->state == BH_STATE_STOPPED);
}

/* What there is, but no rule of it; and what rules name, but isn't there. */
static void check_names(struct checking *checking, const struct rules *rules)
{
    struct result *result = checking->result;

    for (size_t i = 0; i < result->domains; i++) {
        if (rules != NULL && rules_find(rules, result->domain[i].name) != NULL)
            continue;
        differs(&checking->difference, "a rule for this domain", "none");
        accuse(checking, CODE_C602, (int)i, result->domain[i].name);
    }
    for (size_t i = 0; rules != NULL && i < rules->domains; i++) {
        int verdict = verdict_of(checking, rules->domain[i].name);

        if (verdict != MACHINE && result->domain[verdict].is_measured)
            continue;
        differs(&checking->difference, "this domain", "none of that name");
        accuse(checking, CODE_C602, verdict, rules->domain[i].name);
    }
}

bool check_rules(struct checking *checking)
{
    const struct rules *rules = checking->in->rules;
    const struct evidence_report *report = &checking->claims.report;

    check_profile(checking, rules);
    check_names(checking, rules);
    if (checking->log.is_full) {
        differs(&checking->difference, "room in the event log", "LOG_FULL");
        accuse(checking, CODE_W603, MACHINE, "log");
    }
    if (rules == NULL)
        return true;
    check_settings(checking, rules);
    check_limit(checking, MACHINE, "smis", "SMIs", &rules->smis, report->smis);
    for (size_t i = 0; i < report->domains; i++) {
        const struct domain_rules *own = rules_find(rules, report->domain[i].name);

        if (own != NULL)
            check_domain(checking, (int)i, own, &report->domain[i]);
    }
    return true;
}
