/* A relying party's rules: parsed, then used. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result result;
    struct bundle bundle = *bundle_get();
    char fault[FAULT_SIZE] = "", *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = 0;
    memset(&bundle.rules, 0, sizeof(bundle.rules));
    if (rules_parse(&bundle.rules, text, size, fault)) {
        bundle_appraise(&bundle, bundle.bytes, bundle.size, &result);
        bundle_show(&result);
    } else {
        MUST(fault[0] != 0);
    }
    free(text);
    return 0;
}
