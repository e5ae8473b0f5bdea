/*
 * The TPM as Bulkhead wants it (bulkhead/evidence.h): endorsement key, NV indices, attestation
 * key. Each step keeps what is right, makes what is missing, and names what is wrong: it replaces
 * nothing that might be somebody else's.
 */
#ifndef ATTEST_TPM_SETUP_H
#define ATTEST_TPM_SETUP_H

#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "bulkhead/evlog.h"
#include "tpm_connection.h"

#define TPM_PUBLIC_MAX sizeof(TPMT_PUBLIC)
#define TPM_AUTH_SIZE  32u

/* A persistent key's public area. */
struct tpm_key {
    TPM2B_PUBLIC public;
    uint8_t bytes[TPM_PUBLIC_MAX]; /* TPMT_PUBLIC */
    size_t size;
    uint8_t name[2 + BH_DIGEST]; /* nameAlg, SHA-256 of `bytes` */
};

/*
 * The value that authorises the owner's commands. `is_new`: the TPM has none yet, and
 * tpm_owner_set() is to give it this one.
 */
struct tpm_owner {
    uint8_t auth[TPM_AUTH_SIZE];
    bool is_new;
};

/* Use `owner` for what follows, as far as the TPM has an owner authorisation. */
bool tpm_owner_use(struct tpm *tpm, struct tpm_owner *owner);
/* Set it, and the lockout's if that has none: with either of them anybody could delete the NV
 * indices. Fails if the TPM has another one. */
bool tpm_owner_set(struct tpm *tpm, const struct tpm_owner *owner);

/* The EK at BH_EK_HANDLE, TCG template L-1 (RSA 2048). */
bool tpm_setup_ek(struct tpm *tpm, struct tpm_key *ek);

/* The AK at BH_AK_HANDLE, a child of the EK. */
bool tpm_setup_ak(struct tpm *tpm, const struct tpm_key *ek, struct tpm_key *ak);

/*
 * BH_NV_COUNTER, BASE, TRUST; written at locality 2, base and trust locked. COUNTER - BASE is
 * `first` or more then, and `oldest` says what.
 */
bool tpm_setup_nv(struct tpm *tpm, const uint8_t trust[BH_DIGEST], uint64_t first,
                  uint64_t *oldest);

/* The EK's certificate from the NV memory (TCG EK Credential Profile 2.2.1.4); malloc'ed. */
bool tpm_ek_certificate(struct tpm *tpm, uint8_t **certificate, size_t *size);

/* The secret in a credential that was made for both keys, who must be in this TPM. */
bool tpm_activate(struct tpm *tpm, const TPM2B_ID_OBJECT *credential,
                  const TPM2B_ENCRYPTED_SECRET *seed, TPM2B_DIGEST *secret);

/* A quote of BH_QUOTED_PCRS by the AK at `locality`: TPMS_ATTEST and TPMT_SIGNATURE. */
struct tpm_quote {
    uint8_t attest[sizeof(TPMS_ATTEST)];
    size_t attest_size;
    uint8_t signature[sizeof(TPMT_SIGNATURE)];
    size_t signature_size;
};
bool tpm_quote(struct tpm *tpm, uint8_t locality, const uint8_t qualifying[BH_DIGEST],
               struct tpm_quote *quote);

#endif
