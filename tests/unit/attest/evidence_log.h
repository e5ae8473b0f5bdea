/* Reads evidence that core made on the TPM model: with libcbor, and the log by its specification.
 */
#ifndef TESTS_UNIT_ATTEST_EVIDENCE_LOG_H
#define TESTS_UNIT_ATTEST_EVIDENCE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "bulkhead/evlog.h"

/* A policy of two domains, work and vault, whose log has begun and is on. */
#define EVIDENCE_DOMAINS 2u
extern const struct bh_domain evidence_domains[EVIDENCE_DOMAINS];
void evidence_model_start(void);

/* A claim's byte string, or the number if it is one; fails the test if it isn't there. */
const uint8_t *evidence_claim(const uint8_t *bytes, size_t size, int64_t claim, size_t *length);
uint64_t evidence_number(const uint8_t *bytes, size_t size, int64_t claim);

/*
 * Evidence must hold together: extraData of the last quote binds nonce, domain, log and report; the
 * log's PCR-19 events lead to the TPM's PCR 19, in sequence; report and log agree on each domain.
 * Returns how many events stand in PCR 19.
 */
unsigned evidence_check(const uint8_t *bytes, size_t size, const struct bh_attest_request *asked,
                        unsigned index);

/* The n-th event of PCR 19 in the log of that evidence. */
struct bh_event evidence_event(const uint8_t *bytes, size_t size, unsigned n);

#endif
