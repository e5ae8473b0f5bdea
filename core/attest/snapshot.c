#include "core/attest/snapshot.h"

#include "core/attest/log.h"
#include "core/platform/time.h"
#include "lib/memory.h"

_Static_assert((int)VIOLATIONS == (int)EVIDENCE_KINDS, "both are violations.def's lines");

/* Ends first: what a domain did before its end is then in its counts. */
void snapshot_take(struct snapshot *snapshot, uint32_t domains)
{
    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->domains = domains;
    for (uint32_t i = 0; i < domains; i++) {
        struct snapshot_domain *domain = &snapshot->domain[i];
        const struct audit_end *end = audit_end(i);

        domain->ended = end != NULL;
        if (end)
            domain->end = *end;
        for (unsigned kind = 0; kind < VIOLATIONS; kind++) {
            domain->counts[kind] = audit_count(i, (enum violation)kind);
            domain->first[kind] = audit_first(i, (enum violation)kind);
        }
    }
    snapshot->smis = audit_smis();
}

static bool is_older(const struct snapshot_event *best, uint64_t tsc)
{
    return best->size == 0 || tsc < best->tsc;
}

static void take_violation(struct snapshot_event *event, uint32_t index, unsigned kind,
                           const struct audit_first *first)
{
    *event = (struct snapshot_event){.type = kind == VIOLATION_DMA ? BH_EVENT_DMA_FAULT
                                                                   : BH_EVENT_VIOLATION,
                                     .domain = index,
                                     .what = kind,
                                     .tsc = first->tsc,
                                     .body.violation = {.kind = kind, .address = first->address},
                                     .size = sizeof(event->body.violation)};
}

static void take_end(struct snapshot_event *event, uint32_t index, const struct audit_end *end)
{
    *event = (struct snapshot_event){.type = end->asked ? BH_EVENT_STOP : BH_EVENT_CRASH,
                                     .domain = index,
                                     .what = SNAPSHOT_END,
                                     .tsc = end->tsc,
                                     .body.end = {.exitcode = end->exitcode,
                                                  .exitinfo1 = end->exitinfo1,
                                                  .exitinfo2 = end->exitinfo2,
                                                  .rip = end->rip},
                                     .size = sizeof(event->body.end)};
}

bool snapshot_next(const struct snapshot *snapshot, const struct snapshot_logged *logged,
                   struct snapshot_event *event)
{
    event->size = 0;
    for (uint32_t i = 0; i < snapshot->domains; i++) {
        const struct snapshot_domain *domain = &snapshot->domain[i];

        for (unsigned kind = 0; kind < VIOLATIONS; kind++)
            if (domain->counts[kind] != 0 && !logged->event[i][kind] &&
                is_older(event, domain->first[kind].tsc))
                take_violation(event, i, kind, &domain->first[kind]);
        if (domain->ended && !logged->event[i][SNAPSHOT_END] && is_older(event, domain->end.tsc))
            take_end(event, i, &domain->end);
    }
    return event->size != 0;
}

static enum bh_domain_state state_of(const struct snapshot_domain *domain)
{
    return !domain->ended      ? BH_STATE_RUNNING
           : domain->end.asked ? BH_STATE_STOPPED
                               : BH_STATE_CRASHED;
}

static void fill_row(struct evidence_domain *row, const struct snapshot_domain *domain,
                     uint32_t index)
{
    *row =
        (struct evidence_domain){.state = state_of(domain), .starts = 1, .last = log_last(index)};
    row->crashes = row->state == BH_STATE_CRASHED;
    memcpy(row->name, bh_domain_row(log_policy(), index)->name, sizeof(row->name));
    memcpy(row->violations, domain->counts, sizeof(row->violations));
}

size_t snapshot_report(const struct snapshot *snapshot, void *buffer, size_t size)
{
    struct evidence_domain rows[BH_MAX_DOMAINS];
    struct evidence_report report = {.next = log_next(),
                                     .smis = snapshot->smis.count,
                                     .smi_worst = time_ns(snapshot->smis.worst),
                                     .domains = snapshot->domains,
                                     .domain = rows};

    memcpy(report.boot_id, log_boot_id(), sizeof(report.boot_id));
    for (uint32_t i = 0; i < snapshot->domains; i++)
        fill_row(&rows[i], &snapshot->domain[i], i);
    return evidence_encode_report(&report, buffer, size);
}
