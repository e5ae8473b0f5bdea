/* The commands of bhattest, one file each, and what they share. */
#ifndef ATTEST_COMMAND_H
#define ATTEST_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "codes.h"

/* Each gets the arguments behind its name, NULL-terminated. */
enum exit_status command_appraise(char **arguments);
enum exit_status command_challenge(char **arguments);
enum exit_status command_enroll(char **arguments);
enum exit_status command_explain(char **arguments);
enum exit_status command_extract(char **arguments);
enum exit_status command_log(char **arguments);

/* Print `bhattest: error: ...` and return the status. */
enum exit_status fail(enum exit_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An option of a command: `--name VALUE` sets *value, or `--name` alone sets *flag. */
struct option {
    const char *name; /* with its dashes */
    const char **value;
    bool *flag;
    bool is_required;
};

/*
 * Sort the arguments of `command` into options and words; words[] gets `wanted` of them. Prints
 * what is wrong and returns EXIT_USAGE.
 */
enum exit_status parse_arguments(const char *command, char **arguments,
                                 const struct option *options, size_t count, const char **words,
                                 size_t wanted);

#endif
