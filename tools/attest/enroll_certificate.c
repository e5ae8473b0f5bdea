/* The EK's certificate, as its TPM's maker issued it (TCG EK Credential Profile 2.5, 3). */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "enroll.h"

#define EK_PURPOSE       "2.23.133.8.1" /* tcg-kp-EKCertificate */
#define AUTH_LEVEL       2              /* libcrypto's: 112 bits, and so no SHA-1 */
#define EXPONENT_IF_ZERO 65537u         /* part 2, 12.2.3.5 */

static X509 *parse(const uint8_t *bytes, size_t size)
{
    static const char begin[] = "-----BEGIN";
    X509 *certificate;
    BIO *text;

    /* NV memory may have padding behind the certificate: DER says where it ends. */
    if (size < sizeof(begin) || memcmp(bytes, begin, sizeof(begin) - 1) != 0)
        return d2i_X509(NULL, &bytes, (long)size);
    text = BIO_new_mem_buf(bytes, (int)size);
    certificate = text != NULL ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
    BIO_free(text);
    return certificate;
}

static bool verify_with(X509 *certificate, X509_STORE *store, char fault[ENROLL_FAULT])
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool is_good = false;

    if (context == NULL || X509_STORE_CTX_init(context, store, certificate, NULL) != 1) {
        snprintf(fault, ENROLL_FAULT, "libcrypto can't check certificates: out of memory?");
    } else {
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), AUTH_LEVEL);
        is_good = X509_verify_cert(context) == 1;
        if (!is_good)
            snprintf(fault, ENROLL_FAULT,
                     "the endorsement key's certificate doesn't lead to the given CA: %s. Give the "
                     "certificates of the TPM maker's CA by --ek-ca",
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    }
    X509_STORE_CTX_free(context);
    return is_good;
}

static bool verify(X509 *certificate, const char *ca, char fault[ENROLL_FAULT])
{
    X509_STORE *store = X509_STORE_new();
    bool is_good = false;

    if (store == NULL || X509_STORE_load_file(store, ca) != 1)
        snprintf(fault, ENROLL_FAULT, "%s can't be read as certificates in PEM", ca);
    else
        is_good = verify_with(certificate, store, fault);
    X509_STORE_free(store);
    return is_good;
}

/* A CA may issue certificates for other things than TPMs: for keys in files, say. */
static bool is_for_ek(X509 *certificate)
{
    EXTENDED_KEY_USAGE *purposes = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool is_found = false;
    char text[64];

    for (int i = 0; i < sk_ASN1_OBJECT_num(purposes); i++) {
        OBJ_obj2txt(text, sizeof(text), sk_ASN1_OBJECT_value(purposes, i), 1);
        is_found = is_found || strcmp(text, EK_PURPOSE) == 0;
    }
    EXTENDED_KEY_USAGE_free(purposes);
    return is_found;
}

static bool same_bn(EVP_PKEY *key, const char *parameter, const uint8_t *bytes, size_t size)
{
    BIGNUM *certified = NULL, *own = BN_bin2bn(bytes, (int)size, NULL);
    bool is_same = own != NULL && EVP_PKEY_get_bn_param(key, parameter, &certified) == 1 &&
                   BN_cmp(certified, own) == 0;

    BN_free(certified);
    BN_free(own);
    return is_same;
}

static bool is_key_of(EVP_PKEY *key, const TPMT_PUBLIC *ek)
{
    uint32_t number = ek->parameters.rsaDetail.exponent;
    uint8_t exponent[4];

    if (number == 0)
        number = EXPONENT_IF_ZERO;
    for (unsigned i = 0; i < sizeof(exponent); i++)
        exponent[i] = (uint8_t)(number >> (24 - 8 * i));
    return same_bn(key, OSSL_PKEY_PARAM_RSA_N, ek->unique.rsa.buffer, ek->unique.rsa.size) &&
           same_bn(key, OSSL_PKEY_PARAM_RSA_E, exponent, sizeof(exponent));
}

/* What is wrong with the key in the certificate; NULL if it is the EK. */
static const char *key_fault(EVP_PKEY *key, const TPMT_PUBLIC *ek)
{
    if (key == NULL || EVP_PKEY_is_a(key, "RSA") != 1)
        return "holds no RSA key, or one of a kind that libcrypto doesn't know. Give that of the "
               "endorsement key of RSA 2048";
    if (!is_key_of(key, ek))
        return "is for another key than this TPM's endorsement key. Give that of this machine";
    return NULL;
}

static EVP_PKEY *checked_key(X509 *certificate, const char *ca, const struct tpm_key *ek,
                             char fault[ENROLL_FAULT])
{
    const char *wrong;
    EVP_PKEY *key;

    if (!verify(certificate, ca, fault))
        return NULL;
    if (!is_for_ek(certificate)) {
        snprintf(fault, ENROLL_FAULT,
                 "the certificate isn't one of an endorsement key: it lacks the purpose " EK_PURPOSE
                 ". Give the one that the TPM's maker issued");
        return NULL;
    }
    key = X509_get_pubkey(certificate);
    wrong = key_fault(key, &ek->public.publicArea);
    if (wrong == NULL)
        return key;
    EVP_PKEY_free(key);
    snprintf(fault, ENROLL_FAULT, "the certificate %s", wrong);
    return NULL;
}

EVP_PKEY *certificate_key(const uint8_t *bytes, size_t size, const char *ca,
                          const struct tpm_key *ek, char fault[ENROLL_FAULT])
{
    X509 *certificate = parse(bytes, size);
    EVP_PKEY *key = NULL;

    if (certificate == NULL)
        snprintf(fault, ENROLL_FAULT,
                 "the endorsement key's certificate is no X.509 certificate in DER or PEM");
    else
        key = checked_key(certificate, ca, ek, fault);
    X509_free(certificate);
    ERR_clear_error();
    return key;
}
