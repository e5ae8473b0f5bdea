/* The report, bound by a good quote: all that may be said otherwise is what no event tells. */
#include "fuzz.h"
#include "tests/attest/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    static uint8_t buffer[BH_EVIDENCE_MAX];
    const struct bundle *bundle = bundle_get();
    struct evidence evidence = bundle->claims.evidence;
    enum exit_status status;
    size_t made;

    evidence.report = (struct evidence_bytes){data, size};
    made = bundle_quote(bundle, &evidence, buffer, sizeof(buffer));
    MUST(made != 0);
    status = bundle_appraise(bundle, buffer, made, &result);
    bundle_show(&result);
    MUST(status == EXIT_EVIDENCE || status == EXIT_AFFIRMING || status == EXIT_WARNING ||
         status == EXIT_CONTRAINDICATED);
    return 0;
}
