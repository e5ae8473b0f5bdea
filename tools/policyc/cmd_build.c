#include "command.h"
#include "emit/emit.h"
#include "inputs.h"
#include "sign/sign.h"
#include "verify/verify.h"
#include <stdlib.h>
#include <string.h>

struct options {
    const char *policy, *key, *output;
    struct named_files files;
};

static enum exit_code usage(const char *what, const char *which)
{
    return fail(EXIT_USAGE, "build %s%s; see policyc build --help", what, which);
}

static enum exit_code parse(char **at, struct options *options)
{
    enum exit_code code = EXIT_OK;

    for (; *at != NULL && code == EXIT_OK; at++) {
        if (strcmp(*at, "--files") == 0)
            code = named_files_parse(&options->files, &at, "build");
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

static enum exit_code write_image(const struct front *front, const struct options *options,
                                  const struct secret_key *key, const struct image *image)
{
    char comment[SIGN_COMMENT_MAX];

    snprintf(comment, sizeof(comment), "policy %s version %llu for machine %s",
             front->policy.name.value, (unsigned long long)front->policy.version.value,
             front->machine.name.value);
    return write_signed(options->output, image->bytes, image->size, key, comment);
}

static enum exit_code build(struct front *front, struct options *options)
{
    struct secret_key key;
    struct image image;
    enum exit_code code = named_files_read(&options->files, "build");

    if (code == EXIT_OK)
        code = read_key(options->key, &key);
    if (code != EXIT_OK)
        return code;
    if (emit_image(front, options->files.fact, options->files.count, &image) &&
        verify_image(front, image.bytes, image.size, true))
        code = write_image(front, options, &key, &image);
    else
        code = print_errors(front);
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
    named_files_free(&options.files);
    return code;
}
