/*
 * TPM commands as bytes, and what responses say (TPM 2.0 Library Specification, part 3; sections
 * stand in command.c). Pure. A tpm_make_ fills a message for tpm_begin; the tpm_take_ of the same
 * name reads the response to just that command, and is false if it is malformed: a length, count,
 * handle or selection that isn't what was asked for, or bytes too few or too many.
 */
#ifndef CORE_ATTEST_COMMAND_H
#define CORE_ATTEST_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attest/message.h"
#include "core/attest/tpm.h"
#include "lib/evlog.h"

/* Banks that have all of these PCRs (bit n: PCR n), in the TPM's order. */
void tpm_make_get_banks(struct tpm_message *message);
bool tpm_take_get_banks(const struct tpm_message *message, uint32_t pcrs,
                        struct evlog_banks *banks);

/* Extends a PCR in every bank by data of at most BH_EVENT_MAX bytes. The TPM may return digests
 * of more algorithms than it has banks of. */
void tpm_make_pcr_event(struct tpm_message *message, uint32_t pcr, const void *data, size_t size);
bool tpm_take_pcr_event(const struct tpm_message *message, struct evlog_digests *digests);

/* Reads PCRs of the SHA-256 bank. The TPM chooses which of them fit into the response: `got`, at
 * least one; their values come into `values`, by number. */
void tpm_make_pcr_read(struct tpm_message *message, uint32_t pcrs);
bool tpm_take_pcr_read(const struct tpm_message *message, uint32_t pcrs, uint32_t *got,
                       uint8_t values[TPM_PCRS][BH_DIGEST]);

/* A key's TPMT_PUBLIC. */
void tpm_make_read_public(struct tpm_message *message, uint32_t handle);
bool tpm_take_read_public(const struct tpm_message *message, struct tpm_bytes *public_area);

struct tpm_nv_public {
    uint32_t index;
    uint16_t name_algorithm;
    uint32_t attributes; /* TPMA_NV */
    struct tpm_bytes policy;
    uint16_t size; /* of what it holds */
};
void tpm_make_nv_read_public(struct tpm_message *message, uint32_t index);
bool tpm_take_nv_read_public(const struct tpm_message *message, struct tpm_nv_public *public_area);

/* All of an index of that size, with an empty password. */
void tpm_make_nv_read(struct tpm_message *message, uint32_t index, uint16_t size);
bool tpm_take_nv_read(const struct tpm_message *message, void *data, uint16_t size);

struct tpm_clock {
    uint32_t reset_count;
    uint32_t restart_count;
    bool is_safe; /* false after power was cut, until the TPM's clock passes what it may have shown
                   */
};
void tpm_make_read_clock(struct tpm_message *message);
bool tpm_take_read_clock(const struct tpm_message *message, struct tpm_clock *clock);

/* At most 32 bytes. */
void tpm_make_get_random(struct tpm_message *message, uint16_t size);
bool tpm_take_get_random(const struct tpm_message *message, void *random, uint16_t size);

/* A policy session, and its two ends. There are few: flush each, also where a step between fails
 * (a policy session that a command used up is flushed likewise: it is kept for the next). */
void tpm_make_start_policy(struct tpm_message *message);
bool tpm_take_start_policy(const struct tpm_message *message, uint32_t *session);
void tpm_make_policy_locality(struct tpm_message *message, uint32_t session);
void tpm_make_flush(struct tpm_message *message, uint32_t handle);

/* True if a response has no parameters: those of tpm_make_policy_locality and tpm_make_flush. */
bool tpm_take_nothing(const struct tpm_message *message);

/* Quotes these PCRs of the SHA-256 bank. */
void tpm_make_quote(struct tpm_message *message, uint32_t key, uint32_t session,
                    const uint8_t extra_data[BH_DIGEST], uint32_t pcrs);
struct tpm_quote {
    struct tpm_bytes attest;    /* TPMS_ATTEST */
    struct tpm_bytes signature; /* TPMT_SIGNATURE */
};
bool tpm_take_quote(const struct tpm_message *message, struct tpm_quote *quote);

void tpm_make_nv_increment(struct tpm_message *message, uint32_t index, uint32_t session);
bool tpm_take_nv_increment(const struct tpm_message *message);

#endif
