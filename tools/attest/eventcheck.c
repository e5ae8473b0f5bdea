/* Whether core can have written an event, and the events in this order. */
#include "eventlog.h"
#include <stdio.h>
#include <string.h>

#include "lib/evidence.h"
#include "sha256.h"

enum {
#define VIOLATION(name, word) KIND_##name,
#include "tables/violations.def"
#undef VIOLATION
};

static bool is_zero(const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < size; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

/* PCR of events.def; 0: CAP. -1: no such type. */
static int pcr_of(uint16_t type)
{
    switch (type) {
#define EVENT(name, number, pcr, says) \
    case (number):                     \
        return (pcr);
#include "tables/events.def"
#undef EVENT
    }
    return -1;
}

static bool check_pcr(uint16_t type, uint32_t pcr, struct difference *difference)
{
    int owner = pcr_of(type);

    if (owner < 0)
        return differs(difference, "a known type of event", "type %u", type);
    if (owner != 0)
        return same_number(difference, "the event's PCR", (uint32_t)owner, pcr);
    return pcr == BH_PCR_CORE || pcr == BH_PCR_DOMAINS ||
           differs(difference, "CAP in PCR 17 or 18", "PCR %u", pcr);
}

static bool check_head(const struct bh_event *head, size_t size, uint32_t pcr,
                       struct difference *difference)
{
    if (memcmp(head->magic, BH_EVENT_MAGIC, sizeof(head->magic)) != 0)
        return differs(difference, "magic " BH_EVENT_MAGIC, "another");
    return same_number(difference, "tag", BH_EVENT_TAG | head->type, head->tag) &&
           same_number(difference, "data size", size - offsetof(struct bh_event, magic),
                       head->data_size) &&
           same_number(difference, "format", BH_EVENT_FORMAT, head->format) &&
           same_number(difference, "body's size", size - sizeof(*head), head->size) &&
           check_pcr(head->type, pcr, difference) &&
           (pcr == BH_PCR_RUNTIME ||
            same_number(difference, "time of a predictable event", 0, head->time));
}

static bool check_size(const struct bh_event *head, size_t size, struct difference *difference)
{
    return same_number(difference, "the body's size of its type", size, head->size);
}

static bool check_smm(const uint8_t *body, struct difference *difference)
{
    struct bh_event_smm smm;

    memcpy(&smm, body, sizeof(smm));
    if (smm.mode < BH_SMM_NONE || smm.mode > BH_SMM_FIRMWARE || smm.pad != 0)
        return differs(difference, "a known mode of SMM", "mode %u", smm.mode);
    return smm.mode == BH_SMM_REPLACED || is_zero(smm.sha256, sizeof(smm.sha256)) ||
           differs(difference, "no digest of a handler that wasn't read", "one");
}

/* A name and then zeros only, printable: it is shown on terminals. */
static bool is_name(const char name[BH_NAME_SIZE])
{
    size_t length = strnlen(name, BH_NAME_SIZE);

    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return length != 0 && length != BH_NAME_SIZE && is_zero(name + length, BH_NAME_SIZE - length);
}

static bool check_domain(const struct bh_event *head, const uint8_t *body,
                         struct difference *difference)
{
    struct bh_event_domain domain;
    struct bh_event_file file;

    if (head->size < sizeof(domain))
        return check_size(head, sizeof(domain), difference);
    memcpy(&domain, body, sizeof(domain));
    if (!is_name(domain.name))
        return differs(difference, "a domain's name, zero-padded", "another form");
    if (domain.files > BH_MAX_FILES || domain.pad != 0)
        return differs(difference, "at most 16 files", "%u", domain.files);
    if (!check_size(head, sizeof(domain) + domain.files * sizeof(file), difference))
        return false;
    for (uint32_t i = 0; i < domain.files; i++) {
        memcpy(&file, body + sizeof(domain) + i * sizeof(file), sizeof(file));
        if (file.role < BH_FILE_KERNEL || file.role > BH_FILE_MODULE || file.pad != 0)
            return differs(difference, "a known role of a file", "role %u", file.role);
    }
    return true;
}

static bool check_violation(const struct bh_event *head, const uint8_t *body,
                            struct difference *difference)
{
    struct bh_event_violation violation;
    bool is_dma = head->type == BH_EVENT_DMA_FAULT;

    memcpy(&violation, body, sizeof(violation));
    if (violation.kind >= EVIDENCE_KINDS || violation.pad != 0 ||
        (violation.kind == KIND_DMA) != is_dma)
        return differs(difference, is_dma ? "the kind dma" : "a known kind other than dma",
                       "kind %u", violation.kind);
    return true;
}

static bool check_restart(const uint8_t *body, struct difference *difference)
{
    struct bh_event_restart restart;

    memcpy(&restart, body, sizeof(restart));
    return same_number(difference, "padding", 0, restart.pad);
}

static bool check_body(const struct bh_event *head, const uint8_t *body,
                       struct difference *difference)
{
    switch ((enum bh_event_type)head->type) {
    case BH_EVENT_CORE:
        return check_size(head, sizeof(struct bh_event_core), difference);
    case BH_EVENT_POLICY:
        return check_size(head, sizeof(struct bh_event_policy), difference);
    case BH_EVENT_SMM:
        return check_size(head, sizeof(struct bh_event_smm), difference) &&
               check_smm(body, difference);
    case BH_EVENT_CAP:
    case BH_EVENT_LOG_FULL:
        return check_size(head, 0, difference);
    case BH_EVENT_DOMAIN:
        return check_domain(head, body, difference);
    case BH_EVENT_START:
        return check_size(head, sizeof(struct bh_event_start), difference);
    case BH_EVENT_BOOT:
        return check_size(head, sizeof(struct bh_event_boot), difference);
    case BH_EVENT_STOP:
    case BH_EVENT_CRASH:
        return check_size(head, sizeof(struct bh_event_end), difference);
    case BH_EVENT_RESTART:
        return check_size(head, sizeof(struct bh_event_restart), difference) &&
               check_restart(body, difference);
    case BH_EVENT_VIOLATION:
    case BH_EVENT_DMA_FAULT:
        return check_size(head, sizeof(struct bh_event_violation), difference) &&
               check_violation(head, body, difference);
    }
    return differs(difference, "a known type of event", "type %u", head->type);
}

bool event_check(const uint8_t *field, size_t size, uint32_t pcr, struct difference *difference)
{
    struct bh_event head;

    if (size < sizeof(head) || size > BH_EVENT_MAX)
        return differs(difference, "an event of 32 to 1024 bytes", "%zu bytes", size);
    memcpy(&head, field, sizeof(head));
    return check_head(&head, size, pcr, difference) &&
           check_body(&head, field + sizeof(head), difference);
}

/* Whether its digest is that of its payload, and its number the next. */
static bool check_entry(const struct log_event *event, size_t index, struct difference *difference)
{
    uint8_t digest[BH_DIGEST];

    sha256(event->field, event->size, digest);
    return same_bytes(difference, "the payload's digest", digest, sizeof(digest), event->digest,
                      BH_DIGEST) &&
           event_check(event->field, event->size, event->pcr, difference) &&
           same_number(difference, "sequence number", index, event->head.sequence);
}

/* The order of what can be predicted, as a state machine over the events' types. */
struct order {
    size_t index;   /* of the event */
    size_t domains; /* DOMAIN events so far */
    size_t starts;  /* START events so far */
    bool is_closed; /* PCR 18 had its CAP */
};

static bool want(const struct log_event *event, enum bh_event_type type, uint32_t pcr,
                 struct difference *difference)
{
    if (event->head.type == type && event->pcr == pcr)
        return true;
    differs(difference, event_name((uint16_t)type), "%s in PCR %u", event_name(event->head.type),
            event->pcr);
    return false;
}

static bool want_domain(const struct log_event *event, uint32_t domain,
                        struct difference *difference)
{
    return same_number(difference, "the event's domain", domain, event->head.domain);
}

static bool is_new_name(const struct event_log *log, const struct log_event *event, size_t before)
{
    struct bh_event_domain own, other;

    event_body(event, &own, sizeof(own));
    for (size_t i = 0; i < before; i++) {
        event_body(log_domain(log, i), &other, sizeof(other));
        if (memcmp(own.name, other.name, sizeof(own.name)) == 0)
            return false;
    }
    return true;
}

/* DOMAIN of each, START of each, CAP. */
static bool check_domains(const struct event_log *log, struct order *order,
                          const struct log_event *event, struct difference *difference)
{
    if (order->starts == 0 && event->head.type == BH_EVENT_DOMAIN) {
        if (order->domains == BH_EVIDENCE_MAX_DOMAINS)
            return differs(difference, "at most 64 domains", "more");
        if (!is_new_name(log, event, order->domains))
            return differs(difference, "a name for each domain", "the same name twice");
        return want_domain(event, (uint32_t)order->domains++, difference);
    }
    if (order->starts < order->domains)
        return want(event, BH_EVENT_START, BH_PCR_DOMAINS, difference) &&
               want_domain(event, (uint32_t)order->starts++, difference);
    order->is_closed = true;
    return want(event, BH_EVENT_CAP, BH_PCR_DOMAINS, difference) &&
           want_domain(event, BH_NOBODY, difference);
}

static bool check_runtime(const struct event_log *log, const struct order *order,
                          const struct log_event *event, struct difference *difference)
{
    if (event->pcr != BH_PCR_RUNTIME || event->head.type == BH_EVENT_BOOT)
        return differs(difference, "an event of PCR 19, which happens after the start",
                       "%s in PCR %u", event_name(event->head.type), event->pcr);
    if (event->head.type == BH_EVENT_LOG_FULL)
        return want_domain(event, BH_NOBODY, difference) &&
               (order->index + 1 == log->events ||
                differs(difference, "nothing behind LOG_FULL", "an event"));
    if (event->head.time < log_boot(log)->head.time)
        return differs(difference, "an event after this boot", "one of before");
    return event->head.domain < order->domains ||
           differs(difference, "an event of one of the domains", "domain %u", event->head.domain);
}

static bool check_order(const struct event_log *log, struct order *order,
                        struct difference *difference)
{
    static const struct {
        enum bh_event_type type;
        uint32_t pcr;
    } first[] = {{BH_EVENT_CORE, BH_PCR_CORE},
                 {BH_EVENT_BOOT, BH_PCR_RUNTIME},
                 {BH_EVENT_POLICY, BH_PCR_CORE},
                 {BH_EVENT_SMM, BH_PCR_CORE},
                 {BH_EVENT_CAP, BH_PCR_CORE}};
    const struct log_event *event = &log->event[order->index];

    if (order->index < sizeof(first) / sizeof(first[0]))
        return want(event, first[order->index].type, first[order->index].pcr, difference) &&
               want_domain(event, BH_NOBODY, difference);
    return order->is_closed ? check_runtime(log, order, event, difference)
                            : check_domains(log, order, event, difference);
}

bool log_check(struct event_log *log, size_t *index, struct difference *difference)
{
    struct order order = {0};

    for (; order.index < log->events; order.index++) {
        *index = order.index;
        if (!check_entry(&log->event[order.index], order.index, difference) ||
            !check_order(log, &order, difference))
            return false;
    }
    *index = log->events;
    log->domains = order.domains;
    log->is_full = log->events != 0 && log->event[log->events - 1].head.type == BH_EVENT_LOG_FULL;
    return order.is_closed || differs(difference, "CAP of PCR 18", "the log's end");
}
