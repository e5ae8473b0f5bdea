/* The commands of policyc, one file each, and what they share. */
#ifndef POLICYC_COMMAND_H
#define POLICYC_COMMAND_H

#include "front/front.h"

enum exit_code { EXIT_OK = 0, EXIT_POLICY = 1, EXIT_USAGE = 2, EXIT_IO = 3 };

/* Each gets the arguments behind its name, NULL-terminated. */
enum exit_code command_check(char **arguments);

/* Print `policyc: error: ...` and return the code. */
enum exit_code fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Read and check a policy; print what is wrong with it. The front must be freed. */
enum exit_code load_policy(struct front *front, const char *path);

#endif
