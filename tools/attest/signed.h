/*
 * Files F with a detached signature F.minisig (minisign's format, "ED" only), and the public keys
 * that they are checked with. `fault` gets a sentence with the place and what to do.
 */
#ifndef ATTEST_SIGNED_H
#define ATTEST_SIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_SIZE 320u

struct public_key {
    uint8_t id[8];
    uint8_t key[32]; /* Ed25519 */
};

/* A minisign public key file. */
bool public_key_load(struct public_key *key, const char *path, char fault[FAULT_SIZE]);

/* Whether `signature`, the text of a .minisig file, is `key`'s for these bytes, trusted comment
 * included. */
bool signature_is_good(const struct public_key *key, const void *bytes, size_t size,
                       const char *signature, size_t signature_size);

/* The whole file, malloc'ed, with a zero behind it; NULL if it can't be read or is longer. */
uint8_t *file_load(const char *path, size_t longest, size_t *size, char fault[FAULT_SIZE]);

/* At most `most` bytes from the file's start, likewise. */
uint8_t *file_head(const char *path, size_t most, size_t *size, char fault[FAULT_SIZE]);

/* As file_load; NULL also if PATH.minisig is missing, or isn't `key`'s signature of it. */
uint8_t *signed_load(const char *path, const struct public_key *key, size_t longest, size_t *size,
                     char fault[FAULT_SIZE]);

#endif
