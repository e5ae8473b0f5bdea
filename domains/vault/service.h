/*
 * Vault's service without the hardware: a key, and what it answers to requests. Everything
 * that comes in a request is hostile.
 */
#ifndef DOMAINS_VAULT_SERVICE_H
#define DOMAINS_VAULT_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/vault.h"
#include "domains/lib/random.h"

#define VAULT_HASH_SIZE 64u

/* Memory that BH_VAULT_CHECK looks at. */
struct vault_watch {
    const volatile uint64_t *canary; /* BH_VAULT_CANARY_WORDS words */
    const uint8_t *code;             /* code and constants */
    size_t code_size;
};

struct vault {
    uint8_t key_id[8];
    uint8_t public_key[32];
    uint8_t secret_key[64];
    uint64_t serial;   /* of the last signature */
    uint32_t answered; /* the last ticket that was answered */
    struct vault_watch watch;
    uint8_t key_hash[VAULT_HASH_SIZE]; /* SHA-512 as they were at start */
    uint8_t code_hash[VAULT_HASH_SIZE];
};

/*
 * Makes vault's key pair and key id out of `source` and notes what `watch` shows now.
 * Returns false, and no key is there, if the source has no good random numbers.
 */
bool vault_create(struct vault *vault, random_source *source, const struct vault_watch *watch);

/* The public key as minisign prints it, "RW...", with a terminating zero. */
#define VAULT_PUBLIC_KEY_TEXT 57u
void vault_public_key_text(const struct vault *vault, char text[VAULT_PUBLIC_KEY_TEXT]);

/* Answers one request. Both are vault's own memory. */
void vault_answer(struct vault *vault, const struct bh_vault_request *request,
                  struct bh_vault_reply *reply);

/*
 * Looks once for a new ticket in the channel and answers it. Returns false if there is
 * none. Whatever the other end writes meanwhile, each byte is read once.
 */
bool vault_poll(struct vault *vault, struct bh_vault_channel *channel);

#endif
