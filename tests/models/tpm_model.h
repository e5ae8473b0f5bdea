/*
 * A small TPM behind core/attest/tpm.h, for unit tests of what uses it: PCRs with a SHA-1 and a
 * SHA-256 bank, three sessions, an attestation key, an endorsement key, a counter. It checks what
 * it is given, and fails commands as told. Time goes on by itself while it works.
 */
#ifndef MODELS_TPM_MODEL_H
#define MODELS_TPM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attest/tpm.h"

enum tpm_model_failure {
    TPM_MODEL_WORKS,
    TPM_MODEL_REFUSES,   /* answers by a response code and does nothing */
    TPM_MODEL_HANGS,     /* does nothing, says nothing, until core gives up */
    TPM_MODEL_LIES,      /* does it, and answers by a response code */
    TPM_MODEL_LOSES,     /* does it, but its answer is lost */
    TPM_MODEL_CUTS,      /* does it; the answer lacks its last byte */
    TPM_MODEL_LENGTHENS, /* does it; the answer has a byte too many */
    TPM_MODEL_FAILURES,
    TPM_MODEL_FLIPS = TPM_MODEL_FAILURES, /* does it; a bit of its answer's parameters is wrong */
};

struct tpm_model {
    uint8_t pcr[24][32];
    uint32_t sessions; /* open ones, a bit each; there are three */
    uint32_t commands; /* begun so far */
    uint64_t counter;
    bool has_ak, has_ek;
    unsigned polls_busy; /* how often a command says that it isn't done */
    unsigned pcrs_at_once;
    uint64_t clock_is_safe_at; /* core's time */

    uint32_t fails_at; /* the command of that number, from 1; 0: none */
    enum tpm_model_failure failure;
    uint32_t fails_long; /* and as many in all */

    uint8_t extra_data[32]; /* of the last quote */
    uint16_t code[256];     /* the commands, in their order */
};

extern struct tpm_model tpm_model;

#define TPM_MODEL_AK "the attestation key's TPMT_PUBLIC"
#define TPM_MODEL_EK "the endorsement key's TPMT_PUBLIC"

/* PCR n is filled with byte n; 17-19 with FFh. */
void tpm_model_reset(void);

/* Core's time, us. */
extern uint64_t tpm_model_now;

#endif
