#include "enroll_pin.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "claims.h"
#include "command.h"
#include "enroll.h"
#include "eventlog.h"
#include "show.h"
#include "state.h"

#define LAST_CHECK 11u /* what needs neither reference values nor rules */

struct pinning {
    const struct pin_arguments *arguments;
    struct secret_key authority;
    struct record record;
    json_t *root; /* the record's JSON, to be changed and signed again */
    uint8_t *evidence;
    size_t size;
    struct state state;
};

/* A record that this authority signed; what it says else stays. */
static bool load_record(struct pinning *to, char fault[FAULT_SIZE])
{
    struct public_key own;
    uint8_t *text;
    size_t size;

    memcpy(own.id, to->authority.id, sizeof(own.id));
    memcpy(own.key, to->authority.key + 32, sizeof(own.key));
    text = signed_load(to->arguments->record, &own, RECORD_MAX, &size, fault);
    if (text == NULL)
        return false;
    if (record_parse(&to->record, (const char *)text, size))
        to->root = json_loadb((const char *)text, size, 0, NULL);
    else
        memcpy(fault, to->record.fault, FAULT_SIZE);
    free(text);
    return to->root != NULL;
}

static enum exit_status load(struct pinning *to)
{
    char fault[FAULT_SIZE] = "out of memory";

    if (!authority_load(&to->authority, to->arguments->key, fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    if (!load_record(to, fault))
        return fail(EXIT_ENROLMENT, "%s", fault);
    to->evidence = file_head(to->arguments->evidence, BH_EVIDENCE_MAX + 1, &to->size, fault);
    if (to->evidence == NULL ||
        !state_open(&to->state, to->arguments->state, (int64_t)time(NULL), fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    return EXIT_AFFIRMING;
}

static enum exit_status check(struct pinning *to)
{
    static struct result result;
    struct appraisal in = {.evidence = to->evidence,
                           .size = to->size,
                           .record = &to->record,
                           .now = to->state.now,
                           .nonce = state_nonce,
                           .nonce_context = &to->state};

    appraise_until(&in, LAST_CHECK, &result);
    if (to->state.fault[0] != '\0')
        return fail(EXIT_INTERNAL, "%s", to->state.fault);
    if (result.status != EXIT_AFFIRMING)
        show_text(stderr, &result);
    return result.status;
}

static bool is_zero(const uint8_t *value)
{
    static const uint8_t zero[BH_DIGEST];

    return memcmp(value, zero, sizeof(zero)) == 0;
}

static bool set_text(json_t *object, const char *key, const char *text)
{
    return json_object_set_new(object, key, json_string(text)) == 0;
}

static bool set_digest(json_t *object, const char *key, const uint8_t digest[BH_DIGEST])
{
    char text[2 * BH_DIGEST + 1];

    hex(text, sizeof(text), digest, BH_DIGEST);
    return set_text(object, key, text);
}

static bool set_pcrs(json_t *root, const struct claims *claims)
{
    json_t *pcrs = json_object();
    bool is_set = pcrs != NULL && json_object_set_new(root, "pcr", pcrs) == 0;

    for (unsigned n = 0; n < 8 && is_set; n++) {
        const char key[] = {(char)('0' + n), '\0'};

        is_set = set_digest(pcrs, key, claims_pcr(claims, n));
    }
    return is_set;
}

static bool set_smm(json_t *root, const struct event_log *log)
{
    static const char *const modes[] = {
        [BH_SMM_NONE] = "none", [BH_SMM_REPLACED] = "replaced", [BH_SMM_FIRMWARE] = "firmware"};
    struct bh_event_smm event;
    json_t *smm = json_object();

    event_body(log_smm(log), &event, sizeof(event)); /* its mode was checked with the log */
    return smm != NULL && json_object_set_new(root, "smm", smm) == 0 &&
           set_text(smm, "mode", modes[event.mode]) && set_digest(smm, "sha256", event.sha256);
}

/* A loader that measures leaves something in both. */
static enum profile launch(const struct claims *claims)
{
    return is_zero(claims_pcr(claims, 8)) || is_zero(claims_pcr(claims, 9)) ? PROFILE_UNMEASURED
                                                                            : PROFILE_STATIC;
}

/* What was checked is read once more, now for what it says. */
static enum exit_status pin(struct pinning *to, enum profile *profile)
{
    static struct claims claims;
    static struct event_log log;
    struct malformed malformed;
    char place[PLACE_SIZE];
    struct difference difference;
    size_t index;

    if (!claims_read(&claims, to->evidence, to->size, &malformed) ||
        !log_read(&log, claims.evidence.log.at, claims.evidence.log.size, place, &difference) ||
        !log_check(&log, &index, &difference))
        return fail(EXIT_INTERNAL, "evidence passed its checks, but can't be read again");
    *profile = launch(&claims);
    if (!set_pcrs(to->root, &claims) || !set_smm(to->root, &log) ||
        !set_text(to->root, "profile", profile_name(*profile)))
        return fail(EXIT_INTERNAL, "out of memory");
    return EXIT_AFFIRMING;
}

static void tell(const struct pin_arguments *arguments, const char *profile)
{
    json_t *root;

    if (!arguments->json) {
        printf("%s: signed, with PCR 0 to 7, the SMM handler and profile %s of this boot\n",
               arguments->output, profile);
        return;
    }
    root = json_pack("{s:o, s:s}", "record", show_words(arguments->output), "profile", profile);
    json_dumpf(root, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(root);
}

static enum exit_status check_and_pin(struct pinning *to)
{
    char fault[FAULT_SIZE];
    enum profile profile = PROFILE_NONE;
    enum exit_status status = check(to);

    if (status == EXIT_AFFIRMING)
        status = pin(to, &profile);
    if (status != EXIT_AFFIRMING)
        return status;
    if (!record_write(to->root, &to->authority, to->arguments->output, fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    tell(to->arguments, profile_name(profile));
    return EXIT_AFFIRMING;
}

enum exit_status enroll_pin(const struct pin_arguments *arguments)
{
    static struct pinning pinning;
    enum exit_status status;

    pinning.arguments = arguments;
    status = load(&pinning);
    if (status == EXIT_AFFIRMING)
        status = check_and_pin(&pinning);
    free(pinning.evidence);
    json_decref(pinning.root);
    record_free(&pinning.record);
    sign_forget(&pinning.authority);
    return status;
}
