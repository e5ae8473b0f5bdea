/* The names of intercepts and MSRs in a domain. */
#include "internal.h"
#include <string.h>

enum intercept_rule { FLOOR, DEFAULT, DIRECT_OFF, SHADOW, OFF, VIRTUAL_ONLY };

static const struct intercept_row {
    const char *name;
    enum intercept_rule rule;
    const char *text;
} intercepts[] = {
#define INTERCEPT(name, word, bit, rule, text) {#name, rule, text},
#include "tables/intercepts.def"
#undef INTERCEPT
};

static const char *const intercept_names[] = {
#define INTERCEPT(name, word, bit, rule, text) #name,
#include "tables/intercepts.def"
#undef INTERCEPT
    NULL,
};

enum msr_grant { OPEN, WRITE_OPEN, ALLOW_READ, SHUT };

static const struct msr_row {
    const char *name;
    enum msr_grant grant;
    const char *text;
} msrs[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) {#name, grant, text},
#include "tables/msrs.def"
#undef MSR
};

static const char *const msr_names[] = {
#define MSR(name, first, last, grant, scope, read, write, value, text) #name,
#include "tables/msrs.def"
#undef MSR
    NULL,
};

static const struct intercept_row *find_intercept(struct front *front, struct text name)
{
    for (size_t i = 0; i < sizeof(intercepts) / sizeof(intercepts[0]); i++)
        if (strcmp(intercepts[i].name, name.value) == 0)
            return &intercepts[i];
    report(front, CHECK_intercept_unknown, name.at, name.value,
           suggest(front, name.value, intercept_names), NULL);
    return NULL;
}

static void check_both(struct front *front, const struct domain *domain, struct text name)
{
    for (unsigned i = 0; i < domain->intercept.count; i++)
        if (strcmp(domain->intercept.item[i].value, name.value) == 0) {
            report(front, CHECK_intercept_both, name.at, name.value, NULL);
            report_note(front, domain->intercept.item[i].at, "wanted here");
            return;
        }
}

static void check_no_intercept(struct front *front, const struct domain *domain, struct text name)
{
    const struct intercept_row *row = find_intercept(front, name);
    bool is_virtual = domain->interrupts.value == BH_VIRTUAL;

    if (row == NULL)
        return;
    check_both(front, domain, name);
    if (row->rule == FLOOR)
        report(front, CHECK_intercept_floor, name.at, name.value, row->text, NULL);
    else if (row->rule == DIRECT_OFF && is_virtual)
        report(front, CHECK_intercept_floor, name.at, name.value, "its interrupts are virtual",
               NULL);
    else if (row->rule == SHADOW && is_shadowed(domain))
        report(front, CHECK_intercept_floor, name.at, name.value, "shadow tables need it", NULL);
    else if (row->rule != DEFAULT)
        report(front, CHECK_intercept_off, name.at, name.value, NULL);
}

/* Core delivers no interrupts to a domain that takes its own: it could not end what these begin. */
static void check_intercept(struct front *front, const struct domain *domain, struct text name)
{
    const struct intercept_row *row = find_intercept(front, name);

    if (row != NULL && (row->rule == DIRECT_OFF || row->rule == VIRTUAL_ONLY) &&
        domain->interrupts.value == BH_DIRECT)
        report(front, CHECK_intercept_direct, name.at, name.value, NULL);
}

static void check_msr(struct front *front, struct text name)
{
    for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        if (strcmp(msrs[i].name, name.value) != 0)
            continue;
        if (msrs[i].grant == SHUT)
            report(front, CHECK_msr_unsafe, name.at, name.value, msrs[i].text, NULL);
        else if (msrs[i].grant != ALLOW_READ)
            report(front, CHECK_msr_open, name.at, name.value, NULL);
        return;
    }
    report(front, CHECK_msr_unknown, name.at, name.value, suggest(front, name.value, msr_names),
           NULL);
}

void check_words(struct front *front, const struct domain *domain)
{
    for (unsigned i = 0; i < domain->intercept.count; i++)
        check_intercept(front, domain, domain->intercept.item[i]);
    for (unsigned i = 0; i < domain->no_intercept.count; i++)
        check_no_intercept(front, domain, domain->no_intercept.item[i]);
    for (unsigned i = 0; i < domain->msrs.count; i++)
        check_msr(front, domain->msrs.item[i]);
}
