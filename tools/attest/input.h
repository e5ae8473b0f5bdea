/* Reading evidence from a file, for commands that don't appraise it. */
#ifndef ATTEST_INPUT_H
#define ATTEST_INPUT_H

#include "claims.h"
#include "codes.h"

/* Prints what is wrong with it. `bytes` must be freed, after `claims` was used. */
enum exit_status input_evidence(const char *path, uint8_t **bytes, struct claims *claims);

#endif
