#include "show.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/version.h"

#define EAR_PROFILE "tag:ietf.org,2026:rats/ear#04"

static json_t *hex_text(const void *bytes, size_t size)
{
    char text[2 * 64 + 1];

    hex(text, sizeof(text), bytes, size);
    return json_string(text);
}

/* EAT's JSON form of bytes: base64url without padding (RFC 9711, 7.2.2). */
static json_t *base64_text(const void *bytes, size_t size)
{
    char text[sodium_base64_ENCODED_LEN(BH_NONCE_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

    sodium_bin2base64(text, sizeof(text), bytes, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return json_string(text);
}

static const char *status_tier(const struct result *result)
{
    switch (result->status) {
    case EXIT_AFFIRMING:
        return tier_name(TIER_AFFIRMING);
    case EXIT_WARNING:
        return tier_name(TIER_WARNING);
    case EXIT_CONTRAINDICATED:
        return tier_name(TIER_CONTRAINDICATED);
    default:
        return tier_name(TIER_NONE);
    }
}

/* AR4SI's claims that this appraisal can make. */
enum trust { TRUST_HARDWARE, TRUST_CONFIGURATION, TRUST_EXECUTABLES, TRUST_NONE };
static const char *const trust_names[] = {"hardware", "configuration", "executables"};

static enum trust trust_of(const struct finding *finding)
{
    if (finding->code == CODE_C601 && strcmp(finding->component, "firmware") == 0)
        return TRUST_HARDWARE;
    if (finding->code == CODE_C601 && strcmp(finding->component, "policy") != 0)
        return TRUST_EXECUTABLES;
    return TRUST_CONFIGURATION;
}

static json_t *vector(const struct result *result, int domain)
{
    int value[TRUST_NONE] = {TIER_AFFIRMING, TIER_AFFIRMING, TIER_AFFIRMING};
    json_t *object = json_object();

    for (size_t i = 0; i < result->findings; i++) {
        const struct finding *finding = &result->finding[i];
        int *own = &value[trust_of(finding)];
        int tier =
            code_row(finding->code)->status == EXIT_WARNING ? TIER_WARNING : TIER_CONTRAINDICATED;

        if ((finding->domain == MACHINE || finding->domain == domain) && tier > *own)
            *own = tier;
    }
    json_object_set_new(object, "instance-identity", json_integer(TIER_AFFIRMING));
    for (size_t i = 0; i < TRUST_NONE; i++)
        json_object_set_new(object, trust_names[i], json_integer(value[i]));
    return object;
}

static json_t *submods(const struct result *result)
{
    json_t *object = json_object();

    for (size_t i = 0; i < result->domains; i++)
        json_object_set_new(object, result->domain[i].name,
                            json_pack("{s:s, s:o}", "ear_status", tier_name(result->domain[i].tier),
                                      "ear_trustworthiness_vector", vector(result, (int)i)));
    return object;
}

static json_t *verdict(const struct verdict *own)
{
    const char *code = own->code != CODE_NONE ? code_row(own->code)->name : NULL;
    json_t *image = own->is_measured ? hex_text(own->image, BH_DIGEST) : json_null();

    return json_pack("{s:s, s:s?, s:s?, s:o, s:I}", "tier", tier_name(own->tier), "code", code,
                     "component", code != NULL ? own->component : NULL, "image", image, "starts",
                     (json_int_t)own->starts);
}

static json_t *domains(const struct result *result)
{
    json_t *object = json_object();

    for (size_t i = 0; i < result->domains; i++)
        json_object_set_new(object, result->domain[i].name, verdict(&result->domain[i]));
    return object;
}

json_t *show_words(const char *words)
{
    json_t *made = json_string(words);
    char *ascii;

    if (made != NULL || (ascii = strdup(words)) == NULL)
        return made;
    for (char *c = ascii; *c != '\0'; c++)
        if ((unsigned char)*c > '~')
            *c = '?';
    made = json_string(ascii);
    free(ascii);
    return made;
}

static json_t *findings(const struct result *result)
{
    json_t *array = json_array();

    for (size_t i = 0; i < result->findings; i++) {
        const struct finding *finding = &result->finding[i];
        const char *domain =
            finding->domain != MACHINE ? result->domain[finding->domain].name : NULL;

        json_array_append_new(array, json_pack("{s:s, s:s?, s:s, s:s, s:o, s:o}", "code",
                                               code_row(finding->code)->name, "domain", domain,
                                               "component", finding->component, "sentence",
                                               code_row(finding->code)->sentence, "expected",
                                               show_words(finding->difference.expected), "got",
                                               show_words(finding->difference.got)));
    }
    return array;
}

static json_t *keys(const struct result *result)
{
    const char *asked_by =
        result->asked_by < result->domains ? result->domain[result->asked_by].name : NULL;

    return json_pack("{s:s?, s:o, s:o}", "asked_by", asked_by, "verifier_x25519",
                     hex_text(result->verifier_x25519, BH_X25519_SIZE), "domain_x25519",
                     hex_text(result->domain_x25519, BH_X25519_SIZE));
}

json_t *show_json(const struct result *result, int64_t now)
{
    json_t *root = json_pack(
        "{s:s, s:I, s:{s:s, s:s}, s:s, s:o, s:o, s:s, s:i, s:o, s:o}", "eat_profile", EAR_PROFILE,
        "iat", (json_int_t)now, "ear_verifier_id", "developer", "Bulkhead", "build",
        "bhattest " BULKHEAD_VERSION, "ear_status", status_tier(result), "submods", submods(result),
        "nonce", result->has_nonce ? hex_text(result->nonce, BH_NONCE_SIZE) : json_null(),
        "profile", profile_name(result->profile), "exit", (int)result->status, "domains",
        domains(result), "findings", findings(result));

    if (root == NULL)
        return NULL;
    if (result->has_nonce)
        json_object_set_new(root, "eat_nonce", base64_text(result->nonce, BH_NONCE_SIZE));
    if (result->has_keys && result->domains != 0)
        json_object_set_new(root, "keys", keys(result));
    return root;
}
