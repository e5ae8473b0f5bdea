#include "appraise.h"
#include <stdio.h>
#include <string.h>

#include "check.h"

typedef bool check_function(struct checking *checking);

static check_function *const checks[CHECK_LAST] = {
    check_form,    check_enrolment, check_key,     check_attest, check_signature,
    check_binding, check_selection, check_pcrs,    check_replay, check_events,
    check_clock,   check_reference, check_machine, check_report, check_rules,
};

const char *tier_name(enum tier tier)
{
    switch (tier) {
    case TIER_NONE:
        return "none";
    case TIER_AFFIRMING:
        return "affirming";
    case TIER_WARNING:
        return "warning";
    case TIER_CONTRAINDICATED:
        return "contraindicated";
    }
    return "?";
}

static enum tier tier_of(enum code code)
{
    return code_row(code)->status == EXIT_WARNING ? TIER_WARNING : TIER_CONTRAINDICATED;
}

static void add_finding(struct checking *checking, enum code code, int domain,
                        const char *component)
{
    struct result *result = checking->result;
    struct finding *finding;

    if (result->findings == RESULT_FINDINGS)
        return; /* its weight is in the verdicts already */
    finding = &result->finding[result->findings++];
    finding->code = code;
    finding->domain = domain;
    finding->difference = checking->difference;
    snprintf(finding->component, sizeof(finding->component), "%s", component);
}

bool reject(struct checking *checking, enum code code, const char *component)
{
    checking->result->findings = 0;
    checking->result->domains = 0;
    checking->result->status = code_row(code)->status;
    add_finding(checking, code, MACHINE, component);
    return false;
}

static void lower(struct verdict *verdict, enum code code, const char *component)
{
    if (tier_of(code) <= verdict->tier)
        return;
    verdict->tier = tier_of(code);
    verdict->code = code;
    snprintf(verdict->component, sizeof(verdict->component), "%s", component);
}

void accuse(struct checking *checking, enum code code, int domain, const char *component)
{
    struct result *result = checking->result;

    add_finding(checking, code, domain, component);
    if (domain != MACHINE) {
        lower(&result->domain[domain], code, component);
        return;
    }
    lower(&checking->machine, code, component);
    for (size_t i = 0; i < result->domains; i++)
        lower(&result->domain[i], code, component);
}

int verdict_of(struct checking *checking, const char *name)
{
    struct result *result = checking->result;
    struct verdict *verdict;

    for (size_t i = 0; i < result->domains; i++)
        if (strcmp(result->domain[i].name, name) == 0)
            return (int)i;
    if (result->domains == RESULT_DOMAINS)
        return MACHINE;
    /* What was found of the machine before is true of it, too. */
    verdict = &result->domain[result->domains];
    *verdict = checking->machine;
    snprintf(verdict->name, sizeof(verdict->name), "%s", name);
    return (int)result->domains++;
}

/* The gravest verdict; a machine without domains has none to affirm. */
static enum exit_status status_of(const struct result *result)
{
    enum tier worst = result->domains == 0 ? TIER_CONTRAINDICATED : TIER_AFFIRMING;

    for (size_t i = 0; i < result->domains; i++)
        if (result->domain[i].tier > worst)
            worst = result->domain[i].tier;
    if (worst == TIER_AFFIRMING)
        return EXIT_AFFIRMING;
    return worst == TIER_WARNING ? EXIT_WARNING : EXIT_CONTRAINDICATED;
}

/* Findings and verdicts are written when they are made: only what counts them is cleared. */
static void clear(struct result *result)
{
    result->status = EXIT_INTERNAL;
    result->checks = 0;
    result->is_reference_good = result->has_nonce = result->has_keys = false;
    result->profile = PROFILE_NONE;
    result->findings = result->domains = 0;
    result->asked_by = 0;
}

enum exit_status appraise_until(const struct appraisal *appraisal, unsigned last,
                                struct result *result)
{
    static struct checking checking; /* large; everything here is single-threaded */

    clear(result);
    if (last > CHECK_QUOTE && last != CHECK_LAST)
        return result->status;
    checking.in = appraisal;
    checking.result = result;
    checking.last = last;
    checking.machine = (struct verdict){.tier = TIER_AFFIRMING};
    for (unsigned i = 0; i < last; i++) {
        if (!checks[i](&checking))
            return result->status;
        result->checks = i + 1;
    }
    result->status = last < CHECK_LAST ? EXIT_AFFIRMING : status_of(result);
    return result->status;
}

enum exit_status appraise(const struct appraisal *appraisal, struct result *result)
{
    return appraise_until(appraisal, CHECK_LAST, result);
}
