#include "command.h"
#include "emit/emit.h"
#include "sign/sign.h"
#include "verify/verify.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FACTS 64u

struct options {
    const char *policy, *key, *output;
    char *files[MAX_FACTS]; /* NAME=PATH */
    unsigned file_count;
};

static enum exit_code usage(const char *what, const char *which)
{
    return fail(EXIT_USAGE, "build %s%s; see policyc build --help", what, which);
}

static enum exit_code parse_files(char ***at, struct options *options)
{
    while ((*at)[1] != NULL && (*at)[1][0] != '-' && strchr((*at)[1], '=') != NULL) {
        if (options->file_count == MAX_FACTS)
            return usage("can't take so many files: ", (*at)[1]);
        options->files[options->file_count++] = *++*at;
    }
    return EXIT_OK;
}

static enum exit_code parse(char **at, struct options *options)
{
    enum exit_code code = EXIT_OK;

    for (; *at != NULL && code == EXIT_OK; at++) {
        if (strcmp(*at, "--files") == 0)
            code = parse_files(&at, options);
        else if (strcmp(*at, "--key") == 0 && at[1] != NULL)
            options->key = *++at;
        else if (strcmp(*at, "-o") == 0 && at[1] != NULL)
            options->output = *++at;
        else if (**at == '-' || options->policy != NULL)
            code = usage("doesn't know what to do with ", *at);
        else
            options->policy = *at;
    }
    if (code != EXIT_OK)
        return code;
    if (options->policy == NULL || options->key == NULL || options->output == NULL)
        return usage("needs a policy, --key and -o", "");
    return EXIT_OK;
}

/* Size and hash of one file. */
static enum exit_code read_fact(char *option, struct file_fact *fact)
{
    char *path = strchr(option, '=') + 1, buffer[1 << 16];
    struct sign_hash *hash = sign_hash_begin();
    FILE *file = fopen(path, "rb");
    size_t got;
    int error = errno;

    path[-1] = 0;
    fact->name = option;
    fact->size = 0;
    if (hash != NULL && file != NULL) {
        while ((got = fread(buffer, 1, sizeof(buffer), file)) != 0) {
            sign_hash_add(hash, buffer, got);
            fact->size += got;
        }
        error = ferror(file) != 0 ? errno : 0;
        if (error == 0 && fact->size == 0)
            error = ENODATA;
    }
    if (file != NULL)
        fclose(file);
    if (hash != NULL)
        sign_hash_end(hash, fact->sha256);
    if (hash == NULL || file == NULL || error != 0)
        return fail(EXIT_IO, "%s can't be read: %s", path,
                    error == ENODATA ? "it is empty" : strerror(error));
    return EXIT_OK;
}

static enum exit_code read_facts(struct options *options, struct file_fact *facts)
{
    for (unsigned i = 0; i < options->file_count; i++) {
        enum exit_code code = read_fact(options->files[i], &facts[i]);

        if (code != EXIT_OK)
            return code;
        for (unsigned j = 0; j < i; j++)
            if (strcmp(facts[j].name, facts[i].name) == 0)
                return usage("was given two files for ", facts[i].name);
    }
    return EXIT_OK;
}

static enum exit_code read_key(const char *path, struct secret_key *key)
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

static enum exit_code write_signature(const struct front *front, const struct options *options,
                                      const struct secret_key *key, const struct image *image)
{
    char text[SIGN_TEXT_MAX], comment[SIGN_COMMENT_MAX];
    char *path;
    enum exit_code code;

    snprintf(comment, sizeof(comment), "policy %s version %llu for machine %s",
             front->policy.name.value, (unsigned long long)front->policy.version.value,
             front->machine.name.value);
    sign_data(key, image->bytes, image->size, comment, text, sizeof(text));
    if (asprintf(&path, "%s.minisig", options->output) < 0)
        return fail(EXIT_IO, "out of memory");
    code = write_file(path, text, strlen(text));
    free(path);
    return code;
}

static enum exit_code build(struct front *front, struct options *options)
{
    struct file_fact facts[MAX_FACTS];
    struct secret_key key;
    struct image image;
    enum exit_code code = read_facts(options, facts);

    if (code == EXIT_OK)
        code = read_key(options->key, &key);
    if (code != EXIT_OK)
        return code;
    if (emit_image(front, facts, options->file_count, &image) &&
        verify_image(front, image.bytes, image.size, true)) {
        code = write_file(options->output, image.bytes, image.size);
        if (code == EXIT_OK)
            code = write_signature(front, options, &key, &image);
    } else {
        code = print_errors(front);
    }
    free(image.bytes);
    sign_forget(&key);
    return code;
}

enum exit_code command_build(char **arguments)
{
    struct options options = {0};
    struct front front;
    enum exit_code code = parse(arguments, &options);

    if (code != EXIT_OK)
        return code;
    if (sign_begin() != SIGN_OK)
        return fail(EXIT_IO, "libsodium didn't start");
    code = load_policy(&front, options.policy);
    if (code == EXIT_OK)
        code = build(&front, &options);
    front_free(&front);
    return code;
}
