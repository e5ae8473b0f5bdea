/*
 * Whether the TPM's clock is safe (TPMS_CLOCK_INFO, part 2, 10.11.1). After power was cut it isn't
 * until it passes what it may have shown before. No verifier takes a quote with such a clock, so
 * evidence waits some seconds for it; not more, as a TPM may take an hour.
 */
#ifndef ATTEST_CLOCK_H
#define ATTEST_CLOCK_H

#include <stdbool.h>

#include "core/attest/message.h"

/* Evidence begins. */
void clock_begin(void);

/* Reads the response to TPM2_ReadClock; false if it is malformed. `is_enough`: evidence waits no
 * longer. */
bool clock_take(const struct tpm_message *message, bool *is_enough);

#endif
