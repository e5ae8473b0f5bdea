#include "lib/evlog.h"

#include "lib/memory.h"

/* TCG Algorithm Registry 1.34, table 3 */
static const struct {
    uint16_t id;
    uint16_t size;
} algorithms[] = {
    {0x0004, 20}, /* SHA-1 */
    {0x000b, 32}, /* SHA-256 */
    {0x000c, 48}, /* SHA-384 */
    {0x000d, 64}, /* SHA-512 */
    {0x0012, 32}, /* SM3-256 */
    {0x0027, 32}, /* SHA3-256 */
    {0x0028, 48}, /* SHA3-384 */
    {0x0029, 64}, /* SHA3-512 */
};

#define SHA1_SIZE 20u

/* TCG_PCR_EVENT's fields before the event, and the fixed part of TCG_EfiSpecIDEvent (PC Client
 * Platform Firmware Profile 1.05, 10.2.1 and 10.4.5.1). */
#define HEADER_PREFIX  (4u + 4u + SHA1_SIZE + 4u)
#define SPEC_ID_FIXED  (sizeof SPEC_ID + 4u + 4u + 4u)
#define SPEC_ID        "Spec ID Event03" /* its terminating zero belongs to it */
#define SPEC_VERSION   0x02000200u       /* minor 0, major 2, errata 0, uintnSize 2: 64 bits */
#define PLATFORM_CLASS 0u                /* client */

/* TCG_PCR_EVENT2 (10.2.2) but for digests and event. */
#define ENTRY_FIXED (4u + 4u + 4u + 4u)

size_t evlog_digest_size(uint16_t algorithm)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (algorithms[i].id == algorithm)
            return algorithms[i].size;
    return 0;
}

size_t evlog_event(uint8_t event[BH_EVENT_MAX], enum bh_event_type type, uint32_t sequence,
                   uint32_t domain, uint64_t time, const void *body, size_t size)
{
    struct bh_event head = {.tag = BH_EVENT_TAG | (uint32_t)type,
                            .format = BH_EVENT_FORMAT,
                            .type = (uint16_t)type,
                            .sequence = sequence,
                            .domain = (uint16_t)domain,
                            .size = (uint16_t)size,
                            .time = time};

    if (size > BH_EVENT_MAX - sizeof head)
        return 0;
    head.data_size = (uint32_t)(sizeof head - offsetof(struct bh_event, magic) + size);
    memcpy(head.magic, BH_EVENT_MAGIC, sizeof head.magic);
    memcpy(event, &head, sizeof head);
    if (size != 0)
        memcpy(event + sizeof head, body, size);
    return sizeof head + size;
}

static void put(struct evlog *log, const void *bytes, size_t size)
{
    memcpy(log->bytes + log->used, bytes, size);
    log->used += size;
}

static void put16(struct evlog *log, uint16_t value)
{
    put(log, &value, sizeof value);
}

static void put32(struct evlog *log, uint32_t value)
{
    put(log, &value, sizeof value);
}

/* All algorithms known, none twice. */
static bool are_sound(const struct evlog_banks *banks)
{
    if (banks->count == 0 || banks->count > EVLOG_BANKS_MAX)
        return false;
    for (uint32_t i = 0; i < banks->count; i++) {
        if (evlog_digest_size(banks->algorithm[i]) == 0)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (banks->algorithm[i] == banks->algorithm[j])
                return false;
    }
    return true;
}

bool evlog_begin(struct evlog *log, void *bytes, size_t capacity, const struct evlog_banks *banks)
{
    static const uint8_t no_digest[SHA1_SIZE], no_vendor_data = 0;
    uint32_t size;

    *log = (struct evlog){.bytes = bytes, .capacity = capacity};
    if (!are_sound(banks))
        return false;
    size = (uint32_t)(SPEC_ID_FIXED + banks->count * 4u + sizeof no_vendor_data);
    if (capacity < HEADER_PREFIX + size)
        return false;
    log->banks = *banks;
    put32(log, 0); /* PCR */
    put32(log, TCG_EV_NO_ACTION);
    put(log, no_digest, sizeof no_digest);
    put32(log, size);
    put(log, SPEC_ID, sizeof SPEC_ID);
    put32(log, PLATFORM_CLASS);
    put32(log, SPEC_VERSION);
    put32(log, banks->count);
    for (uint32_t i = 0; i < banks->count; i++) {
        put16(log, banks->algorithm[i]);
        put16(log, (uint16_t)evlog_digest_size(banks->algorithm[i]));
    }
    put(log, &no_vendor_data, sizeof no_vendor_data);
    return true;
}

size_t evlog_entry_size(const struct evlog_banks *banks, size_t event_size)
{
    size_t size = ENTRY_FIXED + event_size;

    for (uint32_t i = 0; i < banks->count; i++)
        size += sizeof(uint16_t) + evlog_digest_size(banks->algorithm[i]);
    return size;
}

static const struct evlog_digest *find(const struct evlog_digests *digests, uint16_t algorithm)
{
    for (uint32_t i = 0; i < digests->count && i < EVLOG_BANKS_MAX; i++)
        if (digests->digest[i].algorithm == algorithm)
            return &digests->digest[i];
    return NULL;
}

bool evlog_append(struct evlog *log, uint32_t pcr, const void *event, size_t event_size,
                  const struct evlog_digests *digests)
{
    const struct evlog_banks *banks = &log->banks;

    if (banks->count == 0 || event_size > BH_EVENT_MAX ||
        evlog_entry_size(banks, event_size) > log->capacity - log->used)
        return false;
    for (uint32_t i = 0; i < banks->count; i++)
        if (!find(digests, banks->algorithm[i]))
            return false;
    put32(log, pcr);
    put32(log, TCG_EV_EVENT_TAG);
    put32(log, banks->count);
    for (uint32_t i = 0; i < banks->count; i++) {
        put16(log, banks->algorithm[i]);
        put(log, find(digests, banks->algorithm[i])->bytes, evlog_digest_size(banks->algorithm[i]));
    }
    put32(log, (uint32_t)event_size);
    put(log, event, event_size);
    return true;
}

size_t evlog_domain(struct evlog_domain *body, const struct bh_header *policy, uint32_t domain)
{
    const struct bh_domain *row = bh_domain_row(policy, domain);
    const struct bh_file *file = bh_rows(policy, &policy->files);

    memset(body, 0, sizeof *body);
    memcpy(body->head.name, row->name, sizeof body->head.name);
    body->head.files = row->files.count;
    for (uint32_t i = 0; i < row->files.count && i < BH_MAX_FILES; i++) {
        const struct bh_file *from = &file[row->files.offset + i];

        body->file[i] = (struct bh_event_file){.role = from->role, .size = from->size};
        memcpy(body->file[i].sha256, from->sha256, sizeof from->sha256);
    }
    return sizeof body->head + body->head.files * sizeof body->file[0];
}

void evlog_start(struct bh_event_start *body, const struct bh_domain *domain,
                 const uint8_t cmdline[BH_DIGEST])
{
    *body = (struct bh_event_start){.kind = domain->kind,
                                    .label = domain->label,
                                    .interrupts = domain->interrupts,
                                    .boot = domain->boot,
                                    .memory_size = domain->memory_size,
                                    .load_gpa = domain->load_gpa,
                                    .entry_gpa = domain->entry_gpa};
    for (uint32_t i = 0; i < domain->ncores; i++)
        body->cores |= 1u << domain->core[i];
    memcpy(body->cmdline, cmdline, BH_DIGEST);
}

void evlog_tables(struct evlog_part part[2], const struct bh_header *policy)
{
    const uint8_t *image = (const uint8_t *)policy;
    size_t end = policy->files.offset + policy->files.count * sizeof(struct bh_file);

    part[0] = (struct evlog_part){image, policy->files.offset};
    part[1] = (struct evlog_part){image + end, policy->size - end};
}
