/*
 * Genuine evidence with all that it is appraised by, out of a directory that tests/attest/bundle.py
 * wrote, and the attestation key's secret: so that what a program alters can be signed again.
 */
#ifndef TESTS_ATTEST_BUNDLE_H
#define TESTS_ATTEST_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/attest/appraise.h"
#include "tools/attest/claims.h"

struct bundle {
    uint8_t *bytes; /* the evidence */
    size_t size;
    struct claims claims; /* of it */
    struct record record;
    struct reference reference;
    struct rules rules;
    EVP_PKEY *key;
};

/* Read it; ends the program with a message if a part is missing or wrong. */
void bundle_load(struct bundle *bundle, const char *directory);

/* The one of the directory that BULKHEAD_BUNDLE names, else of build/tests/fuzz/bundle; read at the
 * first call. */
struct bundle *bundle_get(void);

/* A file of the bundle, malloc'ed, with a zero behind it. */
uint8_t *bundle_file(const char *directory, const char *name, size_t *size);

/* Appraise evidence by the bundle's record, reference values and rules; each nonce is fresh. */
enum exit_status bundle_appraise(const struct bundle *bundle, const uint8_t *evidence, size_t size,
                                 struct result *result);

/* Write the result as bhattest does, into nothing. */
void bundle_show(const struct result *result);

/* Sign evidence->attest. */
void bundle_sign(const struct bundle *bundle, struct evidence *evidence);

/*
 * Quote altered evidence anew: extraData and pcrDigest of `attest` follow from the rest, and the
 * signature from that. Returns the whole's size in `buffer`, 0 if it doesn't fit. What the bundle
 * keeps of it is overwritten by the next call.
 */
size_t bundle_quote(const struct bundle *bundle, struct evidence *evidence, uint8_t *buffer,
                    size_t size);

/* The same without touching `attest`. */
size_t bundle_encode(const struct bundle *bundle, struct evidence *evidence, uint8_t *buffer,
                     size_t size);

/* PCR = SHA-256(PCR || SHA-256(event)) */
void bundle_extend(uint8_t pcr[BH_DIGEST], const void *event, size_t size);

#endif
