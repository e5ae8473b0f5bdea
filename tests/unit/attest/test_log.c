/* Checks 9 and 10: the log's syntax and replay, and its events. All is signed. */
#include "verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "tools/attest/sha256.h"

/* Check 9: the log, which is signed as it is, after a change of its bytes. */
static void changed_log(size_t at, const void *bytes, size_t size)
{
    struct machine *machine = begin();

    machine_extend(machine);
    machine_quote(machine);
    assert_true(at + size <= machine->log_size);
    memcpy(machine->log + at, bytes, size);
    machine_attest(machine);
    machine_sign(machine);
    machine_encode(machine);
    machine_appraise(machine);
    rejected(machine, CODE_E306);
}

static void changed_number(size_t at, uint32_t number, size_t size)
{
    changed_log(at, &number, size);
}

/* Places in the header of two banks, and in the first event behind it. */
enum {
    TYPE = 4,
    HEADER_DIGEST = 8,
    HEADER_SIZE = 28,
    SIGNATURE_TEXT = 32,
    CLASS = 48,
    VERSION = 52,
    BANKS = 56,
    FIRST_BANK = 60,
    FIRST_SIZE = 62,
    SECOND_BANK = 64,
    VENDOR = 68,
    EVENT_PCR = 69,
    EVENT_TYPE = EVENT_PCR + 4,
    DIGESTS = EVENT_PCR + 8,
    DIGEST_ALG = EVENT_PCR + 12,
    DIGEST_256 = DIGEST_ALG + 2 + 20 + 2,
    EVENT_SIZE = DIGEST_256 + 32,
};

static void other_headers(void **state)
{
    (void)state;
    changed_number(0, 1, 4);
    changed_number(TYPE, TCG_EV_EVENT_TAG, 4);
    changed_number(HEADER_DIGEST, 1, 4);
    changed_number(HEADER_SIZE, 0xffffffff, 4);
    changed_number(HEADER_SIZE, 36, 4);
    changed_number(SIGNATURE_TEXT + 14, '2', 1);
    changed_number(CLASS, 1, 4);
    changed_number(VERSION, 0, 4);
    changed_number(BANKS, 0, 4);
    changed_number(BANKS, 1, 4);
    changed_number(BANKS, 3, 4);
    changed_number(BANKS, 0xffffffff, 4);
    changed_number(FIRST_BANK, 0x000b, 2); /* SHA-256 twice */
    changed_number(FIRST_BANK, 0x7777, 2); /* an unknown algorithm */
    changed_number(FIRST_SIZE, 0xffff, 2);
    changed_number(SECOND_BANK, 0x0012, 2); /* SM3, as large: no SHA-256 */
    changed_number(VENDOR, 1, 1);
}

static void other_events(void **state)
{
    (void)state;
    changed_number(EVENT_PCR, 0, 4);
    changed_number(EVENT_PCR, 16, 4);
    changed_number(EVENT_PCR, 20, 4);
    changed_number(EVENT_PCR, 100, 4);
    changed_number(EVENT_PCR, 0xffffffff, 4);
    changed_number(EVENT_PCR, 18, 4);
    changed_number(EVENT_TYPE, TCG_EV_NO_ACTION, 4);
    changed_number(EVENT_TYPE, 13, 4);
    changed_number(DIGESTS, 0, 4);
    changed_number(DIGESTS, 1, 4);
    changed_number(DIGESTS, 0xffffffff, 4);
    changed_number(DIGEST_ALG, 0x000b, 2);
    changed_number(DIGEST_256, 0, 4);
    changed_number(EVENT_SIZE, 0xffffffff, 4);
    changed_number(EVENT_SIZE, BH_EVENT_MAX + 1, 4);
    changed_number(EVENT_SIZE, 65, 4);
}

static void a_cut_log(void **state)
{
    (void)state;
    for (unsigned cut = 0; cut < 6; cut++) {
        static const size_t sizes[] = {0, 1, BANKS, EVENT_PCR, EVENT_PCR + 1, EVENT_SIZE + 4};
        struct machine *machine = begin();

        machine_extend(machine);
        machine_quote(machine);
        machine->log_size = machine->claims.log.size = sizes[cut];
        machine_attest(machine);
        machine_sign(machine);
        machine_encode(machine);
        machine_appraise(machine);
        rejected(machine, CODE_E306);
    }
}

/* The log as entries, edited behind the TPM's back. */
static void edited(void (*edit)(struct machine *machine))
{
    struct machine *machine = begin();

    machine_extend(machine);
    edit(machine);
    machine_quote(machine);
    machine_encode(machine);
    machine_appraise(machine);
    rejected(machine, CODE_E306);
}

static void cut_last(struct machine *machine)
{
    machine->events--;
}

static void duplicate(struct machine *machine)
{
    machine->event[machine->events] = machine->event[machine->events - 1];
    machine->events++;
}

static void reorder(struct machine *machine)
{
    struct machine_event kept = machine->event[5];

    machine->event[5] = machine->event[6];
    machine->event[6] = kept;
}

static void swap_pcrs(struct machine *machine)
{
    machine->event[3].pcr = BH_PCR_DOMAINS;
}

static void extend_beside(struct machine *machine)
{
    sha256_extend(machine->pcr[19], machine->pcr[0]);
}

static void logs_that_do_not_lead_there(void **state)
{
    (void)state;
    edited(cut_last);
    edited(duplicate);
    edited(reorder);
    edited(swap_pcrs);
    edited(extend_beside);
}

/* Check 10: one field of an event, extended as it is. Offsets in struct bh_event and bodies. */
static void changed_event(size_t index, size_t at, uint32_t number, size_t size)
{
    struct machine *machine = begin();

    memcpy(machine->event[index].field + at, &number, size);
    finish(machine);
    rejected(machine, CODE_E307);
}

#define HEAD(field) offsetof(struct bh_event, field)
#define BODY        sizeof(struct bh_event)

static void other_heads(void **state)
{
    (void)state;
    changed_event(2, HEAD(tag), 0x52480000 | BH_EVENT_POLICY, 4);
    changed_event(2, HEAD(tag), BH_EVENT_TAG | BH_EVENT_SMM, 4);
    changed_event(2, HEAD(data_size), 0xffffffff, 4);
    changed_event(2, HEAD(magic), 0, 4);
    changed_event(2, HEAD(format), 2, 2);
    changed_event(2, HEAD(type), BH_EVENT_SMM, 2);
    changed_event(2, HEAD(type), 99, 2);
    changed_event(2, HEAD(sequence), 3, 4);
    changed_event(2, HEAD(sequence), 0xffffffff, 4);
    changed_event(2, HEAD(domain), 0, 2);
    changed_event(2, HEAD(size), 0xffff, 2);
    changed_event(2, HEAD(time), 1, 4);
    changed_event(5, HEAD(domain), 1, 2);
    changed_event(7, HEAD(domain), 1, 2);
}

static void other_bodies(void **state)
{
    (void)state;
    changed_event(3, BODY, 0, 4); /* SMM's mode */
    changed_event(3, BODY, 9, 4);
    changed_event(3, BODY + 4, 1, 4);    /* its padding */
    changed_event(3, BODY + 8, 1, 4);    /* nothing was read */
    changed_event(5, BODY, 0, 1);        /* no name */
    changed_event(5, BODY, 0x1b, 1);     /* ESC */
    changed_event(5, BODY + 31, 'x', 1); /* behind the name */
    changed_event(5, BODY + offsetof(struct bh_event_domain, files), 1, 4);
    changed_event(5, BODY + offsetof(struct bh_event_domain, files), 0xffffffff, 4);
    changed_event(5, BODY + offsetof(struct bh_event_domain, pad), 1, 4);
    changed_event(5, BODY + sizeof(struct bh_event_domain), 9, 4);     /* a role */
    changed_event(5, BODY + sizeof(struct bh_event_domain) + 4, 1, 4); /* padding */
}

static void other_sizes(void **state)
{
    (void)state;
    for (size_t index = 0; index < 10; index++)
        for (int longer = -1; longer <= 1; longer += 2) {
            struct machine *machine = begin();
            struct machine_event *event = &machine->event[index];
            struct bh_event head;

            event->size = (uint32_t)((int)event->size + longer);
            memcpy(&head, event->field, sizeof(head));
            head.size = (uint16_t)(head.size + longer);
            head.data_size = (uint32_t)((int)head.data_size + longer);
            memcpy(event->field, &head, sizeof(head));
            finish(machine);
            rejected(machine, CODE_E307);
        }
}

static void a_digest_of_something_else(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->event[8].has_digest = true;
    memset(machine->event[8].digest, 1, BH_DIGEST);
    finish(machine);
    rejected(machine, CODE_E307);
}

/* The events in an order, numbered so; 0 ends it. */
static void ordered(const unsigned *order)
{
    struct machine *machine = begin(), *old = malloc(sizeof(*old));

    memcpy(old, machine, sizeof(*old));
    for (machine->events = 0; order[machine->events] != 0; machine->events++) {
        struct machine_event *event = &machine->event[machine->events];

        *event = old->event[order[machine->events] - 1];
        memcpy(event->field + HEAD(sequence), &(uint32_t){(uint32_t)machine->events}, 4);
    }
    free(old);
    finish(machine);
    rejected(machine, CODE_E307);
}

static void other_orders(void **state)
{
    static const unsigned orders[][14] = {
        {2, 1, 3, 4, 5, 6, 7, 8, 9, 10},     /* BOOT first */
        {1, 3, 4, 5, 2, 6, 7, 8, 9, 10},     /* BOOT later */
        {1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10},  /* BOOT twice */
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2},  /* BOOT again */
        {1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},  /* CORE twice */
        {1, 2, 4, 3, 5, 6, 7, 8, 9, 10},     /* SMM before POLICY */
        {1, 2, 3, 5, 6, 7, 8, 9, 10},        /* no SMM */
        {1, 2, 3, 4, 6, 7, 8, 9, 10},        /* no CAP of 17 */
        {1, 2, 3, 4, 5, 6, 7, 8, 9},         /* no CAP of 18 */
        {1, 2, 3, 4, 5, 6, 8, 7, 9, 10},     /* START before the last DOMAIN */
        {1, 2, 3, 4, 5, 6, 7, 8, 10},        /* a START less */
        {1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10},  /* DOMAIN twice */
        {1, 2, 3, 4, 5, 7, 6, 8, 9, 10},     /* domains exchanged */
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 4},  /* SMM after CAP */
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9},  /* START after CAP */
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10}, /* CAP twice */
        {1, 2, 3, 4, 5},                     /* nothing of domains */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        ordered(orders[i]);
}

static void events_that_can_not_happen(void **state)
{
    static const struct bh_event_violation known = {.kind = 3}, unknown = {.kind = 15},
                                           dma = {.kind = 13}, padded = {.kind = 3, .pad = 1};
    static const struct {
        enum bh_event_type type;
        uint32_t domain;
        const void *body;
        size_t size;
    } events[] = {
        {BH_EVENT_VIOLATION, 2, &known, sizeof(known)},
        {BH_EVENT_VIOLATION, BH_NOBODY, &known, sizeof(known)},
        {BH_EVENT_VIOLATION, WORK, &unknown, sizeof(unknown)},
        {BH_EVENT_VIOLATION, WORK, &padded, sizeof(padded)},
        {BH_EVENT_VIOLATION, WORK, &dma, sizeof(dma)},
        {BH_EVENT_DMA_FAULT, WORK, &known, sizeof(known)},
        {BH_EVENT_STOP, WORK, &known, sizeof(known)},
        {BH_EVENT_LOG_FULL, WORK, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct machine *machine =
            happened(events[i].type, events[i].domain, events[i].body, events[i].size);

        finish(machine);
        rejected(machine, CODE_E307);
    }
}

static void an_event_of_before_the_boot(void **state)
{
    struct bh_event_violation violation = {.kind = 3};
    struct machine *machine = happened(BH_EVENT_VIOLATION, WORK, &violation, sizeof(violation));

    (void)state;
    memcpy(machine->event[10].field + HEAD(time), &(uint64_t){999999}, 8);
    finish(machine);
    rejected(machine, CODE_E307);
}

static void nothing_behind_log_full(void **state)
{
    struct machine *machine = happened(BH_EVENT_LOG_FULL, BH_NOBODY, NULL, 0);

    (void)state;
    machine_event(machine, BH_EVENT_LOG_FULL, BH_PCR_RUNTIME, BH_NOBODY, NULL, 0);
    finish(machine);
    rejected(machine, CODE_E307);
}

static void a_full_log_is_a_warning_at_best(void **state)
{
    struct machine *machine = happened(BH_EVENT_LOG_FULL, BH_NOBODY, NULL, 0);

    (void)state;
    machine->domains[WORK].violations[3] = 7; /* after it */
    finish(machine);
    all_judged(machine, TIER_WARNING, CODE_W603, "log");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_headers),
        cmocka_unit_test(other_events),
        cmocka_unit_test(a_cut_log),
        cmocka_unit_test(logs_that_do_not_lead_there),
        cmocka_unit_test(other_heads),
        cmocka_unit_test(other_bodies),
        cmocka_unit_test(other_sizes),
        cmocka_unit_test(a_digest_of_something_else),
        cmocka_unit_test(other_orders),
        cmocka_unit_test(events_that_can_not_happen),
        cmocka_unit_test(an_event_of_before_the_boot),
        cmocka_unit_test(nothing_behind_log_full),
        cmocka_unit_test(a_full_log_is_a_warning_at_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
