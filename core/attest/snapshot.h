/*
 * What domains did up to one moment, as core/audit counted it. Both the log's new events and the
 * report are made from one copy, so they can't disagree, whatever domains do meanwhile.
 */
#ifndef ATTEST_SNAPSHOT_H
#define ATTEST_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/audit/audit.h"
#include "lib/evidence.h"

struct snapshot {
    uint32_t domains;
    struct snapshot_domain {
        uint64_t counts[VIOLATIONS];
        struct audit_first first[VIOLATIONS];
        bool ended;
        struct audit_end end;
    } domain[BH_MAX_DOMAINS];
    struct audit_smis smis;
};

/* Which events the log has already: one for each kind of violation, one for the end. */
#define SNAPSHOT_END VIOLATIONS
struct snapshot_logged {
    bool event[BH_MAX_DOMAINS][VIOLATIONS + 1];
};

void snapshot_take(struct snapshot *snapshot, uint32_t domains);

/* An event that the log lacks, and where snapshot_logged has it. */
struct snapshot_event {
    enum bh_event_type type;
    uint32_t domain;
    uint32_t what; /* enum violation or SNAPSHOT_END */
    uint64_t tsc;
    union {
        struct bh_event_violation violation;
        struct bh_event_end end;
    } body;
    size_t size; /* of the body */
};

/* The oldest event that the log lacks; false if it has all. */
bool snapshot_next(const struct snapshot *snapshot, const struct snapshot_logged *logged,
                   struct snapshot_event *event);

/* Writes the report, with sequence numbers as the log has them now; returns its size. */
size_t snapshot_report(const struct snapshot *snapshot, void *buffer, size_t size);

#endif
