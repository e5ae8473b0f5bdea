/*
 * What runs is measured into the TPM before it runs (bulkhead/evlog.h says what, and in which
 * order), and a machine that was enrolled is looked at: its NV indices name the trusted author and
 * the oldest policy. Boot CPU only, each of these once, in this order; none waits without end.
 *
 * Where the TPM can't be used, core stops the machine if the policy says `attest required`, and
 * else prints "attest: none: CAUSE" and measures nothing more. That is known only when the policy
 * is: a failure before that is kept.
 */
#ifndef CORE_ATTEST_ATTEST_H
#define CORE_ATTEST_ATTEST_H

#include <stddef.h>

#include "bulkhead/evlog.h"
#include "bulkhead/image.h"
#include "core/policy/policy.h"

/* Finds the TPM; measures core itself, which is this memory, and this boot's counts. */
void attest_begin(const void *core, size_t size);

/*
 * Measures the policy and what handles SMIs. Stops the machine if it was enrolled for another
 * author's key, has run a newer version of the policy, or has lost part of its enrolment, whatever
 * the policy says of attestation.
 */
void attest_policy(const struct bh_header *policy, const struct policy_origin *origin,
                   const struct bh_event_smm *smm);

/* Measures all domains, whose files have been verified, and how they start. Evidence can be made
 * then (log.h). */
void attest_domains(void);

#endif
