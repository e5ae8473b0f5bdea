/* What the checks of one appraisal share. Each check is a function of its own. */
#ifndef ATTEST_CHECK_H
#define ATTEST_CHECK_H

#include "appraise.h"
#include "claims.h"
#include "eventlog.h"
#include "quote.h"

struct checking {
    const struct appraisal *in;
    struct result *result;
    unsigned last; /* the last check to make */
    struct claims claims;
    struct quote quote;
    struct ecdsa signature;
    struct event_log log;
    struct difference difference; /* of the next finding */
    struct verdict machine;       /* what was found of all domains so far */
};

/* Reject the evidence, or collect a finding; `difference` says what. reject returns false. */
bool reject(struct checking *checking, enum code code, const char *component);
void accuse(struct checking *checking, enum code code, int domain, const char *component);

/* Index of the verdict of that name, made if there is none; MACHINE if there are too many. */
int verdict_of(struct checking *checking, const char *name);

/* The DOMAIN event of that name, or NULL. */
const struct log_event *find_logged(const struct event_log *log, const char name[BH_NAME_SIZE]);

/* An event of the reference values in the log's form, to be read by the same functions. */
struct log_event as_logged(const struct reference_event *event);

/* Whether core is what was loaded, as far as somebody measured it. False: nothing in the log is to
 * be believed. */
bool check_loaded(struct checking *checking);

/* False: rejected. */
bool check_form(struct checking *checking);      /* 1 */
bool check_enrolment(struct checking *checking); /* 2 */
bool check_key(struct checking *checking);       /* 3 */
bool check_attest(struct checking *checking);    /* 4 */
bool check_signature(struct checking *checking); /* 5 */
bool check_binding(struct checking *checking);   /* 6 */
bool check_selection(struct checking *checking); /* 7 */
bool check_pcrs(struct checking *checking);      /* 8 */
bool check_replay(struct checking *checking);    /* 9 */
bool check_events(struct checking *checking);    /* 10 */
bool check_clock(struct checking *checking);     /* 11 */
bool check_reference(struct checking *checking); /* 12 */
bool check_machine(struct checking *checking);   /* 13; never false */
bool check_report(struct checking *checking);    /* 14 */
bool check_rules(struct checking *checking);     /* 15; never false */

#endif
