/* Reference values of which somebody has the signing key: parsed, then used. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    struct bundle bundle = *bundle_get();
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = 0;
    memset(&bundle.reference, 0, sizeof(bundle.reference));
    if (reference_parse(&bundle.reference, text, size)) {
        bundle_appraise(&bundle, bundle.bytes, bundle.size, &result);
        bundle_show(&result);
    } else {
        MUST(bundle.reference.fault[0] != 0);
    }

    free(text);
    return 0;
}
