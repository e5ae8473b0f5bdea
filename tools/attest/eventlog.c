#include "eventlog.h"
#include <stdio.h>
#include <string.h>

#include "sha256.h"

/* TCG PC Client Platform Firmware Profile 1.05, 10.2.1, 10.2.2, 10.4.5.1 */
#define HEADER_TO_COUNT (4u + 4u + 20u + 4u + 16u + 4u + 4u)
#define HEADER_MAX      (HEADER_TO_COUNT + 4u + 4u * EVLOG_BANKS_MAX + 1u)
#define ALG_SHA256      0x000bu

/* Little-endian input. */
struct bytes {
    const uint8_t *start;
    const uint8_t *at;
    size_t left;
};

static bool take(struct bytes *in, void *value, size_t size)
{
    if (in->left < size)
        return false;
    memcpy(value, in->at, size);
    in->at += size;
    in->left -= size;
    return true;
}

static bool skip(struct bytes *in, size_t size)
{
    if (in->left < size)
        return false;
    in->at += size;
    in->left -= size;
    return true;
}

static bool refuse(const struct bytes *in, char place[PLACE_SIZE], struct difference *difference,
                   const char *expected, const char *got)
{
    snprintf(place, PLACE_SIZE, "log, offset %zu", (size_t)(in->at - in->start));
    return differs(difference, expected, "%s", got);
}

static bool read_banks(struct bytes *in, struct evlog_banks *banks)
{
    uint16_t size;

    if (!skip(in, HEADER_TO_COUNT) || !take(in, &banks->count, 4) || banks->count > EVLOG_BANKS_MAX)
        return false;
    for (uint32_t i = 0; i < banks->count; i++)
        if (!take(in, &banks->algorithm[i], 2) || !take(in, &size, 2))
            return false;
    return skip(in, 1);
}

/* One form only: the header that core writes of these banks, none of which is there twice. */
static bool read_header(struct bytes *in, struct evlog_banks *banks, char place[PLACE_SIZE],
                        struct difference *difference)
{
    uint8_t bytes[HEADER_MAX];
    struct evlog again;
    bool has_sha256 = false;

    if (!read_banks(in, banks))
        return refuse(in, place, difference, "a Spec ID Event03 header",
                      "it is cut short, or no such");
    if (!evlog_begin(&again, bytes, sizeof(bytes), banks))
        return refuse(in, place, difference, "known algorithms, each once", "others");
    if (again.used != (size_t)(in->at - in->start) || memcmp(bytes, in->start, again.used) != 0)
        return refuse(in, place, difference, "a Spec ID Event03 header as core writes it",
                      "another");
    for (uint32_t i = 0; i < banks->count; i++)
        has_sha256 |= banks->algorithm[i] == ALG_SHA256;
    return has_sha256 || refuse(in, place, difference, "a SHA-256 bank", "none");
}

static bool read_digests(struct bytes *in, const struct evlog_banks *banks, struct log_event *event,
                         char place[PLACE_SIZE], struct difference *difference)
{
    uint32_t count;
    uint16_t algorithm;

    if (!take(in, &count, 4) || count != banks->count)
        return refuse(in, place, difference, "a digest for each bank of the header", "not as many");
    for (uint32_t i = 0; i < count; i++) {
        if (!take(in, &algorithm, 2) || algorithm != banks->algorithm[i])
            return refuse(in, place, difference, "digests in the header's order",
                          "another algorithm");
        if (algorithm == ALG_SHA256)
            event->digest = in->at;
        if (!skip(in, evlog_digest_size(algorithm)))
            return refuse(in, place, difference, "a digest", "it is cut short");
    }
    return true;
}

static bool read_event(struct bytes *in, const struct evlog_banks *banks, struct log_event *event,
                       char place[PLACE_SIZE], struct difference *difference)
{
    uint32_t type;

    *event = (struct log_event){0};
    if (!take(in, &event->pcr, 4) || event->pcr < BH_PCR_CORE || event->pcr > BH_PCR_RUNTIME)
        return refuse(in, place, difference, "an event of PCR 17, 18 or 19", "another PCR");
    if (!take(in, &type, 4) || type != TCG_EV_EVENT_TAG)
        return refuse(in, place, difference, "an event of type EV_EVENT_TAG", "another");
    if (!read_digests(in, banks, event, place, difference))
        return false;
    if (!take(in, &event->size, 4) || event->size > BH_EVENT_MAX)
        return refuse(in, place, difference, "an event of at most 1024 bytes", "it is longer");
    event->field = in->at;
    if (!skip(in, event->size))
        return refuse(in, place, difference, "a whole event", "it is cut short");
    if (event->size >= sizeof(event->head))
        memcpy(&event->head, event->field, sizeof(event->head));
    return true;
}

bool log_read(struct event_log *log, const uint8_t *bytes, size_t size, char place[PLACE_SIZE],
              struct difference *difference)
{
    struct bytes in = {bytes, bytes, size};

    log->events = 0;
    log->domains = 0;
    log->is_full = false;
    if (!read_header(&in, &log->banks, place, difference))
        return false;
    while (in.left != 0) {
        if (log->events == BH_EVIDENCE_MAX_EVENTS)
            return refuse(&in, place, difference, "at most 8192 events", "more");
        if (!read_event(&in, &log->banks, &log->event[log->events], place, difference))
            return false;
        log->events++;
    }
    return true;
}

void log_replay(const struct event_log *log, uint32_t pcr, uint8_t first, uint8_t value[BH_DIGEST])
{
    memset(value, first, BH_DIGEST);
    for (size_t i = 0; i < log->events; i++)
        if (log->event[i].pcr == pcr)
            sha256_extend(value, log->event[i].digest);
}

/* What is predictable stands at fixed places: CORE, BOOT, POLICY, SMM, CAP, DOMAINs, STARTs, CAP.
 */
enum { AT_CORE, AT_BOOT, AT_POLICY, AT_SMM, AT_CAP, AT_DOMAINS };

const struct log_event *log_core(const struct event_log *log)
{
    return &log->event[AT_CORE];
}

const struct log_event *log_boot(const struct event_log *log)
{
    return &log->event[AT_BOOT];
}

const struct log_event *log_policy(const struct event_log *log)
{
    return &log->event[AT_POLICY];
}

const struct log_event *log_smm(const struct event_log *log)
{
    return &log->event[AT_SMM];
}

const struct log_event *log_domain(const struct event_log *log, size_t domain)
{
    return &log->event[AT_DOMAINS + domain];
}

const struct log_event *log_start(const struct event_log *log, size_t domain)
{
    return &log->event[AT_DOMAINS + log->domains + domain];
}

size_t log_runtime(const struct event_log *log)
{
    return AT_DOMAINS + 2 * log->domains + 1;
}

void event_body(const struct log_event *event, void *body, size_t size)
{
    memcpy(body, event->field + sizeof(struct bh_event), size);
}

void event_file(const struct log_event *event, size_t index, struct bh_event_file *file)
{
    memcpy(file,
           event->field + sizeof(struct bh_event) + sizeof(struct bh_event_domain) +
               index * sizeof(*file),
           sizeof(*file));
}

const char *event_name(uint16_t type)
{
    switch (type) {
#define EVENT(name, number, pcr, says) \
    case (number):                     \
        return #name;
#include "tables/events.def"
#undef EVENT
    }
    return "?";
}

const char *event_says(uint16_t type)
{
    switch (type) {
#define EVENT(name, number, pcr, says) \
    case (number):                     \
        return (says);
#include "tables/events.def"
#undef EVENT
    }
    return "?";
}
