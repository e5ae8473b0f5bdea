/* What enrolment has left in the TPM: the attestation key, and NV indices (bulkhead/evidence.h). */
#ifndef CORE_ATTEST_ENROLLED_H
#define CORE_ATTEST_ENROLLED_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/evlog.h"
#include "core/attest/tpm.h"

/*
 * Looks whether the machine is enrolled: with neither key nor indices it isn't, with all of them,
 * locked as they have to be, it is. Stops the machine in every other case, and where what they say
 * doesn't let this policy run: trust is SHA-256 of trust.pub. False if the TPM fails: tpm_fault().
 */
bool enrolled_check(struct tpm_message *message, uint64_t version, const uint8_t trust[BH_DIGEST]);

#endif
