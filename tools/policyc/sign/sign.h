/* Keys and signatures in minisign's formats; signatures of the prehashed form, "ED", only. */
#ifndef POLICYC_SIGN_H
#define POLICYC_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret_key {
    uint8_t id[8];
    uint8_t key[64]; /* Ed25519: seed, public key */
};

#define SIGN_TEXT_MAX    1024u /* of a key file or a signature */
#define SIGN_COMMENT_MAX 256u

enum sign_result {
    SIGN_OK,
    SIGN_NO_SODIUM,   /* libsodium didn't start */
    SIGN_NOT_A_KEY,   /* not a minisign secret key */
    SIGN_ENCRYPTED,   /* the key has a password */
    SIGN_BAD_CHECKSUM /* the key's bytes are damaged */
};

/* Must come first. */
enum sign_result sign_begin(void);

void sign_new_key(struct secret_key *key);

/* Files' texts, zero-terminated; SIGN_TEXT_MAX bytes are enough. */
void sign_secret_text(const struct secret_key *key, char *text, size_t size);
void sign_public_text(const struct secret_key *key, char *text, size_t size);
enum sign_result sign_parse_secret(const char *text, size_t size, struct secret_key *key);

/* The signature file of `data`; `comment`, at most SIGN_COMMENT_MAX, is the trusted one. */
void sign_data(const struct secret_key *key, const void *data, size_t data_size,
               const char *comment, char *text, size_t size);

void sign_forget(struct secret_key *key);

/* SHA-256, added to piece by piece. */
struct sign_hash;
struct sign_hash *sign_hash_begin(void);
void sign_hash_add(struct sign_hash *hash, const void *data, size_t size);
void sign_hash_end(struct sign_hash *hash, uint8_t sha256[32]);

#endif
