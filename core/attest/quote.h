/*
 * Evidence made while domains run (bulkhead/evidence.h): a state machine that asks the TPM one
 * command after another. Nobody waits for the TPM: each call below does a bounded amount of work,
 * whoever calls drives on what is under way, for whomever.
 *
 * They may be called by several CPUs at once, and need the host's state: svm_with_host().
 */
#ifndef ATTEST_QUOTE_H
#define ATTEST_QUOTE_H

#include <stdint.h>

#include "bulkhead/abi.h"
#include "bulkhead/evidence.h"

/* What the three calls of bulkhead/abi.h say, for domain `index`. */
enum bh_result quote_start(unsigned index, const struct bh_attest_request *asked);
enum bh_result quote_poll(unsigned index, uint64_t *size);

/* Copies up to `size` bytes of its evidence from `offset` on; `copied` says how many. */
enum bh_result quote_read(unsigned index, uint64_t offset, void *to, uint64_t size,
                          uint64_t *copied);

#endif
