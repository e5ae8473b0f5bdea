#include "command.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "show.h"
#include "state.h"

struct arguments {
    const char *evidence, *record, *authority, *revoked, *reference, *author, *rules, *state;
    const char *max_age, *output;
    bool is_json;
};

/* All that an appraisal reads. */
struct inputs {
    uint8_t *evidence;
    size_t size;
    struct public_key authority, author;
    struct record record;
    struct reference reference;
    struct rules rules;
    struct state state;
    FILE *output; /* of -o, empty at first: no verdict of before may pass for this one's */
};

static bool load_evidence(struct inputs *inputs, const char *path, char fault[FAULT_SIZE])
{
    /* One byte more than may be is enough to see that it is too long. */
    inputs->evidence = file_head(path, BH_EVIDENCE_MAX + 1, &inputs->size, fault);
    return inputs->evidence != NULL;
}

static bool parse_age(const char *text, int64_t *age)
{
    char *end;
    long value;

    if (text == NULL)
        return true;
    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value < 0)
        return false;
    *age = value;
    return true;
}

static bool open_output(struct inputs *inputs, const char *path, char fault[FAULT_SIZE])
{
    inputs->output = path != NULL ? fopen(path, "w") : NULL;
    if (path == NULL || inputs->output != NULL)
        return true;
    snprintf(fault, FAULT_SIZE, "%s: the verdict can't be written: %s", path, strerror(errno));
    return false;
}

/* What is wrong with the record or the reference values becomes their fault, and a finding. */
static enum exit_status load(struct inputs *inputs, const struct arguments *from)
{
    char fault[FAULT_SIZE];

    if (!open_output(inputs, from->output, fault) ||
        !load_evidence(inputs, from->evidence, fault) ||
        !public_key_load(&inputs->authority, from->authority, fault) ||
        !public_key_load(&inputs->author, from->author, fault) ||
        !rules_load(&inputs->rules, from->rules, fault) ||
        !state_open(&inputs->state, from->state, (int64_t)time(NULL), fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    if (!parse_age(from->max_age, &inputs->state.max_age))
        return fail(EXIT_USAGE, "--max-age %s: expected a number of seconds", from->max_age);
    record_load(&inputs->record, from->record, &inputs->authority);
    if (from->revoked != NULL)
        record_revoke(&inputs->record, from->revoked, &inputs->authority);
    reference_load(&inputs->reference, from->reference, &inputs->author);
    return EXIT_AFFIRMING;
}

static bool write_json(const struct result *result, const struct inputs *inputs, FILE *out)
{
    json_t *root = show_json(result, inputs->state.now);
    bool is_written = root != NULL && json_dumpf(root, out, JSON_INDENT(1)) == 0;

    json_decref(root);
    return is_written && fputc('\n', out) != EOF && fflush(out) == 0;
}

static enum exit_status show(const struct result *result, const struct inputs *inputs,
                             const struct arguments *from)
{
    if (inputs->output != NULL && !write_json(result, inputs, inputs->output))
        return fail(EXIT_INTERNAL, "%s: the verdict can't be written: %s", from->output,
                    strerror(errno));
    if (from->is_json && !write_json(result, inputs, stdout))
        return fail(EXIT_INTERNAL, "the verdict can't be written: %s", strerror(errno));
    if (!from->is_json)
        show_text(stdout, result);
    return result->status;
}

static enum exit_status judge(struct inputs *inputs, const struct arguments *from)
{
    static struct result result;
    struct appraisal in = {.evidence = inputs->evidence,
                           .size = inputs->size,
                           .record = &inputs->record,
                           .reference = &inputs->reference,
                           .rules = &inputs->rules,
                           .now = inputs->state.now,
                           .nonce = state_nonce,
                           .nonce_context = &inputs->state};
    char fault[FAULT_SIZE];

    if (inputs->reference.fault[0] == '\0' &&
        !state_floor(&inputs->state, &inputs->reference, &in.floor, fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    appraise(&in, &result);
    /* Without its memory a verifier would affirm what it must not. */
    if (inputs->state.fault[0] != '\0')
        return fail(EXIT_INTERNAL, "%s", inputs->state.fault);
    if (result.is_reference_good && !state_raise_floor(&inputs->state, &inputs->reference, fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    return show(&result, inputs, from);
}

enum exit_status command_appraise(char **arguments)
{
    static struct inputs inputs;
    struct arguments from = {0};
    const struct option options[] = {{"--record", &from.record, NULL, true},
                                     {"--authority", &from.authority, NULL, true},
                                     {"--reference", &from.reference, NULL, true},
                                     {"--author", &from.author, NULL, true},
                                     {"--rules", &from.rules, NULL, true},
                                     {"--revoked", &from.revoked, NULL, false},
                                     {"--state", &from.state, NULL, false},
                                     {"--max-age", &from.max_age, NULL, false},
                                     {"-o", &from.output, NULL, false},
                                     {"--json", NULL, &from.is_json, false}};
    enum exit_status status = parse_arguments(
        "appraise", arguments, options, sizeof(options) / sizeof(options[0]), &from.evidence, 1);

    if (status != EXIT_AFFIRMING)
        return status;
    if (sodium_init() < 0)
        return fail(EXIT_INTERNAL, "libsodium didn't start");
    status = load(&inputs, &from);
    if (status == EXIT_AFFIRMING)
        status = judge(&inputs, &from);
    record_free(&inputs.record);
    free(inputs.evidence);
    if (inputs.output != NULL)
        fclose(inputs.output); /* write_json flushed it */
    return status;
}
