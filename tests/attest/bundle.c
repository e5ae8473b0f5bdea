#include "bundle.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/attest/show.h"

#define NOW 1800000000 /* between `issued` and `expires` of bundle.py */

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bundle: %s: %s. Make it anew by tests/attest/bundle.py DIRECTORY\n", what,
            why);
    exit(EXIT_INTERNAL);
}

uint8_t *bundle_file(const char *directory, const char *name, size_t *size)
{
    char path[512], fault[FAULT_SIZE];
    uint8_t *bytes;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    bytes = file_load(path, BH_EVIDENCE_MAX, size, fault);
    if (!bytes)
        die(path, fault);
    return bytes;
}

/* The private key as a number; its point is the one in the AK's TPMT_PUBLIC, which ends with it. */
static EVP_PKEY *load_key(const uint8_t secret[32], const struct evidence_bytes *ak)
{
    const uint8_t *end = (const uint8_t *)ak->at + ak->size;
    OSSL_PARAM_BLD *built = OSSL_PARAM_BLD_new();
    BIGNUM *number = BN_bin2bn(secret, 32, NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    uint8_t point[65] = {POINT_CONVERSION_UNCOMPRESSED};
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters;

    memcpy(point + 1, end - 66, 32);
    memcpy(point + 33, end - 32, 32);
    OSSL_PARAM_BLD_push_utf8_string(built, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_BN(built, OSSL_PKEY_PARAM_PRIV_KEY, number);
    OSSL_PARAM_BLD_push_octet_string(built, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
    parameters = OSSL_PARAM_BLD_to_param(built);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) != 1)
        die("key", "libcrypto doesn't take it");
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(built);
    EVP_PKEY_CTX_free(context);
    BN_free(number);
    return key;
}

void bundle_load(struct bundle *bundle, const char *directory)
{
    struct malformed malformed;
    char fault[FAULT_SIZE];
    uint8_t *text, *secret;
    size_t size;

    bundle->bytes = bundle_file(directory, "evidence", &bundle->size);
    if (!claims_read(&bundle->claims, bundle->bytes, bundle->size, &malformed))
        die("evidence", malformed.expected);
    text = bundle_file(directory, "record.json", &size);
    if (!record_parse(&bundle->record, (char *)text, size))
        die("record.json", bundle->record.fault);
    free(text);
    text = bundle_file(directory, "reference.json", &size);
    if (!reference_parse(&bundle->reference, (char *)text, size))
        die("reference.json", bundle->reference.fault);
    free(text);
    text = bundle_file(directory, "rules.json", &size);
    if (!rules_parse(&bundle->rules, (char *)text, size, fault))
        die("rules.json", fault);
    free(text);
    secret = bundle_file(directory, "key", &size);
    if (size != 32)
        die("key", "it must have 32 bytes");
    bundle->key = load_key(secret, &bundle->claims.evidence.ak);
    free(secret);
}

struct bundle *bundle_get(void)
{
    static struct bundle bundle;

    if (!bundle.bytes) {
        const char *directory = getenv("BULKHEAD_BUNDLE");

        bundle_load(&bundle, directory ? directory : "build/tests/fuzz/bundle");
    }
    return &bundle;
}

static enum nonce_verdict any_nonce(void *context, const uint8_t nonce[BH_NONCE_SIZE])
{
    (void)context;
    (void)nonce;
    return NONCE_FRESH;
}

enum exit_status bundle_appraise(const struct bundle *bundle, const uint8_t *evidence, size_t size,
                                 struct result *result)
{
    struct appraisal appraisal = {.evidence = evidence,
                                  .size = size,
                                  .record = &bundle->record,
                                  .reference = &bundle->reference,
                                  .rules = &bundle->rules,
                                  .now = NOW,
                                  .nonce = any_nonce};

    return appraise(&appraisal, result);
}

void bundle_show(const struct result *result)
{
    static FILE *nowhere;
    json_t *json = show_json(result, NOW);

    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    show_text(nowhere, result);
    if (!json || json_dumpf(json, nowhere, 0) != 0)
        die("result", "it can't be shown as JSON");
    json_decref(json);
}

void bundle_extend(uint8_t pcr[BH_DIGEST], const void *event, size_t size)
{
    uint8_t both[2 * BH_DIGEST];

    memcpy(both, pcr, BH_DIGEST);
    SHA256(event, size, both + BH_DIGEST);
    SHA256(both, sizeof(both), pcr);
}

/* DER to the TPM's two numbers of 32 bytes. */
static void write_signature(uint8_t signature[72], const uint8_t *der, size_t size)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
    const uint8_t head[6] = {0, 0x18, 0, 0x0b, 0, 32}; /* TPM_ALG_ECDSA, TPM_ALG_SHA256 */

    memcpy(signature, head, sizeof(head));
    memcpy(signature + 38, head + 4, 2);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature + 6, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 40, 32);
    ECDSA_SIG_free(pair);
}

void bundle_sign(const struct bundle *bundle, struct evidence *evidence)
{
    static uint8_t signature[72];
    uint8_t der[128];
    size_t size = sizeof(der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, bundle->key) != 1 ||
        EVP_DigestSign(context, der, &size, evidence->attest.at, evidence->attest.size) != 1)
        die("key", "it doesn't sign");
    EVP_MD_CTX_free(context);
    write_signature(signature, der, size);
    evidence->signature = (struct evidence_bytes){signature, sizeof(signature)};
}

size_t bundle_encode(const struct bundle *bundle, struct evidence *evidence, uint8_t *buffer,
                     size_t size)
{
    bundle_sign(bundle, evidence);
    return evidence_encode(evidence, buffer, size);
}

size_t bundle_quote(const struct bundle *bundle, struct evidence *evidence, uint8_t *buffer,
                    size_t size)
{
    static uint8_t attest[1024];
    const struct evidence_bytes *old = &bundle->claims.evidence.attest;
    uint8_t log[BH_DIGEST], report[BH_DIGEST];
    struct bh_binding binding;
    size_t pcrs = (size_t)__builtin_popcount(evidence->pcrs);

    if (old->size > sizeof(attest))
        die("evidence", "its quote is too long");
    memcpy(attest, old->at, old->size);
    SHA256(evidence->log.at, evidence->log.size, log);
    SHA256(evidence->report.at, evidence->report.size, report);
    evidence_bind(&binding, &evidence->asked, evidence->domain, log, report);
    /* magic, type, qualifiedSigner with its size; extraData's size */
    SHA256((const uint8_t *)&binding, sizeof(binding), attest + 4 + 2 + 2 + 34 + 2);
    SHA256((const uint8_t *)evidence->pcr, pcrs * BH_DIGEST, attest + old->size - BH_DIGEST);
    evidence->attest = (struct evidence_bytes){attest, old->size};
    return bundle_encode(bundle, evidence, buffer, size);
}
