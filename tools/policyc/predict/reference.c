#include "reference.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *hex(const uint8_t *bytes, size_t size)
{
    char text[2 * BH_EVENT_MAX + 1];

    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return json_stringn(text, 2 * size);
}

static json_t *digest(const uint8_t sha256[BH_DIGEST])
{
    return hex(sha256, BH_DIGEST);
}

static json_t *policy_object(const struct reference *r)
{
    const struct bh_event_policy *image = &r->facts->image;

    return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o}", "name", r->policy->name, "version",
                     (json_int_t)r->policy->version, "machine", r->policy->machine, "author",
                     digest(image->author), "tables", digest(image->tables), "matrix",
                     digest(r->matrix));
}

static json_t *files_array(const struct grub_measured *grub)
{
    json_t *array = json_array();

    for (unsigned i = 0; grub != NULL && i < grub->files; i++)
        json_array_append_new(array, json_pack("{s:s, s:o}", "name", grub->file[i].name, "sha256",
                                               digest(grub->file[i].sha256)));
    return array;
}

static json_t *events_array(const struct events *events)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < events->count; i++) {
        json_t *event = json_pack("{s:i, s:s}", "pcr", (int)events->event[i].pcr, "component",
                                  events->event[i].component);

        if (events->event[i].size != 0)
            json_object_set_new(event, "event", hex(events->event[i].field, events->event[i].size));
        json_array_append_new(array, event);
    }
    return array;
}

char *reference_text(const struct reference *r)
{
    static const uint8_t reset[PCR_SIZE];
    const uint8_t *pcr8 = r->grub != NULL ? r->grub->pcr8 : reset;
    const uint8_t *pcr9 = r->grub != NULL ? r->grub->pcr9 : reset;
    json_t *pcrs = json_pack("{s:o, s:o}", "8", digest(pcr8), "9", digest(pcr9));
    json_t *document;
    char *text, *line = NULL;

    if (r->facts->smm.mode != 0)
        json_object_set_new(pcrs, "17", digest(r->events->pcr17));
    json_object_set_new(pcrs, "18", digest(r->events->pcr18));
    document =
        json_pack("{s:s, s:o, s:s, s:{s:o}, s:o, s:o, s:o, s:o}", "format", "bulkhead-reference-1",
                  "policy", policy_object(r), "profile", r->grub != NULL ? "static" : "unmeasured",
                  "commands", "pcr8", digest(pcr8), "files", files_array(r->grub), "pcr9",
                  digest(pcr9), "events", events_array(r->events), "pcr", pcrs);
    text = document != NULL ? json_dumps(document, JSON_INDENT(1)) : NULL;
    json_decref(document);
    if (text != NULL && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

/* ---- comparing ---- */

#define PLACE_SIZE 160u

static const char *shown(json_t *value, char **text)
{
    *text = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    return value == NULL ? "nothing" : *text != NULL ? *text : "?";
}

static unsigned differ(const char *path, const char *place, json_t *got, json_t *right)
{
    char *got_text, *right_text;

    fprintf(stderr, "policyc: error: %s: %s is %.200s, but these files give %.200s\n", path, place,
            shown(got, &got_text), shown(right, &right_text));
    free(got_text);
    free(right_text);
    return 1;
}

static unsigned compare(const char *path, const char *place, json_t *got, json_t *right);

static unsigned compare_objects(const char *path, const char *place, json_t *got, json_t *right)
{
    unsigned differences = 0;
    char inner[PLACE_SIZE];
    const char *key;
    json_t *value;

    json_object_foreach(right, key, value)
    {
        snprintf(inner, sizeof(inner), "%s%s%s", place, place[0] != 0 ? "." : "", key);
        differences += compare(path, inner, json_object_get(got, key), value);
    }
    json_object_foreach(got, key, value)
    {
        snprintf(inner, sizeof(inner), "%s%s%s", place, place[0] != 0 ? "." : "", key);
        if (json_object_get(right, key) == NULL)
            differences += differ(path, inner, value, NULL);
    }
    return differences;
}

static unsigned compare_arrays(const char *path, const char *place, json_t *got, json_t *right)
{
    size_t got_size = json_array_size(got), right_size = json_array_size(right);
    unsigned differences = 0;
    char inner[PLACE_SIZE];

    for (size_t i = 0; i < (got_size > right_size ? got_size : right_size); i++) {
        snprintf(inner, sizeof(inner), "%s[%zu]", place, i);
        differences += compare(path, inner, json_array_get(got, i), json_array_get(right, i));
    }
    return differences;
}

static unsigned compare(const char *path, const char *place, json_t *got, json_t *right)
{
    if (got != NULL && right != NULL && json_typeof(got) == json_typeof(right)) {
        if (json_is_object(right))
            return compare_objects(path, place, got, right);
        if (json_is_array(right))
            return compare_arrays(path, place, got, right);
        if (json_equal(got, right))
            return 0;
    }
    return differ(path, place[0] != 0 ? place : "the document", got, right);
}

unsigned reference_compare(const char *path, const char *text, size_t size, const char *right)
{
    json_error_t error;
    json_t *got = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    json_t *expected = json_loads(right, 0, NULL);
    unsigned differences = 1;

    if (got == NULL)
        fprintf(stderr, "policyc: error: %s:%d: this is no JSON: %s\n", path, error.line,
                error.text);
    else
        differences = compare(path, "", got, expected);
    json_decref(got);
    json_decref(expected);
    return differences;
}
