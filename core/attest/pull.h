/*
 * Brings into log and PCR 19 what domains did since the last time, an event at a time. Log and PCR
 * mustn't drift apart: where the TPM gave no good answer to an event, the PCR tells whether it took
 * it, whatever the TPM said.
 */
#ifndef ATTEST_PULL_H
#define ATTEST_PULL_H

#include "core/attest/snapshot.h"
#include "core/attest/tpm.h"

/* What comes next: which command the TPM is to be given. */
enum pull { PULL_DONE, PULL_READ, PULL_EXTEND, PULL_DIGESTS, PULL_FAILED /* tpm_fault() */ };

/* `snapshot` must stay as it is until the end. */
enum pull pull_begin(const struct snapshot *snapshot);

void pull_make_read(struct tpm_message *message);
enum pull pull_take_read(const struct tpm_message *message);

void pull_make_extend(struct tpm_message *message);
void pull_make_digests(struct tpm_message *message);
/* The response to either. */
enum pull pull_take_digests(const struct tpm_message *message);

#endif
