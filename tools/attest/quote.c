#include "quote.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <string.h>

#include "bulkhead/evidence.h"
#include "sha256.h"

/* TPM 2.0 Library, part 2: 6.2, 6.3, 6.4, 6.9, 8.3.2 */
#define TPM_GENERATED_VALUE 0xff544347u
#define TPM_ST_ATTEST_QUOTE 0x8018u
#define TPM_ALG_NULL        0x0010u
#define TPM_ALG_ECDSA       0x0018u
#define TPM_ALG_ECC         0x0023u
#define TPM_ECC_NIST_P256   0x0003u
#define ATTR_FIXED_TPM      (1u << 1)
#define ATTR_FIXED_PARENT   (1u << 4)
#define ATTR_DATA_ORIGIN    (1u << 5)
#define ATTR_ADMIN_POLICY   (1u << 7) /* who may do what needs the ADMIN role: never signing */
#define ATTR_NO_DA          (1u << 10)
#define ATTR_RESTRICTED     (1u << 16)
#define ATTR_SIGN           (1u << 18)
#define AK_ATTRIBUTES                                                                       \
    (ATTR_FIXED_TPM | ATTR_FIXED_PARENT | ATTR_DATA_ORIGIN | ATTR_NO_DA | ATTR_RESTRICTED | \
     ATTR_SIGN)
#define MAX_BANKS  16u
#define MAX_SELECT 4u
#define MAX_2B     128u /* nothing in these structures is longer */

/* Big-endian input; `failed` once something was cut short or too long. */
struct wire {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static uint64_t take(struct wire *wire, size_t size)
{
    uint64_t value = 0;

    if (wire->failed || wire->left < size) {
        wire->failed = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        value = value << 8 | wire->at[i];
    wire->at += size;
    wire->left -= size;
    return value;
}

static uint16_t take16(struct wire *wire)
{
    return (uint16_t)take(wire, 2);
}

static uint32_t take32(struct wire *wire)
{
    return (uint32_t)take(wire, 4);
}

/* A TPM2B: its size, then as many bytes. */
static const uint8_t *take_2b(struct wire *wire, size_t *size)
{
    const uint8_t *at;

    *size = take16(wire);
    if (wire->failed || *size > MAX_2B || wire->left < *size) {
        wire->failed = true;
        *size = 0;
        return NULL;
    }
    at = wire->at;
    wire->at += *size;
    wire->left -= *size;
    return at;
}

/* A number of at most 32 bytes, right-aligned. */
static void take_number(struct wire *wire, uint8_t number[32])
{
    size_t size;
    const uint8_t *at = take_2b(wire, &size);

    memset(number, 0, 32);
    if (at == NULL || size == 0 || size > 32) {
        wire->failed = true;
        return;
    }
    memcpy(number + 32 - size, at, size);
}

static bool ends(const struct wire *wire, const char *structure, struct difference *difference)
{
    if (wire->failed)
        return differs(difference, structure, "it is cut short, or a size in it is wrong");
    if (wire->left != 0)
        return differs(difference, structure, "%zu bytes more behind it", wire->left);
    return true;
}

static void take_selection(struct wire *wire, struct quote *quote)
{
    quote->banks = take32(wire);
    if (quote->banks > MAX_BANKS)
        wire->failed = true;
    for (uint32_t i = 0; i < quote->banks && !wire->failed; i++) {
        uint16_t bank = take16(wire);
        uint8_t size = (uint8_t)take(wire, 1);
        uint32_t pcrs = 0;

        if (size > MAX_SELECT)
            wire->failed = true;
        for (uint8_t byte = 0; byte < size && !wire->failed; byte++)
            pcrs |= (uint32_t)take(wire, 1) << 8 * byte;
        if (i == 0) {
            quote->bank = bank;
            quote->select_size = size;
            quote->pcrs = pcrs;
        }
    }
}

bool quote_read(struct quote *quote, const uint8_t *bytes, size_t size,
                struct difference *difference)
{
    struct wire wire = {bytes, size, false};
    size_t signer;
    uint64_t safe;

    memset(quote, 0, sizeof(*quote));
    if (!same_number(difference, "TPMS_ATTEST with magic", TPM_GENERATED_VALUE, take32(&wire)) ||
        !same_number(difference, "TPMS_ATTEST of type", TPM_ST_ATTEST_QUOTE, take16(&wire)))
        return false;
    take_2b(&wire, &signer);
    quote->extra_data = take_2b(&wire, &quote->extra_size);
    quote->clock = take(&wire, 8);
    quote->reset_count = take32(&wire);
    quote->restart_count = take32(&wire);
    safe = take(&wire, 1);
    quote->is_safe = safe == 1;
    quote->firmware_version = take(&wire, 8);
    take_selection(&wire, quote);
    quote->pcr_digest = take_2b(&wire, &quote->pcr_digest_size);
    if (!ends(&wire, "TPMS_ATTEST", difference))
        return false;
    return safe <= 1 || differs(difference, "clockInfo.safe 0 or 1", "%u", (unsigned)safe);
}

bool ecdsa_read(struct ecdsa *signature, const uint8_t *bytes, size_t size,
                struct difference *difference)
{
    struct wire wire = {bytes, size, false};

    if (!same_number(difference, "a signature of algorithm", TPM_ALG_ECDSA, take16(&wire)) ||
        !same_number(difference, "a signature with hash", TPM_ALG_SHA256, take16(&wire)))
        return false;
    take_number(&wire, signature->r);
    take_number(&wire, signature->s);
    return ends(&wire, "TPMT_SIGNATURE", difference);
}

bool ak_read(struct tpm_public *key, const uint8_t *bytes, size_t size,
             struct difference *difference)
{
    struct wire wire = {bytes, size, false};

    if (!same_number(difference, "a key of type", TPM_ALG_ECC, take16(&wire)) ||
        !same_number(difference, "nameAlg", TPM_ALG_SHA256, take16(&wire)))
        return false;
    key->attributes = take32(&wire);
    key->policy = take_2b(&wire, &key->policy_size);
    if (!same_number(difference, "attributes", AK_ATTRIBUTES,
                     key->attributes & ~ATTR_ADMIN_POLICY) ||
        !same_bytes(difference, "authPolicy", BH_AK_POLICY, BH_DIGEST, key->policy,
                    key->policy_size) ||
        !same_number(difference, "symmetric algorithm", TPM_ALG_NULL, take16(&wire)) ||
        !same_number(difference, "scheme", TPM_ALG_ECDSA, take16(&wire)) ||
        !same_number(difference, "the scheme's hash", TPM_ALG_SHA256, take16(&wire)) ||
        !same_number(difference, "curve", TPM_ECC_NIST_P256, take16(&wire)) ||
        !same_number(difference, "key derivation", TPM_ALG_NULL, take16(&wire)))
        return false;
    take_number(&wire, key->x);
    take_number(&wire, key->y);
    return ends(&wire, "TPMT_PUBLIC", difference);
}

EVP_PKEY *ak_key(const struct tpm_public *key)
{
    uint8_t point[65] = {4}; /* uncompressed: SEC 1, 2.3.3 */
    char group[] = "P-256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *made = NULL;

    memcpy(point + 1, key->x, sizeof(key->x));
    memcpy(point + 33, key->y, sizeof(key->y));
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        made = NULL;
    EVP_PKEY_CTX_free(context);
    return made;
}

/* The order of P-256's group (SEC 2, 2.4.2). */
static const uint8_t order_n[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

static bool is_in_range(const uint8_t number[32])
{
    static const uint8_t zero[32];

    return memcmp(number, zero, 32) != 0 && memcmp(number, order_n, 32) < 0;
}

/* An INTEGER of X.690, 8.3; returns its size, 35 bytes at most. */
static size_t der_integer(uint8_t *to, const uint8_t number[32])
{
    size_t skip = 0, sign, size;

    while (skip < 31 && number[skip] == 0)
        skip++;
    sign = number[skip] >> 7;
    size = 32 - skip;
    to[0] = 0x02;
    to[1] = (uint8_t)(size + sign);
    to[2] = 0;
    memcpy(to + 2 + sign, number + skip, size);
    return 2 + sign + size;
}

bool ecdsa_is_good(EVP_PKEY *key, const struct ecdsa *signature, const uint8_t *bytes, size_t size)
{
    uint8_t digest[32], der[2 + 2 * 35];
    EVP_PKEY_CTX *context;
    size_t length;
    bool is_good;

    if (key == NULL || !is_in_range(signature->r) || !is_in_range(signature->s))
        return false;
    sha256(bytes, size, digest);
    length = der_integer(der + 2, signature->r);
    length += der_integer(der + 2 + length, signature->s);
    der[0] = 0x30;
    der[1] = (uint8_t)length;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    is_good = context != NULL && EVP_PKEY_verify_init(context) == 1 &&
              EVP_PKEY_verify(context, der, length + 2, digest, sizeof(digest)) == 1;
    EVP_PKEY_CTX_free(context);
    return is_good;
}

void tpm_name(uint8_t name[2 + BH_DIGEST], const uint8_t *tpmt_public, size_t size)
{
    name[0] = TPM_ALG_SHA256 >> 8;
    name[1] = TPM_ALG_SHA256 & 0xff;
    sha256(tpmt_public, size, name + 2);
}
