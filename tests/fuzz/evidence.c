/* Evidence, whole. No other bytes than those of the genuine one may be accepted. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    const struct bundle *bundle = bundle_get();
    enum exit_status status = bundle_appraise(bundle, data, size, &result);
    int is_genuine = size == bundle->size && memcmp(data, bundle->bytes, size) == 0;

    MUST(is_genuine == (status == EXIT_AFFIRMING));
    MUST(is_genuine || status >= EXIT_EVIDENCE); /* never is anything said of a domain */
    return 0;
}
