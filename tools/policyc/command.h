/* The commands of policyc, one file each, and what they share. */
#ifndef POLICYC_COMMAND_H
#define POLICYC_COMMAND_H

#include "front/front.h"

enum exit_code { EXIT_OK = 0, EXIT_POLICY = 1, EXIT_USAGE = 2, EXIT_IO = 3 };

/* Each gets the arguments behind its name, NULL-terminated. */
enum exit_code command_build(char **arguments);
enum exit_code command_check(char **arguments);
enum exit_code command_dump(char **arguments);
enum exit_code command_keygen(char **arguments);
enum exit_code command_predict(char **arguments);
enum exit_code command_verify(char **arguments);

/* Print `policyc: error: ...` and return the code. */
enum exit_code fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Write a file as a whole: under another name first, so that nobody sees half of it. */
enum exit_code write_file(const char *path, const void *data, size_t size);

/* Print what was reported since front_load, and how many errors there are. */
enum exit_code print_errors(const struct front *front);

/* Read and check a policy; print what is wrong with it. The front must be freed. */
enum exit_code load_policy(struct front *front, const char *path);

#endif
