/*
 * Makes one piece of evidence: first the log gets the events that it lacks, then keys, PCR values
 * and the quote come from the TPM; one command after another. Needs the host's state, and one
 * caller at a time.
 */
#ifndef ATTEST_MAKER_H
#define ATTEST_MAKER_H

#include "bulkhead/abi.h"
#include "bulkhead/evidence.h"
#include "lib/evidence.h"

/* Begins, for domain `index`; what was made before is gone. Only where nothing is under way. An
 * error if this machine makes no evidence. */
enum bh_result maker_begin(unsigned index, const struct bh_attest_request *asked);

/*
 * Goes on as far as the TPM is ready to, without waiting. BH_E_AGAIN: call again. Else nothing is
 * under way any more; BH_OK: the evidence is there; errors: it can't be had.
 */
enum bh_result maker_drive(void);

/* The evidence that was made last; of size 0 if there is none. */
struct evidence_bytes maker_evidence(void);

#endif
