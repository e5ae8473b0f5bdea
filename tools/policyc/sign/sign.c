/* minisign's file formats: https://jedisct1.github.io/minisign/, "Signature format" */
#include "sign.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct public_record {
    char algorithm[2]; /* "Ed" */
    uint8_t id[8];
    uint8_t key[32];
};

struct signature_record {
    char algorithm[2]; /* "ED": of the BLAKE2b-512 hash */
    uint8_t id[8];
    uint8_t signature[64];
};

struct secret_record {
    char algorithm[2];          /* "Ed" */
    char kdf[2];                /* zeros: no password */
    char checksum_algorithm[2]; /* "B2" */
    uint8_t salt[32];
    uint8_t limits[16];
    uint8_t id[8];
    uint8_t key[64];
    uint8_t checksum[32]; /* BLAKE2b-256 of algorithm, id, key */
};
_Static_assert(sizeof(struct public_record) == 42, "no padding");
_Static_assert(sizeof(struct signature_record) == 74, "no padding");
_Static_assert(sizeof(struct secret_record) == 158, "no padding");

#define BASE64(size) sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL)

enum sign_result sign_begin(void)
{
    return sodium_init() < 0 ? SIGN_NO_SODIUM : SIGN_OK;
}

void sign_new_key(struct secret_key *key)
{
    uint8_t public[32];

    randombytes_buf(key->id, sizeof(key->id));
    crypto_sign_keypair(public, key->key);
}

void sign_forget(struct secret_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

/* As minisign prints it: a little-endian number. */
static unsigned long long id_number(const uint8_t id[8])
{
    unsigned long long number = 0;

    for (unsigned i = 0; i < 8; i++)
        number |= (unsigned long long)id[i] << 8 * i;
    return number;
}

static void checksum(const struct secret_record *record, uint8_t sum[32])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, 32);
    crypto_generichash_update(&state, (const uint8_t *)record->algorithm, 2);
    crypto_generichash_update(&state, record->id, sizeof(record->id));
    crypto_generichash_update(&state, record->key, sizeof(record->key));
    crypto_generichash_final(&state, sum, 32);
}

void sign_secret_text(const struct secret_key *key, char *text, size_t size)
{
    struct secret_record record = {.algorithm = "Ed", .checksum_algorithm = "B2"};
    char base64[BASE64(sizeof(record))];

    memcpy(record.id, key->id, sizeof(record.id));
    memcpy(record.key, key->key, sizeof(record.key));
    checksum(&record, record.checksum);
    sodium_bin2base64(base64, sizeof(base64), (const uint8_t *)&record, sizeof(record),
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(text, size, "untrusted comment: minisign secret key %016llX\n%s\n", id_number(key->id),
             base64);
    sodium_memzero(&record, sizeof(record));
    sodium_memzero(base64, sizeof(base64));
}

void sign_public_text(const struct secret_key *key, char *text, size_t size)
{
    struct public_record record = {.algorithm = "Ed"};
    char base64[BASE64(sizeof(record))];

    memcpy(record.id, key->id, sizeof(record.id));
    memcpy(record.key, key->key + 32, sizeof(record.key));
    sodium_bin2base64(base64, sizeof(base64), (const uint8_t *)&record, sizeof(record),
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(text, size, "untrusted comment: minisign public key %016llX\n%s\n", id_number(key->id),
             base64);
}

/* minisign -W leaves the checksum out; then the public half, which follows from the seed,
 * must do. */
static bool is_whole(const struct secret_record *record)
{
    uint8_t sum[32], public[32], pair[64];
    bool is_good;

    if (sodium_is_zero(record->checksum, sizeof(record->checksum))) {
        crypto_sign_seed_keypair(public, pair, record->key);
        is_good = sodium_memcmp(pair, record->key, sizeof(pair)) == 0;
        sodium_memzero(pair, sizeof(pair));
        return is_good;
    }
    checksum(record, sum);
    return sodium_memcmp(sum, record->checksum, sizeof(sum)) == 0;
}

static enum sign_result check_secret(const struct secret_record *record)
{

    if (memcmp(record->algorithm, "Ed", 2) != 0 || memcmp(record->checksum_algorithm, "B2", 2) != 0)
        return SIGN_NOT_A_KEY;
    if (record->kdf[0] != 0 || record->kdf[1] != 0)
        return SIGN_ENCRYPTED;
    return is_whole(record) ? SIGN_OK : SIGN_BAD_CHECKSUM;
}

enum sign_result sign_parse_secret(const char *text, size_t size, struct secret_key *key)
{
    static const char start[] = "untrusted comment: ";
    const char *line = memchr(text, '\n', size);
    struct secret_record record;
    const char *end;
    size_t length, left;
    enum sign_result result;

    if (size < sizeof(start) || memcmp(text, start, sizeof(start) - 1) != 0 || line == NULL)
        return SIGN_NOT_A_KEY;
    line++;
    left = size - (size_t)(line - text);
    end = memchr(line, '\n', left);
    if (sodium_base642bin((uint8_t *)&record, sizeof(record), line,
                          end != NULL ? (size_t)(end - line) : left, NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != sizeof(record))
        return SIGN_NOT_A_KEY;
    result = check_secret(&record);
    if (result == SIGN_OK) {
        memcpy(key->id, record.id, sizeof(key->id));
        memcpy(key->key, record.key, sizeof(key->key));
    }
    sodium_memzero(&record, sizeof(record));
    return result;
}

/* The second signature covers the first one and the trusted comment. */
static void sign_comment(const struct secret_key *key, const uint8_t signature[64],
                         const char *comment, uint8_t global[64])
{
    uint8_t both[64 + SIGN_COMMENT_MAX];
    size_t length = strnlen(comment, SIGN_COMMENT_MAX);

    memcpy(both, signature, 64);
    memcpy(both + 64, comment, length);
    crypto_sign_detached(global, NULL, both, 64 + length, key->key);
}

void sign_data(const struct secret_key *key, const void *data, size_t data_size,
               const char *comment, char *text, size_t size)
{
    struct signature_record record = {.algorithm = "ED"};
    char base64[BASE64(sizeof(record))], global_base64[BASE64(64)];
    uint8_t hash[64], global[64];

    crypto_generichash(hash, sizeof(hash), data, data_size, NULL, 0);
    memcpy(record.id, key->id, sizeof(record.id));
    crypto_sign_detached(record.signature, NULL, hash, sizeof(hash), key->key);
    sign_comment(key, record.signature, comment, global);
    sodium_bin2base64(base64, sizeof(base64), (const uint8_t *)&record, sizeof(record),
                      sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(global_base64, sizeof(global_base64), global, sizeof(global),
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(text, size,
             "untrusted comment: signature from minisign secret key\n%s\n"
             "trusted comment: %.*s\n%s\n",
             base64, (int)SIGN_COMMENT_MAX, comment, global_base64);
}

struct sign_hash {
    crypto_hash_sha256_state state;
};

struct sign_hash *sign_hash_begin(void)
{
    struct sign_hash *hash = malloc(sizeof(*hash));

    if (hash != NULL)
        crypto_hash_sha256_init(&hash->state);
    return hash;
}

void sign_hash_add(struct sign_hash *hash, const void *data, size_t size)
{
    crypto_hash_sha256_update(&hash->state, data, size);
}

void sign_hash_end(struct sign_hash *hash, uint8_t sha256[32])
{
    crypto_hash_sha256_final(&hash->state, sha256);
    free(hash);
}
