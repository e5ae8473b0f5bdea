/*
 * The way to the TPM, by its FIFO interface at locality 2. Core seizes the locality for each
 * command and relinquishes it afterwards; a lower locality's command that was under way is aborted
 * by that. There is one TPM and one command at a time: callers on several CPUs take turns.
 */
#ifndef CORE_ATTEST_TPM_H
#define CORE_ATTEST_TPM_H

#include <stdbool.h>
#include <stdint.h>

enum tpm_error {
    TPM_OK,
#define TPM_ERROR(name, cause, remedy) TPM_##name,
#include "tables/tpm_errors.def"
#undef TPM_ERROR
};

/* A command, and after it its response, as they pass the interface. */
#define TPM_MESSAGE_MAX 2048u
struct tpm_message {
    uint32_t size; /* over TPM_MESSAGE_MAX: what was to be put in didn't fit */
    uint8_t bytes[TPM_MESSAGE_MAX];
};

/* Why the last command failed. */
struct tpm_fault {
    enum tpm_error error;
    const char *doing; /* the command's name, or what else was being done */
    uint32_t detail;   /* register, size or response code */
};

enum tpm_progress { TPM_BUSY, TPM_DONE, TPM_FAILED };

/* How long the TPM may work at one command, repetitions included. */
#define TPM_COMMAND_US 10000000u

/* Looks for a TPM with a FIFO interface in ACPI's tables; false if there is none: tpm_fault(). */
bool tpm_find(void);

/* Starts a command; `message` must stay until tpm_poll no longer returns TPM_BUSY. */
void tpm_begin(struct tpm_message *message);

/*
 * Goes on with it as far as the TPM is ready to: a bounded amount of work, without waiting.
 * TPM_DONE: `message` is a response with code 0, its size and tag right, its contents not looked
 * at. TPM_FAILED: tpm_fault() says why. Either way the locality has been relinquished, and the
 * next command may begin. Within 20 s it is one of the two.
 */
enum tpm_progress tpm_poll(void);

/* Runs a command to its end; true as TPM_DONE. Only during boot. */
bool tpm_run(struct tpm_message *message);

/* True if tpm_fault() is that the TPM has nothing by the handle that the command named. */
bool tpm_is_nothing_there(void);

/* For what the caller finds wrong with a response: remembers it and returns false. */
bool tpm_fail(enum tpm_error error, const char *doing, uint32_t detail);

const struct tpm_fault *tpm_fault(void);
const char *tpm_error_cause(enum tpm_error error);
const char *tpm_error_remedy(enum tpm_error error);

/* A command's name by its code, or "a TPM command". */
const char *tpm_command_name(const struct tpm_message *command);

#endif
