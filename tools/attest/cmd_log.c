#include "command.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "eventlog.h"
#include "input.h"

#define TEXT_SIZE 1024u

static const char *const kinds[EVIDENCE_KINDS] = {
#define VIOLATION(name, word) word,
#include "tables/violations.def"
#undef VIOLATION
};

/* A text that grows by pieces; what doesn't fit is left out. */
struct text {
    char bytes[TEXT_SIZE];
    size_t used;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length =
        vsnprintf(text->bytes + text->used, sizeof(text->bytes) - text->used, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->used += (size_t)length;
    if (text->used >= sizeof(text->bytes))
        text->used = sizeof(text->bytes) - 1;
}

static void add_hex(struct text *text, const char *what, const void *bytes, size_t size)
{
    char digits[2 * 64 + 1];

    hex(digits, sizeof(digits), bytes, size);
    add(text, "%s%s ", what, digits);
}

static void add_policy(struct text *text, const struct log_event *event)
{
    struct bh_event_policy policy;

    event_body(event, &policy, sizeof(policy));
    add(text, "version %" PRIu64 " ", policy.version);
    add_hex(text, "author ", policy.author, sizeof(policy.author));
    add_hex(text, "tables ", policy.tables, BH_DIGEST);
    add_hex(text, "image ", policy.image, BH_DIGEST);
    add_hex(text, "signature ", policy.signature, BH_DIGEST);
}

static void add_smm(struct text *text, const struct log_event *event)
{
    static const char *const modes[] = {"?", "none", "replaced", "firmware"};
    struct bh_event_smm smm;

    event_body(event, &smm, sizeof(smm));
    add(text, "%s ", modes[smm.mode]);
    if (smm.mode == BH_SMM_REPLACED)
        add_hex(text, "", smm.sha256, BH_DIGEST);
}

static void add_domain(struct text *text, const struct log_event *event)
{
    static const char *const roles[] = {"?", "kernel", "initrd", "image", "module"};
    struct bh_event_domain domain;
    struct bh_event_file file;

    event_body(event, &domain, sizeof(domain));
    add(text, "%s ", domain.name);
    for (uint32_t i = 0; i < domain.files; i++) {
        event_file(event, i, &file);
        add(text, "%s of %" PRIu64 " bytes ", roles[file.role], file.size);
        add_hex(text, "", file.sha256, BH_DIGEST);
    }
}

static void add_start(struct text *text, const struct log_event *event)
{
    static const char *const boots[] = {"?", "linux", "flat", "pvh", "multiboot"};
    struct bh_event_start start;

    event_body(event, &start, sizeof(start));
    add(text, "boot %s ", boots[start.boot < sizeof(boots) / sizeof(boots[0]) ? start.boot : 0]);
    add(text, "cores %" PRIx32 "h memory %" PRIx64 "h load %" PRIx64 "h entry %" PRIx64 "h ",
        start.cores, start.memory_size, start.load_gpa, start.entry_gpa);
    add_hex(text, "cmdline ", start.cmdline, BH_DIGEST);
}

static void add_boot(struct text *text, const struct log_event *event)
{
    struct bh_event_boot boot;

    event_body(event, &boot, sizeof(boot));
    add(text, "resets %" PRIu32 " restarts %" PRIu32 " ", boot.reset_count, boot.restart_count);
    add_hex(text, "id ", boot.boot_id, sizeof(boot.boot_id));
}

static void add_end(struct text *text, const struct log_event *event)
{
    struct bh_event_end end;

    event_body(event, &end, sizeof(end));
    add(text, "exit %" PRIx64 "h (%" PRIx64 "h, %" PRIx64 "h) at %" PRIx64 "h ", end.exitcode,
        end.exitinfo1, end.exitinfo2, end.rip);
}

static void add_violation(struct text *text, const struct log_event *event)
{
    struct bh_event_violation violation;

    event_body(event, &violation, sizeof(violation));
    add(text, "%s at %" PRIx64 "h ", kinds[violation.kind], violation.address);
}

/* What it says; each body was checked by event_check. */
static void describe(struct text *text, const struct log_event *event)
{
    struct bh_event_core core;
    struct bh_event_restart restart;

    switch ((enum bh_event_type)event->head.type) {
    case BH_EVENT_CORE:
        event_body(event, &core, sizeof(core));
        add_hex(text, "", core.sha256, BH_DIGEST);
        break;
    case BH_EVENT_POLICY:
        add_policy(text, event);
        break;
    case BH_EVENT_SMM:
        add_smm(text, event);
        break;
    case BH_EVENT_DOMAIN:
        add_domain(text, event);
        break;
    case BH_EVENT_START:
        add_start(text, event);
        break;
    case BH_EVENT_BOOT:
        add_boot(text, event);
        break;
    case BH_EVENT_STOP:
    case BH_EVENT_CRASH:
        add_end(text, event);
        break;
    case BH_EVENT_RESTART:
        event_body(event, &restart, sizeof(restart));
        add(text, "start %" PRIu32 " ", restart.starts);
        break;
    case BH_EVENT_VIOLATION:
    case BH_EVENT_DMA_FAULT:
        add_violation(text, event);
        break;
    case BH_EVENT_CAP:
    case BH_EVENT_LOG_FULL:
        break;
    }
    if (text->used != 0 && text->bytes[text->used - 1] == ' ')
        text->bytes[--text->used] = '\0';
}

static void domain_name(const struct event_log *log, const struct log_event *event,
                        char name[BH_NAME_SIZE])
{
    struct bh_event_domain domain;

    name[0] = '\0';
    if (event->head.domain >= log->domains)
        return;
    event_body(log_domain(log, event->head.domain), &domain, sizeof(domain));
    memcpy(name, domain.name, BH_NAME_SIZE);
}

static void print_event(const struct event_log *log, const struct log_event *event)
{
    struct text text = {.used = 0};
    char name[BH_NAME_SIZE];

    domain_name(log, event, name);
    describe(&text, event);
    printf("%4" PRIu32 "  PCR %" PRIu32 "  %-9s  %-9s  %s\n", event->head.sequence, event->pcr,
           event_name(event->head.type), name, text.bytes);
}

static json_t *json_event(const struct event_log *log, const struct log_event *event)
{
    struct text text = {.used = 0};
    char name[BH_NAME_SIZE], digest[2 * BH_DIGEST + 1];

    domain_name(log, event, name);
    describe(&text, event);
    hex(digest, sizeof(digest), event->digest, BH_DIGEST);
    return json_pack("{s:I, s:I, s:s, s:s, s:s?, s:I, s:s, s:s}", "sequence",
                     (json_int_t)event->head.sequence, "pcr", (json_int_t)event->pcr, "type",
                     event_name(event->head.type), "says", event_says(event->head.type), "domain",
                     name[0] != '\0' ? name : NULL, "time", (json_int_t)event->head.time, "sha256",
                     digest, "text", text.bytes);
}

static enum exit_status print_json(const struct event_log *log)
{
    json_t *array = json_array();
    bool is_written = true;

    for (size_t i = 0; i < log->events; i++)
        is_written &= json_array_append_new(array, json_event(log, &log->event[i])) == 0;
    is_written = is_written && json_dumpf(array, stdout, JSON_INDENT(1)) == 0;
    putchar('\n');
    json_decref(array);
    return is_written ? EXIT_AFFIRMING : fail(EXIT_INTERNAL, "the log can't be written");
}

/* The log is shown only if it is sound; whether anybody signed it only `appraise` says. */
static enum exit_status show(const struct evidence_bytes *bytes, bool is_json)
{
    static struct event_log log;
    struct difference difference;
    char place[PLACE_SIZE];
    size_t index;

    if (!log_read(&log, bytes->at, bytes->size, place, &difference))
        return fail(EXIT_EVIDENCE, "E306 %s: expected %s, got %s", place, difference.expected,
                    difference.got);
    if (!log_check(&log, &index, &difference))
        return fail(EXIT_EVIDENCE, "E307 event %zu: expected %s, got %s", index,
                    difference.expected, difference.got);
    if (is_json)
        return print_json(&log);
    puts("Not appraised: whoever handed this out can have written it.");
    for (size_t i = 0; i < log.events; i++)
        print_event(&log, &log.event[i]);
    return EXIT_AFFIRMING;
}

enum exit_status command_log(char **arguments)
{
    static struct claims claims;
    bool is_json = false;
    const struct option options[] = {{"--json", NULL, &is_json, false}};
    const char *path;
    uint8_t *bytes;
    enum exit_status status = parse_arguments("log", arguments, options, 1, &path, 1);

    if (status != EXIT_AFFIRMING)
        return status;
    status = input_evidence(path, &bytes, &claims);
    if (status == EXIT_AFFIRMING) {
        status = show(&claims.evidence.log, is_json);
        free(bytes);
    }
    return status;
}
