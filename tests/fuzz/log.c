/* The event log, bound by a good quote over the genuine PCR values. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"
#include "tools/attest/eventlog.h"

/* By itself, where AddressSanitizer sees what is read beyond it. */
static void read_log(const uint8_t *data, size_t size)
{
    static struct event_log log;
    struct difference difference;
    char place[PLACE_SIZE];
    size_t index;

    if (log_read(&log, data, size, place, &difference))
        log_check(&log, &index, &difference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    static uint8_t buffer[BH_EVIDENCE_MAX];
    const struct bundle *bundle = bundle_get();
    const struct evidence_bytes *log = &bundle->claims.evidence.log;
    struct evidence evidence = bundle->claims.evidence;
    enum exit_status status;
    size_t made;

    read_log(data, size);
    evidence.log = (struct evidence_bytes){data, size};
    made = bundle_quote(bundle, &evidence, buffer, sizeof(buffer));
    MUST(made != 0);
    status = bundle_appraise(bundle, buffer, made, &result);
    /* The log's event types and digests of other banks aren't hashed: a log that differs in them
     * alone leads to the same PCR values. What it says must be the same. */
    if (size == log->size && memcmp(data, log->at, size) == 0)
        MUST(status == EXIT_AFFIRMING);
    else
        MUST(status != EXIT_WARNING && status != EXIT_CONTRAINDICATED);
    return 0;
}
