#include "command.h"
#include "core/policy/image.h"
#include "core/policy/minisig.h"
#include "inputs.h"
#include "predict/digests.h"
#include "predict/elf.h"
#include "predict/options.h"
#include "predict/reference.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX      (1u << 20) /* of keys, signatures, scripts, reference values */
#define CORE_FILE_MAX (64u << 20)

struct prediction {
    struct predict_options options;
    struct input image, signature, trust, core, embedded, script[GRUB_SCRIPTS_MAX];
    struct minisig_key author;
    struct event_facts facts;
    struct grub_module module[NAMED_FILES_MAX + 3];
    struct grub_boot boot;
    struct grub_measured grub;
    struct events events;
    struct reference reference;
};

/* ---- what is read ---- */

static enum exit_code read_all(struct prediction *p)
{
    const struct predict_options *options = &p->options;
    const struct {
        const char *path;
        struct input *input;
        size_t longest;
    } files[] = {
        {options->image, &p->image, BH_MAX_IMAGE},   {options->signature, &p->signature, TEXT_MAX},
        {options->trust, &p->trust, TEXT_MAX},       {options->core, &p->core, CORE_FILE_MAX},
        {options->embedded, &p->embedded, TEXT_MAX},
    };
    enum exit_code code = EXIT_OK;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && code == EXIT_OK; i++)
        if (files[i].path != NULL)
            code = read_input(files[i].path, files[i].longest, files[i].input);
    for (unsigned i = 0; i < options->scripts && code == EXIT_OK; i++)
        code = read_input(options->script[i], TEXT_MAX, &p->script[i]);
    return code == EXIT_OK ? named_files_read(&p->options.files, "predict") : code;
}

static void free_all(struct prediction *p)
{
    free(p->image.bytes);
    free(p->signature.bytes);
    free(p->trust.bytes);
    free(p->core.bytes);
    free(p->embedded.bytes);
    for (unsigned i = 0; i < GRUB_SCRIPTS_MAX; i++)
        free(p->script[i].bytes);
    named_files_free(&p->options.files);
}

/* ---- what core will find ---- */

/* Core's own checks: a machine on which core refuses the image measures nothing of it. */
static enum exit_code check_image(struct prediction *p)
{
    const struct bh_header *policy = (const struct bh_header *)p->image.bytes;
    struct policy_fault fault;
    char text[CHECK_TEXT];

    if (minisig_parse_key((const char *)p->trust.bytes, p->trust.size, &p->author, &fault) &&
        minisig_verify(&p->author, (const char *)p->signature.bytes, p->signature.size,
                       p->image.bytes, p->image.size, &fault) &&
        image_check(policy, p->image.size, &fault)) {
        p->facts.policy = policy;
        if (policy->version > INT64_MAX)
            return fail(EXIT_POLICY, "%s: version %" PRIu64 " is too large for JSON", p->image.path,
                        policy->version);
        return EXIT_OK;
    }
    policy_explain(&fault, text, sizeof(text));
    return fail(EXIT_POLICY, "core would refuse %s: %s", p->image.path, text);
}

/* The files that the image names are those that were given. */
static enum exit_code check_files(struct prediction *p)
{
    const struct bh_header *policy = p->facts.policy;
    const struct bh_file *row = bh_rows(policy, &policy->files);

    for (uint32_t i = 0; i < policy->files.count; i++) {
        const struct file_fact *fact = named_files_find(&p->options.files, row[i].name);

        if (fact == NULL)
            return fail(EXIT_POLICY, "no file is given for \"%s\". Add --files %s=PATH",
                        row[i].name, row[i].name);
        if (fact->size != row[i].size || memcmp(fact->sha256, row[i].sha256, BH_DIGEST) != 0)
            return fail(EXIT_POLICY,
                        "%s is not the file that %s was built with. Give that, or build again",
                        row[i].name, p->image.path);
    }
    return EXIT_OK;
}

static enum exit_code measure_core(struct prediction *p)
{
    const char *fault = elf_core_digest(p->core.bytes, p->core.size, p->facts.core);

    if (fault != NULL)
        return fail(EXIT_POLICY, "%s is not core: %s. Give build/core/bulkhead.elf", p->core.path,
                    fault);
    return EXIT_OK;
}

static void measure_events(struct prediction *p)
{
    struct bh_event_policy *image = &p->facts.image;

    memcpy(image->image, p->image.sha256, BH_DIGEST);
    memcpy(image->signature, p->signature.sha256, BH_DIGEST);
    memcpy(image->author, p->author.key, sizeof(image->author));
    image->version = p->facts.policy->version;
    digest_tables(p->image.bytes, image->tables);
    p->facts.smm = p->options.smm;
    events_predict(&p->facts, &p->events);
}

/* ---- what GRUB will load ---- */

static enum exit_code add_module(struct prediction *p, const char *name, const uint8_t sha256[32])
{
    if (strcmp(name, "core") == 0 || strncmp(name, "grub.cfg", 8) == 0)
        return fail(EXIT_POLICY,
                    "reference values call another file %s. Give the module another name", name);
    if (strlen(name) >= BH_NAME_SIZE)
        return fail(EXIT_POLICY, "%s: names of modules have at most %u characters. Shorten it",
                    name, BH_NAME_SIZE - 1);
    for (unsigned i = 0; i < p->boot.modules; i++)
        if (strcmp(p->module[i].name, name) == 0)
            return fail(EXIT_POLICY, "two modules are called %s. Give one another name", name);
    p->module[p->boot.modules].name = name;
    memcpy(p->module[p->boot.modules++].sha256, sha256, BH_DIGEST);
    return EXIT_OK;
}

static enum exit_code add_modules(struct prediction *p)
{
    enum exit_code code = add_module(p, "policy", p->image.sha256);

    if (code == EXIT_OK)
        code = add_module(p, "signature", p->signature.sha256);
    if (code == EXIT_OK)
        code = add_module(p, "trust.pub", p->trust.sha256);
    for (unsigned i = 0; i < p->options.files.count && code == EXIT_OK; i++)
        code = add_module(p, p->options.files.fact[i].name, p->options.files.fact[i].sha256);
    return code;
}

static struct grub_script script(const struct input *input)
{
    struct grub_script script = {
        .path = input->path, .text = (const char *)input->bytes, .size = input->size};

    memcpy(script.sha256, input->sha256, sizeof(script.sha256));
    return script;
}

static enum exit_code measure_grub(struct prediction *p)
{
    enum exit_code code = add_modules(p);

    if (code != EXIT_OK || p->options.is_unmeasured)
        return code;
    p->boot.embedded = script(&p->embedded);
    for (unsigned i = 0; i < p->options.scripts; i++)
        p->boot.script[p->boot.scripts++] = script(&p->script[i]);
    memcpy(p->boot.core, p->core.sha256, sizeof(p->boot.core));
    p->boot.module = p->module;
    if (!grub_predict(&p->boot, &p->grub))
        return fail(EXIT_POLICY, "%s", p->grub.fault);
    return EXIT_OK;
}

/* ---- what is written ---- */

static enum exit_code measure_matrix(struct prediction *p)
{
    const char *fault = digest_matrix(p->image.bytes, p->image.size, p->reference.matrix);

    return fault == NULL ? EXIT_OK
                         : fail(EXIT_POLICY, "%s can't be read: %s", p->image.path, fault);
}

static void print_pcr(unsigned number, const uint8_t pcr[PCR_SIZE])
{
    char text[2 * PCR_SIZE + 1];

    printf("PCR %-2u  %s\n", number, sodium_bin2hex(text, sizeof(text), pcr, PCR_SIZE));
}

static void print_pcrs(const struct prediction *p)
{
    if (!p->options.is_unmeasured) {
        print_pcr(8, p->grub.pcr8);
        print_pcr(9, p->grub.pcr9);
    }
    if (p->options.smm.mode != 0)
        print_pcr(17, p->events.pcr17);
    else
        printf("PCR 17  depends on the machine's SMI handler: see its enrolment record, or say "
               "--smm\n");
    print_pcr(18, p->events.pcr18);
}

static enum exit_code write_reference(struct prediction *p, const char *text)
{
    const struct bh_header *policy = p->facts.policy;
    char comment[SIGN_COMMENT_MAX];
    struct secret_key key;
    enum exit_code code = read_key(p->options.key, &key);

    if (code != EXIT_OK)
        return code;
    snprintf(comment, sizeof(comment), "reference values of policy %s version %" PRIu64 " for %s",
             policy->name, policy->version, policy->machine);
    if (memcmp(key.key + 32, p->author.key, 32) != 0)
        code =
            fail(EXIT_POLICY, "%s is not the key that %s trusts. Sign with the policy's author's",
                 p->options.key, p->trust.path);
    else
        code = write_signed(p->options.output, text, strlen(text), &key, comment);
    sign_forget(&key);
    return code;
}

/* Reference values that exist, by the same author, say what these files give. */
static enum exit_code check_reference(struct prediction *p, const char *text)
{
    struct input values = {0}, signature = {0};
    struct policy_fault fault;
    char path[4096];
    enum exit_code code = read_input(p->options.check, TEXT_MAX, &values);

    snprintf(path, sizeof(path), "%s.minisig", p->options.check);
    if (code == EXIT_OK)
        code = read_input(path, TEXT_MAX, &signature);
    if (code == EXIT_OK && !minisig_verify(&p->author, (const char *)signature.bytes,
                                           signature.size, values.bytes, values.size, &fault))
        code = fail(EXIT_POLICY, "%s is no signature of %s by the key in %s. Get both again", path,
                    p->options.check, p->trust.path);
    if (code == EXIT_OK &&
        reference_compare(p->options.check, (const char *)values.bytes, values.size, text) != 0)
        code = EXIT_POLICY;
    free(values.bytes);
    free(signature.bytes);
    return code;
}

static enum exit_code predict(struct prediction *p)
{
    enum exit_code code = read_all(p);
    char *text;

    if (code == EXIT_OK)
        code = check_image(p);
    if (code == EXIT_OK)
        code = check_files(p);
    if (code == EXIT_OK)
        code = measure_core(p);
    if (code == EXIT_OK)
        code = measure_grub(p);
    if (code == EXIT_OK)
        code = measure_matrix(p);
    if (code != EXIT_OK)
        return code;
    measure_events(p);
    p->reference.policy = p->facts.policy;
    p->reference.facts = &p->facts;
    p->reference.events = &p->events;
    p->reference.grub = p->options.is_unmeasured ? NULL : &p->grub;
    text = reference_text(&p->reference);
    if (text == NULL)
        return fail(EXIT_IO, "out of memory");
    code = p->options.check != NULL ? check_reference(p, text) : write_reference(p, text);
    free(text);
    if (code == EXIT_OK)
        print_pcrs(p);
    return code;
}

enum exit_code command_predict(char **arguments)
{
    static struct prediction prediction;
    enum exit_code code = predict_parse(arguments, &prediction.options);

    if (code != EXIT_OK)
        return code;
    if (sign_begin() != SIGN_OK)
        return fail(EXIT_IO, "libsodium didn't start");
    code = predict(&prediction);
    free_all(&prediction);
    return code;
}
