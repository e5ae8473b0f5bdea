/*
 * The parts that TPM commands and responses are made of (TPM 2.0 Library Specification, parts 1
 * and 2). Pure. Integers are big-endian (part 1, 11.2).
 */
#ifndef CORE_ATTEST_MESSAGE_H
#define CORE_ATTEST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attest/tpm.h"

#define TPM_PCRS 24u

/* Writing: what doesn't fit makes the size too large, and tpm_begin refuses that. */

/* Begins a command; its tag tells whether an authorization area follows the handles. */
void tpm_start(struct tpm_message *m, uint16_t tag, uint32_t code);
/* Fills in the size. */
void tpm_finish(struct tpm_message *m);

void tpm_put(struct tpm_message *m, const void *bytes, size_t size);
void tpm_put8(struct tpm_message *m, uint32_t value);
void tpm_put16(struct tpm_message *m, uint32_t value);
void tpm_put32(struct tpm_message *m, uint32_t value);
/* A TPM2B: 16 bits of size, then the bytes. */
void tpm_put_sized(struct tpm_message *m, const void *bytes, size_t size);
/* The authorization area of one session: TPM_RS_PW with an empty password, or a policy session. */
void tpm_put_session(struct tpm_message *m, uint32_t session);
/* A TPML_PCR_SELECTION of the SHA-256 bank. */
void tpm_put_pcrs(struct tpm_message *m, uint32_t pcrs);

/* Reading: after the first thing that is missing all is zero, and `is_bad` stays. */

struct tpm_reader {
    const uint8_t *at;
    uint32_t left;
    bool is_bad;
};

struct tpm_bytes {
    const uint8_t *bytes;
    uint32_t size;
};

/* The parameters of a response, without or with one session. In the latter case its authorization
 * area must fill the rest. */
struct tpm_reader tpm_parameters(const struct tpm_message *m);
struct tpm_reader tpm_parameters_with_session(const struct tpm_message *m);

/* At most TPM_MESSAGE_MAX bytes. */
const uint8_t *tpm_get(struct tpm_reader *r, uint32_t size);
uint8_t tpm_get8(struct tpm_reader *r);
uint16_t tpm_get16(struct tpm_reader *r);
uint32_t tpm_get32(struct tpm_reader *r);
uint64_t tpm_get64(struct tpm_reader *r);
/* A TPM2B. */
struct tpm_bytes tpm_get_sized(struct tpm_reader *r);
/* The PCRs of a TPMS_PCR_SELECTION, behind its algorithm; those from 24 on aren't looked at. */
uint32_t tpm_get_pcrs(struct tpm_reader *r);
/* True if all that was read was there, and nothing is left. */
bool tpm_is_at_end(const struct tpm_reader *r);

#endif
