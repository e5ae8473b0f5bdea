/*
 * Events that were really extended, in a log that is well formed: input is a row of PCR (1 byte),
 * size (2 bytes, little-endian), event field. Reaches what is decided behind the log's replay.
 */
#include <openssl/sha.h>
#include <string.h>

#include "fuzz.h"
#include "lib/evlog.h"
#include "tests/attest/bundle.h"

static uint8_t pcrs[3][BH_DIGEST]; /* 17, 18, 19 */
static uint8_t log_bytes[1u << 18];

static void append(struct evlog *log, unsigned pcr, const uint8_t *event, size_t size)
{
    struct evlog_digests digests = {.count = 1, .digest[0].algorithm = 0x000b};

    SHA256(event, size, digests.digest[0].bytes);
    if (evlog_append(log, BH_PCR_CORE + pcr, event, size, &digests))
        bundle_extend(pcrs[pcr], event, size);
}

static size_t make_log(const uint8_t *data, size_t size)
{
    const struct evlog_banks banks = {.count = 1, .algorithm = {0x000b}};
    struct evlog log;

    memset(pcrs, 0xff, sizeof(pcrs));
    MUST(evlog_begin(&log, log_bytes, sizeof(log_bytes), &banks));
    while (size >= 3) {
        size_t length = data[1] | (size_t)data[2] << 8;

        if (length > size - 3)
            length = size - 3;
        append(&log, data[0] % 3, data + 3, length);
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
    size_t count = (size_t)__builtin_popcount(evidence.pcrs), made;

    evidence.log = (struct evidence_bytes){log_bytes, make_log(data, size)};
    memcpy(values, bundle->claims.values, sizeof(values));
    memcpy(values[count - 3], pcrs, sizeof(pcrs)); /* the last three that are quoted */
    evidence.pcr = (const uint8_t(*)[BH_DIGEST])values;
    made = bundle_quote(bundle, &evidence, buffer, sizeof(buffer));
    MUST(made != 0);
    /* Affirming, if core could have written these events and they are those of the report. */
    if (bundle_appraise(bundle, buffer, made, &result) == EXIT_AFFIRMING) {
        MUST(memcmp(values[count - 3], bundle->claims.values[count - 3], 2 * BH_DIGEST) == 0);
        MUST(result.checks == CHECK_LAST);
    }
    return 0;
}
