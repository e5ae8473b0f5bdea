/*
 * A TPM reached through tpm2-tss. What fails leaves a sentence in `fault`: the TPM's command, its
 * response in words, what to do. A TPM has few slots for sessions and loaded objects, three here
 * and there: whoever fills one empties it, on every path.
 */
#ifndef ATTEST_TPM_CONNECTION_H
#define ATTEST_TPM_CONNECTION_H

#include <stdbool.h>
#include <tss2/tss2_esys.h>

#define TPM_FAULT 512u

struct tpm {
    ESYS_CONTEXT *esys;
    TSS2_TCTI_CONTEXT *tcti;
    const char *name; /* of the connection, as the user gave it */
    char fault[TPM_FAULT];
};

/* `name`: a TCTI string, as tpm2-tools take them; NULL: this machine's TPM. tpm_close() is due
 * whatever comes out. */
bool tpm_open(struct tpm *tpm, const char *name);
void tpm_close(struct tpm *tpm);

/* Always false: `command` failed with `code`, and what to do. */
bool tpm_failed(struct tpm *tpm, const char *command, TSS2_RC code, const char *remedy);

/* Always false, for what isn't a failed command. */
bool tpm_fault(struct tpm *tpm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The locality from which commands are sent from now on. 0 always works. */
bool tpm_set_locality(struct tpm *tpm, uint8_t locality);

/* Whether there is something at a persistent handle or NV index. */
bool tpm_has(struct tpm *tpm, TPM2_HANDLE handle, bool *is_there);

/* One of TPM_PT's properties. */
bool tpm_property(struct tpm *tpm, TPM2_PT property, uint32_t *value);

/* The resource behind a persistent handle or NV index; tpm_forget() it. */
bool tpm_refer(struct tpm *tpm, TPM2_HANDLE handle, ESYS_TR *object);
void tpm_forget(struct tpm *tpm, ESYS_TR *object);

/* Policy sessions for one command: with PolicySecret of the endorsement hierarchy, as the EK wants
 * it, or PolicyLocality(2). tpm_flush() them, and objects that were loaded. */
bool tpm_endorsement_session(struct tpm *tpm, ESYS_TR *session);
bool tpm_locality_session(struct tpm *tpm, ESYS_TR *session);
void tpm_flush(struct tpm *tpm, ESYS_TR *object);

#endif
