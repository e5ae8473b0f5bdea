#include "events.h"
#include "lib/evlog.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* The next event of PCR 17 or 18; BOOT, which is in PCR 19, takes one sequence number. */
struct writer {
    struct events *events;
    uint32_t sequence;
};

static void add(struct writer *writer, uint32_t pcr, enum bh_event_type type, uint32_t domain,
                const void *body, size_t size, const char *component)
{
    struct events *events = writer->events;
    unsigned index = events->count++;

    events->event[index].pcr = pcr;
    snprintf(events->event[index].component, EVENT_COMPONENT_SIZE, "%s", component);
    events->event[index].size =
        evlog_event(events->event[index].field, type, writer->sequence++, domain, 0, body, size);
    pcr_measure(pcr == BH_PCR_CORE ? events->pcr17 : events->pcr18, events->event[index].field,
                events->event[index].size);
}

/* The event itself is the machine's, and stands in its enrolment record. */
static void add_smm(struct writer *writer, const struct bh_event_smm *smm)
{
    add(writer, BH_PCR_CORE, BH_EVENT_SMM, BH_NOBODY, smm, sizeof(*smm), "smm");
    writer->events->event[writer->events->count - 1].size = 0;
}

static void add_domain(struct writer *writer, const struct bh_header *policy, uint32_t index)
{
    char component[EVENT_COMPONENT_SIZE];
    struct evlog_domain body;
    size_t size = evlog_domain(&body, policy, index);

    snprintf(component, sizeof(component), "domain:%s", bh_domain_row(policy, index)->name);
    add(writer, BH_PCR_DOMAINS, BH_EVENT_DOMAIN, index, &body, size, component);
}

static void add_start(struct writer *writer, const struct bh_header *policy, uint32_t index)
{
    const struct bh_domain *domain = bh_domain_row(policy, index);
    char component[EVENT_COMPONENT_SIZE];
    struct bh_event_start body;
    uint8_t cmdline[BH_DIGEST];

    crypto_hash_sha256(cmdline, (const uint8_t *)domain->cmdline, strlen(domain->cmdline));
    evlog_start(&body, domain, cmdline);
    snprintf(component, sizeof(component), "start:%s", domain->name);
    add(writer, BH_PCR_DOMAINS, BH_EVENT_START, index, &body, sizeof(body), component);
}

void events_predict(const struct event_facts *facts, struct events *events)
{
    const struct bh_header *policy = facts->policy;
    struct writer writer = {.events = events};
    struct bh_event_core core;

    memset(events, 0, sizeof(*events));
    pcr_reset(events->pcr17, PCR_DYNAMIC);
    pcr_reset(events->pcr18, PCR_DYNAMIC);
    memcpy(core.sha256, facts->core, sizeof(core.sha256));
    add(&writer, BH_PCR_CORE, BH_EVENT_CORE, BH_NOBODY, &core, sizeof(core), "core");
    writer.sequence++;
    add(&writer, BH_PCR_CORE, BH_EVENT_POLICY, BH_NOBODY, &facts->image, sizeof(facts->image),
        "policy");
    add_smm(&writer, &facts->smm);
    add(&writer, BH_PCR_CORE, BH_EVENT_CAP, BH_NOBODY, NULL, 0, "cap");
    for (uint32_t i = 0; i < policy->domains.count; i++)
        add_domain(&writer, policy, i);
    for (uint32_t i = 0; i < policy->domains.count; i++)
        add_start(&writer, policy, i);
    add(&writer, BH_PCR_DOMAINS, BH_EVENT_CAP, BH_NOBODY, NULL, 0, "cap");
}
