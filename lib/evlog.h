/*
 * Builds the measured event log (bulkhead/evlog.h) byte by byte: the header, event fields, and
 * entries with the digests that the TPM gave. Core writes the log with it and policyc computes
 * beforehand what core will write. It hashes nothing and allocates nothing.
 */
#ifndef LIB_EVLOG_H
#define LIB_EVLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evlog.h"

#define EVLOG_BANKS_MAX  8u
#define EVLOG_DIGEST_MAX 64u

/* Hash algorithms by their TPM_ALG_ID, in the order in which digests stand in the log. */
struct evlog_banks {
    uint32_t count; /* 1 to EVLOG_BANKS_MAX, all of algorithms that evlog_digest_size knows */
    uint16_t algorithm[EVLOG_BANKS_MAX];
};

struct evlog_digests {
    uint32_t count;
    struct evlog_digest {
        uint16_t algorithm;
        uint8_t bytes[EVLOG_DIGEST_MAX];
    } digest[EVLOG_BANKS_MAX];
};

struct evlog {
    uint8_t *bytes;
    size_t capacity;
    size_t used;
    struct evlog_banks banks;
};

/* Bytes of a digest by TPM_ALG_ID; 0 if the algorithm is unknown. */
size_t evlog_digest_size(uint16_t algorithm);

/*
 * Writes an event field and returns its size; 0 if it would exceed BH_EVENT_MAX. `body` is one of
 * the structs in bulkhead/evlog.h; it may be NULL if `size` is 0.
 */
size_t evlog_event(uint8_t event[BH_EVENT_MAX], enum bh_event_type type, uint32_t sequence,
                   uint32_t domain, uint64_t time, const void *body, size_t size);

/* Starts a log with the Spec ID Event03 header; false if it doesn't fit or a bank is unknown. */
bool evlog_begin(struct evlog *log, void *bytes, size_t capacity, const struct evlog_banks *banks);

/* Bytes that evlog_append adds for an event field of that size. */
size_t evlog_entry_size(const struct evlog_banks *banks, size_t event_size);

/*
 * Appends an entry: of `digests` those of the log's banks, in the header's order. Otherwise the
 * log is as it was, and false is returned: a bank has no digest, or the entry doesn't fit.
 */
bool evlog_append(struct evlog *log, uint32_t pcr, const void *event, size_t event_size,
                  const struct evlog_digests *digests);

/*
 * Bodies of what a checked policy image says. Files follow `head` in the body of
 * BH_EVENT_DOMAIN, so both are one struct here; the body's size is returned.
 */
struct evlog_domain {
    struct bh_event_domain head;
    struct bh_event_file file[BH_MAX_FILES];
};
size_t evlog_domain(struct evlog_domain *body, const struct bh_header *policy, uint32_t domain);

/* cmdline: SHA-256 of the domain's command line without its terminating zero. */
void evlog_start(struct bh_event_start *body, const struct bh_domain *domain,
                 const uint8_t cmdline[BH_DIGEST]);

/* bh_event_policy.tables is the SHA-256 of these two parts of a checked image, one after the
 * other: all of it but the rows of `files`. */
struct evlog_part {
    const void *bytes;
    size_t size;
};
void evlog_tables(struct evlog_part part[2], const struct bh_header *policy);

#endif
