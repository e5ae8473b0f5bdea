#include "options.h"
#include <sodium.h>
#include <string.h>

static enum exit_code usage(const char *what, const char *which)
{
    return fail(EXIT_USAGE, "predict %s%s; see policyc predict --help", what, which);
}

static enum exit_code parse_smm(const char *text, struct bh_event_smm *smm)
{
    static const char replaced[] = "replaced:";
    size_t length = 0, start = sizeof(replaced) - 1;

    if (smm->mode != 0)
        return usage("was told twice who handles SMIs: ", text);
    if (strcmp(text, "none") == 0)
        smm->mode = BH_SMM_NONE;
    else if (strcmp(text, "firmware") == 0)
        smm->mode = BH_SMM_FIRMWARE;
    else if (strncmp(text, replaced, start) == 0 &&
             sodium_hex2bin(smm->sha256, sizeof(smm->sha256), text + start, strlen(text + start),
                            NULL, &length, NULL) == 0 &&
             length == sizeof(smm->sha256))
        smm->mode = BH_SMM_REPLACED;
    if (smm->mode == 0)
        return usage("needs none, firmware, or replaced: and 64 hexadecimal digits, not ", text);
    return EXIT_OK;
}

static enum exit_code add_script(struct predict_options *options, const char *path)
{
    if (options->scripts == GRUB_SCRIPTS_MAX)
        return usage("can't take so many scripts: ", path);
    options->script[options->scripts++] = path;
    return EXIT_OK;
}

/* Options that name one file. */
static const char **file_option(struct predict_options *options, const char *name)
{
    const struct {
        const char *name;
        const char **value;
    } known[] = {
        {"--signature", &options->signature},
        {"--trust", &options->trust},
        {"--core", &options->core},
        {"--grub-embedded", &options->embedded},
        {"--key", &options->key},
        {"-o", &options->output},
        {"--check", &options->check},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].value;
    return NULL;
}

static enum exit_code parse_one(char ***at, struct predict_options *options)
{
    const char *name = **at;
    const char **file = file_option(options, name);

    if (strcmp(name, "--files") == 0)
        return named_files_parse(&options->files, at, "predict");
    if (strcmp(name, "--unmeasured") == 0) {
        options->is_unmeasured = true;
        return EXIT_OK;
    }
    if (file == NULL && strcmp(name, "--grub") != 0 && strcmp(name, "--smm") != 0) {
        if (name[0] == '-' || options->image != NULL)
            return usage("doesn't know what to do with ", name);
        options->image = name;
        return EXIT_OK;
    }
    if ((*at)[1] == NULL)
        return usage("needs something behind ", name);
    ++*at;
    if (file == NULL)
        return strcmp(name, "--grub") == 0 ? add_script(options, **at)
                                           : parse_smm(**at, &options->smm);
    if (*file != NULL)
        return usage("was given twice ", name);
    *file = **at;
    return EXIT_OK;
}

static enum exit_code check_complete(const struct predict_options *options)
{
    bool has_scripts = options->embedded != NULL && options->scripts != 0;

    if (options->image == NULL || options->signature == NULL || options->trust == NULL ||
        options->core == NULL)
        return usage("needs a policy image, --signature, --trust and --core", "");
    if (options->is_unmeasured ? options->embedded != NULL || options->scripts != 0 : !has_scripts)
        return usage("needs --grub-embedded and --grub, or --unmeasured", "");
    if (options->check != NULL ? options->key != NULL || options->output != NULL
                               : options->key == NULL || options->output == NULL)
        return usage("needs --key and -o, or --check", "");
    return EXIT_OK;
}

enum exit_code predict_parse(char **arguments, struct predict_options *options)
{
    enum exit_code code = EXIT_OK;

    for (; *arguments != NULL && code == EXIT_OK; arguments++)
        code = parse_one(&arguments, options);
    return code == EXIT_OK ? check_complete(options) : code;
}
