/*
 * TPM2_MakeCredential in software. TPM 2.0 Library, part 1: 11.4.10.2 (KDFa), 24 (credential
 * protection), B.10.4 (secrets for RSA keys). The EK is RSA 2048 with AES 128 CFB and SHA-256.
 */
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "enroll.h"

#define SEED_SIZE    BH_DIGEST
#define AES_KEY_SIZE 16u
#define SECRET_2B    (2u + BH_DIGEST) /* the secret as TPM2B_DIGEST */
#define LABEL_MAX    16u

/* The first `size` bytes, 32 at most, of one round: HMAC(seed, 1 || label || 0 || context || bits)
 */
static bool kdfa(const uint8_t seed[SEED_SIZE], const char *label, const void *context,
                 size_t context_size, uint8_t *key, size_t size)
{
    uint8_t text[4 + LABEL_MAX + NAME_SIZE + 4] = {0, 0, 0, 1}, mac[BH_DIGEST];
    size_t at = 4, label_size = strlen(label) + 1;
    bool is_done;

    memcpy(text + at, label, label_size);
    at += label_size;
    if (context_size != 0)
        memcpy(text + at, context, context_size);
    at += context_size;
    text[at++] = 0;
    text[at++] = 0;
    text[at++] = (uint8_t)(size * 8 >> 8);
    text[at++] = (uint8_t)(size * 8);
    is_done = HMAC(EVP_sha256(), seed, SEED_SIZE, text, at, mac, NULL) != NULL;
    memcpy(key, mac, size);
    OPENSSL_cleanse(mac, sizeof(mac));
    return is_done;
}

/* The seed, encrypted to the EK by OAEP with this label, its zero included. */
static bool encrypt_seed(EVP_PKEY *ek, const uint8_t seed[SEED_SIZE], TPM2B_ENCRYPTED_SECRET *to)
{
    static const char label[] = "IDENTITY";
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, ek, NULL);
    void *owned = OPENSSL_memdup(label, sizeof(label));
    size_t size = sizeof(to->secret);
    bool is_done = context != NULL && owned != NULL && EVP_PKEY_encrypt_init(context) == 1 &&
                   EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
                   EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1;

    if (is_done && EVP_PKEY_CTX_set0_rsa_oaep_label(context, owned, sizeof(label)) == 1)
        owned = NULL;
    is_done = is_done && owned == NULL &&
              EVP_PKEY_encrypt(context, to->secret, &size, seed, SEED_SIZE) == 1;
    to->size = (uint16_t)size;
    OPENSSL_free(owned);
    EVP_PKEY_CTX_free(context);
    return is_done;
}

static bool aes_cfb(const uint8_t key[AES_KEY_SIZE], const uint8_t *from, size_t size, uint8_t *to)
{
    static const uint8_t zero[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int length = 0;
    bool is_done = context != NULL &&
                   EVP_EncryptInit_ex(context, EVP_aes_128_cfb128(), NULL, key, zero) == 1 &&
                   EVP_EncryptUpdate(context, to, &length, from, (int)size) == 1 &&
                   (size_t)length == size;

    EVP_CIPHER_CTX_free(context);
    return is_done;
}

/* TPMS_ID_OBJECT: TPM2B of an HMAC over the encrypted secret and the name, then that secret. */
static bool protect(const uint8_t seed[SEED_SIZE], const uint8_t ak_name[NAME_SIZE],
                    const uint8_t secret[BH_DIGEST], TPM2B_ID_OBJECT *credential)
{
    uint8_t key[AES_KEY_SIZE], mac_key[BH_DIGEST], plain[SECRET_2B] = {0, BH_DIGEST};
    uint8_t signed_part[SECRET_2B + NAME_SIZE], *mac = credential->credential + 2;
    bool is_done;

    memcpy(plain + 2, secret, BH_DIGEST);
    memcpy(signed_part + SECRET_2B, ak_name, NAME_SIZE);
    is_done = kdfa(seed, "STORAGE", ak_name, NAME_SIZE, key, sizeof(key)) &&
              kdfa(seed, "INTEGRITY", NULL, 0, mac_key, sizeof(mac_key)) &&
              aes_cfb(key, plain, sizeof(plain), signed_part) &&
              HMAC(EVP_sha256(), mac_key, sizeof(mac_key), signed_part, sizeof(signed_part), mac,
                   NULL) != NULL;
    credential->credential[0] = 0;
    credential->credential[1] = BH_DIGEST;
    memcpy(mac + BH_DIGEST, signed_part, SECRET_2B);
    credential->size = 2 + BH_DIGEST + SECRET_2B;
    OPENSSL_cleanse(plain, sizeof(plain));
    OPENSSL_cleanse(key, sizeof(key));
    return is_done;
}

bool credential_make(EVP_PKEY *ek, const uint8_t ak_name[NAME_SIZE],
                     const uint8_t secret[BH_DIGEST], TPM2B_ID_OBJECT *credential,
                     TPM2B_ENCRYPTED_SECRET *seed)
{
    uint8_t random[SEED_SIZE];
    bool is_done = RAND_bytes(random, sizeof(random)) == 1 && encrypt_seed(ek, random, seed) &&
                   protect(random, ak_name, secret, credential);

    OPENSSL_cleanse(random, sizeof(random));
    return is_done;
}
