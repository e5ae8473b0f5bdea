/*
 * Counts appraisals, and bare ECDSA P-256 verifications of the same quote's signature, in turns
 * and by processor time of this one thread, so that both have the same machine.
 *
 *   appraise DIRECTORY SECONDS     (of tests/attest/bundle.py)
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/attest/bundle.h"

#define SLICE 0.05 /* seconds */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void appraise_once(void *context)
{
    static struct result result;
    const struct bundle *bundle = context;

    if (bundle_appraise(bundle, bundle->bytes, bundle->size, &result) == EXIT_AFFIRMING)
        return;
    printf("the evidence is not accepted: %s\n", code_row(result.finding[0].code)->name);
    exit(1);
}

/* The least that a verification can be: the digest is there, the key is set up, DER is made. */
struct verification {
    EVP_PKEY_CTX *context;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint8_t der[128];
    size_t der_size;
};

static void verify_once(void *context)
{
    struct verification *verification = context;

    if (EVP_PKEY_verify(verification->context, verification->der, verification->der_size,
                        verification->digest, sizeof(verification->digest)) == 1)
        return;
    puts("the signature is not good");
    exit(1);
}

static void prepare(struct verification *verification, const struct bundle *bundle)
{
    const struct evidence *evidence = &bundle->claims.evidence;
    EVP_PKEY_CTX *signing = EVP_PKEY_CTX_new(bundle->key, NULL);

    SHA256(evidence->attest.at, evidence->attest.size, verification->digest);
    verification->der_size = sizeof(verification->der);
    verification->context = EVP_PKEY_CTX_new(bundle->key, NULL);
    if (EVP_PKEY_sign_init(signing) != 1 ||
        EVP_PKEY_sign(signing, verification->der, &verification->der_size, verification->digest,
                      sizeof(verification->digest)) != 1 ||
        EVP_PKEY_verify_init(verification->context) != 1) {
        puts("libcrypto doesn't sign");
        exit(1);
    }
    EVP_PKEY_CTX_free(signing);
}

/* How often `work` can be done in a slice of time. */
static unsigned long slice(void (*work)(void *), void *context, double *seconds)
{
    double start = now(), spent;
    unsigned long count = 0;

    do {
        work(context);
        count++;
        spent = now() - start;
    } while (spent < SLICE);
    *seconds += spent;
    return count;
}

int main(int argc, char **argv)
{
    static struct bundle bundle;
    struct verification verification;
    double appraising = 0, verifying = 0, limit = argc == 3 ? strtod(argv[2], NULL) : 0;
    unsigned long appraisals = 0, verifications = 0;

    if (limit <= 0) {
        fprintf(stderr, "usage: %s DIRECTORY SECONDS\n", argv[0]);
        return EXIT_USAGE;
    }
    bundle_load(&bundle, argv[1]);
    prepare(&verification, &bundle);
    while (appraising + verifying < limit) {
        appraisals += slice(appraise_once, &bundle, &appraising);
        verifications += slice(verify_once, &verification, &verifying);
    }
    printf("appraisals %.1f verifications %.1f log %zu\n", (double)appraisals / appraising,
           (double)verifications / verifying, bundle.claims.evidence.log.size);
    return 0;
}
