#include "reference.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eventlog.h"
#include "json_read.h"
#include "sha256.h"

/* CORE, POLICY, SMM, CAP; DOMAINs, STARTs, CAP. */
enum { AT_CORE, AT_POLICY, AT_SMM, AT_CAP, AT_DOMAINS };

static bool refuse(struct reference *to, const char *why)
{
    snprintf(to->fault, sizeof(to->fault), "%s", why);
    return false;
}

static bool read_policy(struct reference *to, const json_t *root)
{
    const json_t *policy = read_object(root, "policy", to->fault);

    return policy != NULL && read_text(policy, "name", to->name, sizeof(to->name), to->fault) &&
           read_text(policy, "machine", to->machine, sizeof(to->machine), to->fault) &&
           read_number(policy, "version", &to->version, to->fault) &&
           read_hex(policy, "author", to->author, sizeof(to->author), to->fault) &&
           read_hex(policy, "tables", to->tables, sizeof(to->tables), to->fault) &&
           read_hex(policy, "matrix", to->matrix, sizeof(to->matrix), to->fault);
}

static bool read_files(struct reference *to, const json_t *root)
{
    const json_t *files = read_array(root, "files", REFERENCE_MAX_FILES, to->fault);

    if (files == NULL)
        return false;
    for (; to->files < json_array_size(files); to->files++) {
        const json_t *row = json_array_get(files, to->files);
        struct reference_file *file = &to->file[to->files];

        if (!read_text(row, "name", file->name, sizeof(file->name), to->fault) ||
            !read_hex(row, "sha256", file->sha256, sizeof(file->sha256), to->fault))
            return false;
    }
    return true;
}

/* What GRUB extended: PCR 8, and the files whose fold is PCR 9. */
static bool read_loader(struct reference *to, const json_t *root)
{
    const json_t *commands = read_object(root, "commands", to->fault);
    uint8_t fold[BH_DIGEST] = {0};
    bool has_core = false;

    if (commands == NULL || !read_hex(commands, "pcr8", to->pcr8, sizeof(to->pcr8), to->fault) ||
        !read_hex(root, "pcr9", to->pcr9, sizeof(to->pcr9), to->fault) || !read_files(to, root))
        return false;
    for (size_t i = 0; i < to->files; i++) {
        sha256_extend(fold, to->file[i].sha256);
        has_core |= strcmp(to->file[i].name, "core") == 0;
    }
    if (!has_core)
        return refuse(to, "\"files\": core isn't among them");
    return memcmp(fold, to->pcr9, sizeof(fold)) == 0 ||
           refuse(to, "\"pcr9\" isn't what \"files\" lead to");
}

static bool read_event(struct reference *to, const json_t *row)
{
    struct reference_event *event = &to->event[to->events];
    struct difference why;
    uint64_t pcr;
    size_t size = 0;

    if (!read_number(row, "pcr", &pcr, to->fault))
        return false;
    if (pcr != BH_PCR_CORE && pcr != BH_PCR_DOMAINS)
        return refuse(to, "\"events\": expected PCR 17 or 18");
    event->pcr = (uint32_t)pcr;
    if (to->events++ == AT_SMM && json_object_get(row, "event") == NULL)
        return true; /* the enrolment record says it */
    if (!read_hex_any(row, "event", event->field, sizeof(event->field), &size, to->fault))
        return false;
    event->size = (uint32_t)size;
    return event_check(event->field, size, event->pcr, &why) ||
           refuse(to, "\"events\": one that core can't write");
}

static enum bh_event_type type_of(const struct reference_event *event)
{
    struct bh_event head;

    memcpy(&head, event->field, sizeof(head));
    return (enum bh_event_type)head.type;
}

/* What stands at `index`, of events whose last is at `last`. */
static enum bh_event_type expected_type(size_t index, size_t last)
{
    static const enum bh_event_type first[] = {BH_EVENT_CORE, BH_EVENT_POLICY, BH_EVENT_SMM,
                                               BH_EVENT_CAP};

    if (index < AT_DOMAINS)
        return first[index];
    if (index == last)
        return BH_EVENT_CAP;
    return index < AT_DOMAINS + (last - AT_DOMAINS) / 2 ? BH_EVENT_DOMAIN : BH_EVENT_START;
}

static bool check_order(struct reference *to)
{
    size_t last = to->events - 1;

    if (to->events <= AT_DOMAINS || (last - AT_DOMAINS) % 2 != 0)
        return refuse(to, "\"events\": expected those of core and of each domain");
    for (size_t i = 0; i < to->events; i++) {
        const struct reference_event *event = &to->event[i];

        if (event->pcr != (i < AT_DOMAINS ? BH_PCR_CORE : BH_PCR_DOMAINS) ||
            (event->size != 0 && type_of(event) != expected_type(i, last)))
            return refuse(to, "\"events\": not in the order in which core writes them");
    }
    return true;
}

/* The event of the policy, and what is said of it. */
static bool check_policy(struct reference *to)
{
    struct bh_event_policy policy;

    memcpy(&policy, to->event[AT_POLICY].field + sizeof(struct bh_event), sizeof(policy));
    return (memcmp(policy.author, to->author, sizeof(to->author)) == 0 &&
            memcmp(policy.tables, to->tables, sizeof(to->tables)) == 0 &&
            policy.version == to->version) ||
           refuse(to, "\"policy\" isn't what its event says");
}

static bool read_events(struct reference *to, const json_t *root)
{
    const json_t *events = read_array(root, "events", REFERENCE_MAX_EVENTS, to->fault);

    if (events == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(events); i++)
        if (!read_event(to, json_array_get(events, i)))
            return false;
    return check_order(to) && check_policy(to);
}

bool reference_parse(struct reference *reference, const char *json, size_t size)
{
    json_t *root;
    bool is_read;

    memset(reference, 0, sizeof(*reference));
    root = read_format(json, size, "bulkhead-reference-1", reference->fault);
    if (root == NULL)
        return false;
    sha256(json, size, reference->id);
    is_read = read_policy(reference, root) &&
              read_launch(root, &reference->profile, reference->fault) &&
              (reference->profile == PROFILE_UNMEASURED || read_loader(reference, root)) &&
              read_events(reference, root);
    json_decref(root);
    return is_read;
}

void reference_load(struct reference *reference, const char *path, const struct public_key *author)
{
    char why[FAULT_SIZE];
    size_t size;
    uint8_t *text;

    memset(reference, 0, sizeof(*reference));
    text = signed_load(path, author, REFERENCE_MAX, &size, reference->fault);
    if (text == NULL)
        return;
    if (!reference_parse(reference, (const char *)text, size)) {
        memcpy(why, reference->fault, sizeof(why));
        snprintf(reference->fault, sizeof(reference->fault), "%.120s: %.180s", path, why);
    } else if (memcmp(reference->author, author->key, sizeof(reference->author)) != 0) {
        snprintf(reference->fault, sizeof(reference->fault),
                 "%s: signed by one author, of a policy by another", path);
    }
    free(text);
}

size_t reference_domains(const struct reference *reference)
{
    return (reference->events - 1 - AT_DOMAINS) / 2;
}

const struct reference_event *reference_core(const struct reference *reference)
{
    return &reference->event[AT_CORE];
}

const struct reference_event *reference_policy(const struct reference *reference)
{
    return &reference->event[AT_POLICY];
}

const struct reference_event *reference_smm(const struct reference *reference)
{
    return &reference->event[AT_SMM];
}

const struct reference_event *reference_domain(const struct reference *reference, size_t index)
{
    return &reference->event[AT_DOMAINS + index];
}

const struct reference_event *reference_start(const struct reference *reference, size_t index)
{
    return &reference->event[AT_DOMAINS + reference_domains(reference) + index];
}
