/* What the attestation key signed, in the place of a TPMS_ATTEST: a good signature of anything. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"
#include "tools/attest/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    static uint8_t buffer[BH_EVIDENCE_MAX];
    const struct bundle *bundle = bundle_get();
    const struct evidence_bytes *attest = &bundle->claims.evidence.attest;
    struct evidence evidence = bundle->claims.evidence;
    enum exit_status status;
    struct difference difference;
    struct quote quote;
    size_t made;

    quote_read(&quote, data, size, &difference); /* AddressSanitizer sees what is beyond it */
    evidence.attest = (struct evidence_bytes){data, size};
    made = bundle_encode(bundle, &evidence, buffer, sizeof(buffer));
    MUST(made != 0);
    status = bundle_appraise(bundle, buffer, made, &result);
    MUST(status == EXIT_AFFIRMING || status == EXIT_EVIDENCE);
    if (size == attest->size && memcmp(data, attest->at, size) == 0)
        MUST(status == EXIT_AFFIRMING);
    if (status == EXIT_AFFIRMING) {
        /* Only qualifiedSigner and clock may differ: nothing else of it is anybody's choice. */
        MUST(size >= 60 && memcmp(data, attest->at, 6) == 0);
        MUST(memcmp(data + size - 34, (const uint8_t *)attest->at + attest->size - 34, 34) == 0);
    }
    return 0;
}
