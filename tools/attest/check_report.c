/* Check 14: does the report say what the events of PCR 19 say? */
#include "check.h"
#include <stdio.h>
#include <string.h>

/* What the events say of one domain. */
struct told {
    uint64_t state;
    uint64_t starts;
    uint64_t crashes;
    bool violated[EVIDENCE_KINDS];
    uint64_t last;
};

static bool tell_end(struct told *told, enum bh_domain_state state, struct difference *difference)
{
    if (told->state != BH_STATE_RUNNING)
        return differs(difference, "an end of a domain that runs", "it had ended before");
    told->state = state;
    told->crashes += state == BH_STATE_CRASHED;
    return true;
}

static bool tell_restart(struct told *told, const struct log_event *event,
                         struct difference *difference)
{
    struct bh_event_restart restart;

    event_body(event, &restart, sizeof(restart));
    if (told->state == BH_STATE_RUNNING)
        return differs(difference, "a restart of a domain that ended", "it ran");
    told->state = BH_STATE_RUNNING;
    return same_number(difference, "starts", ++told->starts, restart.starts);
}

static bool tell_violation(struct told *told, const struct log_event *event,
                           struct difference *difference)
{
    struct bh_event_violation violation;

    event_body(event, &violation, sizeof(violation));
    if (told->violated[violation.kind])
        return differs(difference, "the first violation of its kind only", "a second");
    told->violated[violation.kind] = true;
    return true;
}

static bool tell(struct told *told, const struct log_event *event, struct difference *difference)
{
    told->last = event->head.sequence;
    switch ((enum bh_event_type)event->head.type) {
    case BH_EVENT_STOP:
        return tell_end(told, BH_STATE_STOPPED, difference);
    case BH_EVENT_CRASH:
        return tell_end(told, BH_STATE_CRASHED, difference);
    case BH_EVENT_RESTART:
        return tell_restart(told, event, difference);
    case BH_EVENT_VIOLATION:
    case BH_EVENT_DMA_FAULT:
        return tell_violation(told, event, difference);
    case BH_EVENT_CORE:
    case BH_EVENT_POLICY:
    case BH_EVENT_SMM:
    case BH_EVENT_CAP:
    case BH_EVENT_DOMAIN:
    case BH_EVENT_START:
    case BH_EVENT_BOOT:
    case BH_EVENT_LOG_FULL:
        break;
    }
    return true;
}

/* After LOG_FULL the report may know more than the log, but never less. */
static bool same_violations(const struct checking *checking, const struct told *told,
                            const struct evidence_domain *reported, struct difference *difference)
{
    for (size_t kind = 0; kind < EVIDENCE_KINDS; kind++) {
        bool is_reported = reported->violations[kind] != 0;

        if (is_reported == told->violated[kind] || (is_reported && checking->log.is_full))
            continue;
        return differs(difference, told->violated[kind] ? "a violation, logged" : "no violation",
                       "%s", is_reported ? "one reported" : "none reported");
    }
    return true;
}

/* What came after LOG_FULL isn't in the log; what ended before can run again by a start only. */
static bool same_since_full(const struct told *told, const struct evidence_domain *reported,
                            struct difference *difference)
{
    if (reported->starts < told->starts || reported->crashes < told->crashes)
        return differs(difference, "starts and crashes as logged", "fewer");
    return told->state == BH_STATE_RUNNING || reported->starts > told->starts ||
           same_number(difference, "state", told->state, reported->state);
}

static bool same_domain(const struct checking *checking, size_t index, const struct told *told,
                        struct difference *difference)
{
    const struct evidence_domain *reported = &checking->claims.domains[index];
    struct bh_event_domain domain;

    event_body(log_domain(&checking->log, index), &domain, sizeof(domain));
    if (memcmp(reported->name, domain.name, BH_NAME_SIZE) != 0)
        return differs(difference, domain.name, "%s", reported->name);
    if (!same_violations(checking, told, reported, difference))
        return false;
    if (checking->log.is_full)
        return same_since_full(told, reported, difference);
    return same_number(difference, "state", told->state, reported->state) &&
           same_number(difference, "starts", told->starts, reported->starts) &&
           same_number(difference, "crashes", told->crashes, reported->crashes) &&
           same_number(difference, "last event", told->last, reported->last);
}

static bool same_whole(const struct checking *checking, struct difference *difference)
{
    const struct evidence_report *report = &checking->claims.report;
    struct bh_event_boot boot;

    event_body(log_boot(&checking->log), &boot, sizeof(boot));
    if (checking->claims.evidence.domain >= checking->log.domains)
        return differs(difference, "a domain of the log that asked", "domain %u",
                       checking->claims.evidence.domain);
    return same_bytes(difference, "boot id", boot.boot_id, sizeof(boot.boot_id), report->boot_id,
                      sizeof(report->boot_id)) &&
           same_number(difference, "next event", checking->log.events, report->next) &&
           same_number(difference, "domains", checking->log.domains, report->domains);
}

static bool read_events(const struct checking *checking, struct told *told,
                        struct difference *difference)
{
    const struct event_log *log = &checking->log;

    for (size_t i = 0; i < log->domains; i++)
        told[i] = (struct told){.state = BH_STATE_RUNNING, .starts = 1};
    for (size_t i = 0; i < log->events; i++) {
        const struct log_event *event = &log->event[i];

        if (event->head.domain < log->domains &&
            !tell(&told[event->head.domain], event, difference))
            return false;
    }
    return true;
}

bool check_report(struct checking *checking)
{
    struct told told[BH_EVIDENCE_MAX_DOMAINS];
    struct result *result = checking->result;

    if (!same_whole(checking, &checking->difference) ||
        !read_events(checking, told, &checking->difference))
        return reject(checking, CODE_E309, "report");
    for (size_t i = 0; i < checking->log.domains; i++) {
        struct verdict *verdict = &result->domain[i];

        if (!same_domain(checking, i, &told[i], &checking->difference))
            return reject(checking, CODE_E309, verdict->name);
        verdict->starts = checking->claims.domains[i].starts;
        verdict->state = checking->claims.domains[i].state;
    }
    return true;
}
