/*
 * The measured log in core's memory, and what else of this boot evidence rests on. The boot CPU
 * fills it; once domains run it belongs to whoever makes evidence, one CPU at a time. Nothing here
 * speaks to the TPM. libsodium hashes: needs the host's state.
 */
#ifndef CORE_ATTEST_LOG_H
#define CORE_ATTEST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evlog.h"
#include "lib/evidence.h"
#include "lib/evlog.h"

/* All events of BH_MAX_DOMAINS domains with digests of four banks have room. */
#define LOG_MAX 0x10000u

#define LOG_BOOT_ID 16u

/* An empty log for these banks; false if a bank's algorithm is unknown. */
bool log_begin(const struct evlog_banks *banks);

/* True if entries for event fields of these two sizes have room. */
bool log_has_room(size_t event_size, size_t another_size);

/* Appends the event field that the TPM returned these digests for (evlog_append); its sequence
 * number must be log_next(). False also if SHA-256's digest isn't the field's. */
bool log_append(uint32_t pcr, const void *event, size_t size, const struct evlog_digests *digests);

/* The next event's sequence number. */
uint32_t log_next(void);

/* The sequence number of the last event about that domain. */
uint32_t log_last(unsigned domain);

/* The log, and its SHA-256: kept up as it grows, so that asking costs the same however long it
 * is. */
struct evidence_bytes log_bytes(void);
void log_sha256(uint8_t digest[BH_DIGEST]);

/* Once all that was started has been measured: evidence can be made. */
void log_switch_on(const struct bh_header *policy, const uint8_t boot_id[LOG_BOOT_ID]);
bool log_is_on(void);
const struct bh_header *log_policy(void);
const uint8_t *log_boot_id(void);

/* The machine has an attestation key. lag: how many steps COUNTER is behind the version of the
 * policy that runs. */
void log_set_enrolled(uint64_t lag);
bool log_is_enrolled(void);
uint64_t log_counter_lag(void);
void log_counter_is(uint64_t counter); /* as the TPM says now; it only grows */

#endif
