/* TPMT_SIGNATURE and TPMT_PUBLIC: the first byte tells which of them is altered. */
#include <string.h>

#include "fuzz.h"
#include "tests/attest/bundle.h"
#include "tools/attest/quote.h"

/* By themselves, where AddressSanitizer sees what is read beyond them. */
static void read_both(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    struct difference difference;
    struct tpm_public key;
    struct ecdsa signature;

    memcpy(copy, data, size);
    ecdsa_read(&signature, copy, size, &difference);
    ak_read(&key, copy, size, &difference);
    free(copy);
}

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
    read_both(data + 1, size - 1);
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
