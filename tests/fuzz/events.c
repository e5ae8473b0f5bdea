/*
 * Events that were really extended, in a log that is well formed: input is a row of PCR (1 byte),
 * size (2 bytes, little-endian), event field. Reaches what is decided behind the log's replay. An
 * event whose PCR's byte has bit 7 set gets its number and its sizes put right, so that events can
 * be left out, repeated and exchanged, and reach what is decided behind that, too.
 */
#include <openssl/sha.h>
#include <string.h>

#include "fuzz.h"
#include "lib/evlog.h"
#include "tests/attest/bundle.h"
#include "tools/attest/eventlog.h"

static uint8_t pcrs[3][BH_DIGEST]; /* 17, 18, 19 */
static uint8_t log_bytes[1u << 18];

static const uint8_t *mend(const uint8_t *event, size_t size, uint32_t number)
{
    static uint8_t mended[BH_EVENT_MAX];
    struct bh_event head;

    if (size < sizeof(head) || size > sizeof(mended))
        return event;
    memcpy(mended, event, size);
    memcpy(&head, event, sizeof(head));
    head.data_size = (uint32_t)(size - offsetof(struct bh_event, magic));
    head.size = (uint16_t)(size - sizeof(head));
    head.sequence = number;
    memcpy(mended, &head, sizeof(head));
    return mended;
}

/* By itself, where AddressSanitizer sees what is read beyond it. */
static void check(const uint8_t *event, size_t size, uint32_t pcr)
{
    uint8_t *copy = malloc(size + (size == 0));
    struct difference difference;

    memcpy(copy, event, size);
    event_check(copy, size, pcr, &difference);
    free(copy);
}

static void append(struct evlog *log, unsigned pcr, const uint8_t *event, size_t size)
{
    struct evlog_digests digests = {.count = 1, .digest[0].algorithm = 0x000b};

    check(event, size, BH_PCR_CORE + pcr);
    SHA256(event, size, digests.digest[0].bytes);
    if (evlog_append(log, BH_PCR_CORE + pcr, event, size, &digests))
        bundle_extend(pcrs[pcr], event, size);
}

static size_t make_log(const uint8_t *data, size_t size)
{
    const struct evlog_banks banks = {.count = 1, .algorithm = {0x000b}};
    struct evlog log;
    uint32_t number = 0;

    memset(pcrs, 0xff, sizeof(pcrs));
    MUST(evlog_begin(&log, log_bytes, sizeof(log_bytes), &banks));
    while (size >= 3) {
        size_t length = data[1] | (size_t)data[2] << 8;

        if (length > size - 3)
            length = size - 3;
        append(&log, (data[0] & 0x7f) % 3,
               data[0] & 0x80 ? mend(data + 3, length, number) : data + 3, length);
        number++;
        data += 3 + length;
        size -= 3 + length;
    }
    return log.used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    static uint8_t buffer[BH_EVIDENCE_MAX], values[EVIDENCE_PCRS][BH_DIGEST];
    const struct bundle *bundle = bundle_get();
    struct evidence evidence = bundle->claims.evidence;
    enum exit_status status;
    size_t count = (size_t)__builtin_popcount(evidence.pcrs), made;

    evidence.log = (struct evidence_bytes){log_bytes, make_log(data, size)};
    memcpy(values, bundle->claims.values, sizeof(values));
    memcpy(values[count - 3], pcrs, sizeof(pcrs)); /* the last three that are quoted */
    evidence.pcr = (const uint8_t(*)[BH_DIGEST])values;
    made = bundle_quote(bundle, &evidence, buffer, sizeof(buffer));
    MUST(made != 0);
    status = bundle_appraise(bundle, buffer, made, &result);
    bundle_show(&result);
    /* Affirming, if core could have written these events and they are those of the report. */
    if (status == EXIT_AFFIRMING) {
        MUST(memcmp(values[count - 3], bundle->claims.values[count - 3], 2 * BH_DIGEST) == 0);
        MUST(result.checks == CHECK_LAST);
    }
    return 0;
}
