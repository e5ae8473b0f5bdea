/* The events that core will measure into PCR 17 and 18 (bulkhead/evlog.h, tables/events.def). */
#ifndef POLICYC_PREDICT_EVENTS_H
#define POLICYC_PREDICT_EVENTS_H

#include "bulkhead/evlog.h"
#include "pcr.h"
#include <stdbool.h>

#define EVENTS_MAX           (5u + 2u * BH_MAX_DOMAINS)
#define EVENT_COMPONENT_SIZE 48u

/* What the events say; core has checked the policy, which says the rest. */
struct event_facts {
    const struct bh_header *policy;
    uint8_t core[BH_DIGEST];
    struct bh_event_policy image;
    struct bh_event_smm smm; /* mode 0: only the machine knows */
};

struct events {
    struct {
        uint32_t pcr;
        char component[EVENT_COMPONENT_SIZE];
        size_t size; /* 0: SMM, which is the machine's */
        uint8_t field[BH_EVENT_MAX];
    } event[EVENTS_MAX];
    unsigned count;
    uint8_t pcr17[PCR_SIZE]; /* of no meaning if SMM is unknown */
    uint8_t pcr18[PCR_SIZE];
};

void events_predict(const struct event_facts *facts, struct events *events);

#endif
