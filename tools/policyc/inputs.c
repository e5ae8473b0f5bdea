#include "inputs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum exit_code named_files_parse(struct named_files *files, char ***at, const char *command)
{
    while ((*at)[1] != NULL && (*at)[1][0] != '-' && strchr((*at)[1], '=') != NULL) {
        if (files->count == NAMED_FILES_MAX)
            return fail(EXIT_USAGE, "%s can't take so many files: %s; see policyc %s --help",
                        command, (*at)[1], command);
        files->option[files->count++] = *++*at;
    }
    return EXIT_OK;
}

/* All that is left in the file, which may be a pipe; 0 or errno. */
static int read_all(FILE *file, uint8_t **bytes, size_t *size)
{
    size_t room = 1 << 20, got = 0;
    uint8_t *more = malloc(room);

    *bytes = more;
    while (more != NULL) {
        got += fread(*bytes + got, 1, room - got, file);
        *size = got;
        if (got < room)
            return ferror(file) != 0 ? errno : got == 0 ? ENODATA : 0;
        more = realloc(*bytes, room *= 2);
        *bytes = more != NULL ? more : *bytes;
    }
    return ENOMEM;
}

/* Content, size and hash of one file. */
static enum exit_code read_fact(char *option, struct file_fact *fact)
{
    char *path = strchr(option, '=') + 1;
    struct sign_hash *hash;
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0;
    int error = errno;

    path[-1] = 0;
    if (file != NULL) {
        error = read_all(file, &bytes, &size);
        fclose(file);
    }
    *fact = (struct file_fact){.name = option, .size = size, .bytes = bytes};
    if (file == NULL || error != 0)
        return fail(EXIT_IO, "%s can't be read: %s", path,
                    error == ENODATA ? "it is empty" : strerror(error));
    hash = sign_hash_begin();
    if (hash == NULL)
        return fail(EXIT_IO, "out of memory");
    sign_hash_add(hash, bytes, size);
    sign_hash_end(hash, fact->sha256);
    return EXIT_OK;
}

enum exit_code named_files_read(struct named_files *files, const char *command)
{
    for (unsigned i = 0; i < files->count; i++) {
        enum exit_code code = read_fact(files->option[i], &files->fact[i]);

        if (code != EXIT_OK)
            return code;
        for (unsigned j = 0; j < i; j++)
            if (strcmp(files->fact[j].name, files->fact[i].name) == 0)
                return fail(EXIT_USAGE, "%s was given two files for %s; see policyc %s --help",
                            command, files->fact[i].name, command);
    }
    return EXIT_OK;
}

void named_files_free(struct named_files *files)
{
    for (unsigned i = 0; i < files->count; i++)
        free((void *)(uintptr_t)files->fact[i].bytes);
}

const struct file_fact *named_files_find(const struct named_files *files, const char *name)
{
    for (unsigned i = 0; i < files->count; i++)
        if (strcmp(files->fact[i].name, name) == 0)
            return &files->fact[i];
    return NULL;
}

enum exit_code read_key(const char *path, struct secret_key *key)
{
    static const char *const faults[] = {
        [SIGN_NOT_A_KEY] = "it is not a minisign secret key. Make one with policyc keygen",
        [SIGN_ENCRYPTED] = "it has a password. Use one made by policyc keygen or minisign -G -W",
        [SIGN_BAD_CHECKSUM] = "it is damaged. Restore it from a copy",
    };
    char text[SIGN_TEXT_MAX];
    FILE *file = fopen(path, "rb");
    enum sign_result result;
    size_t size;

    if (file == NULL)
        return fail(EXIT_IO, "%s can't be read: %s", path, strerror(errno));
    size = fread(text, 1, sizeof(text), file);
    fclose(file);
    result = sign_parse_secret(text, size, key);
    explicit_bzero(text, sizeof(text));
    if (result != SIGN_OK)
        return fail(EXIT_IO, "%s can't be used: %s", path, faults[result]);
    return EXIT_OK;
}

static int read_whole(FILE *file, size_t longest, struct input *input)
{
    input->bytes = malloc(longest + 1);
    if (input->bytes == NULL)
        return ENOMEM;
    errno = 0;
    input->size = fread(input->bytes, 1, longest + 1, file);
    if (ferror(file) != 0)
        return errno;
    if (input->size > longest)
        return EFBIG;
    input->bytes[input->size] = 0;
    return 0;
}

enum exit_code read_input(const char *path, size_t longest, struct input *input)
{
    FILE *file = fopen(path, "rb");
    int error = errno;
    struct sign_hash *hash;

    input->path = path;
    if (file != NULL) {
        error = read_whole(file, longest, input);
        fclose(file);
    }
    if (file == NULL || error != 0)
        return fail(EXIT_IO, "%s can't be read: %s", path, strerror(error));
    hash = sign_hash_begin();
    if (hash == NULL)
        return fail(EXIT_IO, "out of memory");
    sign_hash_add(hash, input->bytes, input->size);
    sign_hash_end(hash, input->sha256);
    return EXIT_OK;
}

enum exit_code write_signed(const char *path, const void *data, size_t size,
                            const struct secret_key *key, const char *comment)
{
    char text[SIGN_TEXT_MAX];
    char *signature;
    enum exit_code code;

    sign_data(key, data, size, comment, text, sizeof(text));
    if (asprintf(&signature, "%s.minisig", path) < 0)
        return fail(EXIT_IO, "out of memory");
    code = write_file(path, data, size);
    if (code == EXIT_OK) {
        code = write_file(signature, text, strlen(text));
        if (code != EXIT_OK)
            remove(path);
    }
    free(signature);
    return code;
}
