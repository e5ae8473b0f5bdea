/* Files that commands read: named ones of --files, keys, and what is wanted whole. */
#ifndef POLICYC_INPUTS_H
#define POLICYC_INPUTS_H

#include "command.h"
#include "emit/emit.h"
#include "sign/sign.h"

#define NAMED_FILES_MAX 48u

struct named_files {
    char *option[NAMED_FILES_MAX]; /* NAME=PATH; the = is overwritten when it is read */
    struct file_fact fact[NAMED_FILES_MAX];
    unsigned count;
};

/* Take the NAME=PATH... behind --files; *at stands on that, and on the last of them afterwards. */
enum exit_code named_files_parse(struct named_files *files, char ***at, const char *command);

/* Read each once: content, size and hash. To be freed, also after an error. */
enum exit_code named_files_read(struct named_files *files, const char *command);
void named_files_free(struct named_files *files);

/* NULL if there is none of that name. */
const struct file_fact *named_files_find(const struct named_files *files, const char *name);

/* A secret key in minisign's format; sign_forget it. */
enum exit_code read_key(const char *path, struct secret_key *key);

/* A file as a whole, and its hash; to be freed. */
struct input {
    const char *path;
    uint8_t *bytes; /* malloc'ed, a zero behind them */
    size_t size;
    uint8_t sha256[32];
};
enum exit_code read_input(const char *path, size_t longest, struct input *input);

/* Write a file and its signature, PATH.minisig; neither is left if one can't be written. */
enum exit_code write_signed(const char *path, const void *data, size_t size,
                            const struct secret_key *key, const char *comment);

#endif
