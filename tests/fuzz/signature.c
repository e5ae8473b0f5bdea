/* TPMT_SIGNATURE and TPMT_PUBLIC: the first byte tells which of them is altered. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    static uint8_t buffer[BH_EVIDENCE_MAX];
    const struct bundle *bundle = bundle_get();
    struct evidence evidence = bundle->claims.evidence;
    struct evidence_bytes *altered, genuine;
    enum exit_status status;
    size_t made;

    if (size == 0)
        return 0;
    altered = data[0] & 1 ? &evidence.ak : &evidence.signature;
    genuine = *altered;
    *altered = (struct evidence_bytes){data + 1, size - 1};
    made = evidence_encode(&evidence, buffer, sizeof(buffer));
    MUST(made != 0);
    status = bundle_appraise(bundle, buffer, made, &result);
    if (size - 1 == genuine.size && memcmp(data + 1, genuine.at, genuine.size) == 0)
        MUST(status == EXIT_AFFIRMING);
    else
        MUST(status == EXIT_EVIDENCE || status == EXIT_ENROLMENT);
    return 0;
}
