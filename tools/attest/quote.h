/*
 * The TPM's structures in evidence (TPM 2.0 Library, part 2), read strictly: every size, every
 * fixed field, nothing behind the end.
 */
#ifndef ATTEST_QUOTE_H
#define ATTEST_QUOTE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evlog.h"
#include "difference.h"

#define TPM_ALG_SHA256 0x000bu

/* TPMS_ATTEST of type quote (10.12.8). */
struct quote {
    const uint8_t *extra_data;
    size_t extra_size;
    uint64_t clock;
    uint32_t reset_count, restart_count;
    bool is_safe;
    uint64_t firmware_version;
    uint32_t banks; /* TPML_PCR_SELECTION's count; of the first bank: */
    uint16_t bank;
    uint8_t select_size;
    uint32_t pcrs; /* bit n: PCR n */
    const uint8_t *pcr_digest;
    size_t pcr_digest_size;
};

/* TPMT_PUBLIC (12.2.4) of an ECC key. */
struct tpm_public {
    uint32_t attributes;
    const uint8_t *policy;
    size_t policy_size;
    uint8_t x[32], y[32];
};

/* TPMT_SIGNATURE (11.3.4), ECDSA with SHA-256. */
struct ecdsa {
    uint8_t r[32], s[32];
};

bool quote_read(struct quote *quote, const uint8_t *bytes, size_t size,
                struct difference *difference);
bool ecdsa_read(struct ecdsa *signature, const uint8_t *bytes, size_t size,
                struct difference *difference);

/* An attestation key that can sign only what the TPM made, and only for core. */
bool ak_read(struct tpm_public *key, const uint8_t *bytes, size_t size,
             struct difference *difference);

/* A key for ecdsa_is_good; NULL if x and y are no point of P-256. To be freed by EVP_PKEY_free. */
EVP_PKEY *ak_key(const struct tpm_public *key);

/* Whether the signature over these bytes is the key's; r and s must be in [1, n-1]. */
bool ecdsa_is_good(EVP_PKEY *key, const struct ecdsa *signature, const uint8_t *bytes, size_t size);

/* An object's name (part 1, 16): nameAlg, then the hash of its TPMT_PUBLIC. */
void tpm_name(uint8_t name[2 + BH_DIGEST], const uint8_t *tpmt_public, size_t size);

#endif
