/*
 * Enrolment. The authority's side (certificate, credential, record) believes nothing that the
 * machine's side (tpm_setup.h) says: it checks the key's public area, encrypts a secret to the EK
 * that the TPM's maker certified, and has it back only from a TPM that holds both keys.
 */
#ifndef ATTEST_ENROLL_H
#define ATTEST_ENROLL_H

#include <jansson.h>
#include <openssl/evp.h>

#include "record.h"
#include "tools/policyc/sign/sign.h"
#include "tpm_setup.h"

#define ENROLL_FAULT TPM_FAULT

/*
 * The key in the EK's certificate (DER, or PEM), which must be signed by a CA of the file `ca`
 * (PEM: roots, and issuers below them), valid now, made for an EK, and of the key `ek`. NULL:
 * `fault` says why. To be freed by EVP_PKEY_free.
 */
EVP_PKEY *certificate_key(const uint8_t *certificate, size_t size, const char *ca,
                          const struct tpm_key *ek, char fault[ENROLL_FAULT]);

/* What TPM2_MakeCredential makes (TPM 2.0 Library, part 1, 24), without a TPM: the authority
 * has none to trust. False: libcrypto failed. */
bool credential_make(EVP_PKEY *ek, const uint8_t ak_name[NAME_SIZE],
                     const uint8_t secret[BH_DIGEST], TPM2B_ID_OBJECT *credential,
                     TPM2B_ENCRYPTED_SECRET *seed);

/* The authority's or owner's secret files. */
bool authority_load(struct secret_key *key, const char *path, char fault[FAULT_SIZE]);
bool owner_load(struct tpm_owner *owner, const char *path, bool *is_there, char fault[FAULT_SIZE]);
bool owner_make(struct tpm_owner *owner, const char *path, char fault[FAULT_SIZE]);

/* A record that isn't pinned yet, and one that is, as JSON. */
json_t *record_new(const struct tpm_key *ek, const struct tpm_key *ak, int64_t issued,
                   int64_t expires, uint64_t firmware_version);

/* Write JSON to PATH, and its signature to PATH.minisig. */
bool record_write(const json_t *root, const struct secret_key *key, const char *path,
                  char fault[FAULT_SIZE]);

#endif
