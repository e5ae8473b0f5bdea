/*
 * The event log as read, strictly. Three questions, in this order: is it a log of the TCG's
 * crypto-agile format; does it lead to given PCR values; can core have written each event.
 */
#ifndef ATTEST_EVENTLOG_H
#define ATTEST_EVENTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "bulkhead/evlog.h"
#include "difference.h"
#include "lib/evlog.h"

struct log_event {
    uint32_t pcr;
    const uint8_t *digest; /* SHA-256 bank */
    const uint8_t *field;  /* of the event; it points into the log */
    uint32_t size;
    struct bh_event head; /* zero if `field` is shorter */
};

struct event_log {
    struct evlog_banks banks;
    size_t events;
    struct log_event event[BH_EVIDENCE_MAX_EVENTS];
    size_t domains; /* set by log_check */
    bool is_full;   /* likewise: LOG_FULL is its last event */
};

/* The bytes must stay as long as `log` is used. `place` gets what is wrong: "offset 123". */
#define PLACE_SIZE 32u
bool log_read(struct event_log *log, const uint8_t *bytes, size_t size, char place[PLACE_SIZE],
              struct difference *difference);

/* PCR `pcr` of the SHA-256 bank after all events, when it began with `first` in each byte. */
void log_replay(const struct event_log *log, uint32_t pcr, uint8_t first, uint8_t value[BH_DIGEST]);

/* Whether core can have written it: payloads and their order. `index`: the first bad event. */
bool log_check(struct event_log *log, size_t *index, struct difference *difference);

/* Whether an event field is sound by itself: head, body's size and form, PCR. */
bool event_check(const uint8_t *field, size_t size, uint32_t pcr, struct difference *difference);

/* Events by their place; log_check passed. */
const struct log_event *log_core(const struct event_log *log);
const struct log_event *log_boot(const struct event_log *log);
const struct log_event *log_policy(const struct event_log *log);
const struct log_event *log_smm(const struct event_log *log);
const struct log_event *log_domain(const struct event_log *log, size_t domain);
const struct log_event *log_start(const struct event_log *log, size_t domain);
/* Index of the first event behind PCR 18's CAP. */
size_t log_runtime(const struct event_log *log);

/* Bodies; of a DOMAIN the head, and one of its files. */
void event_body(const struct log_event *event, void *body, size_t size);
void event_file(const struct log_event *event, size_t index, struct bh_event_file *file);

const char *event_name(uint16_t type); /* "?" if unknown */
const char *event_says(uint16_t type);

#endif
