/*
 * The signing channel between a domain and vault: one request at a time in shared memory.
 *
 * The client fills `request`, then stores a new `ticket` (last one + 1, never 0) and rings
 * the doorbell. Vault reads ticket and request once into memory of its own, checks them,
 * writes `reply` and stores the ticket in `done` last. Client and vault do not trust each
 * other: each copies what it reads before it looks at it.
 */
#ifndef BULKHEAD_VAULT_H
#define BULKHEAD_VAULT_H

#include <stddef.h>
#include <stdint.h>

#define BH_VAULT_COMMENT_MAX 120u /* bytes of a client's comment, without a terminating zero */

/*
 * A page of vault's memory that holds a known pattern, for attacks to aim at: word i is
 * bh_vault_canary(i). BH_VAULT_CHECK says whether it is still whole, and a buffer in which
 * one of these words turns up was filled from vault's memory.
 */
#define BH_VAULT_CANARY_GPA   0x000ff000u
#define BH_VAULT_CANARY       0x59524e4148423a01ull
#define BH_VAULT_CANARY_WORDS 512u

static inline uint64_t bh_vault_canary(uint32_t i)
{
    return BH_VAULT_CANARY + i * 0x9e3779b97f4a7c15ull;
}

enum bh_vault_op {
    BH_VAULT_PUBLIC_KEY = 1, /* -> reply.key_id, reply.public_key */
    BH_VAULT_SIGN = 2,       /* request.hash -> a minisign "ED" signature */
    BH_VAULT_CHECK = 3,      /* are canary, code and key as they were at start? reply.comment
                                says it in words */
};

enum bh_vault_status {
    BH_VAULT_OK = 0,
    BH_VAULT_UNKNOWN_OP = 1,
    BH_VAULT_BAD_COMMENT = 2, /* too long, or not printable ASCII */
    BH_VAULT_DAMAGED = 3,     /* BH_VAULT_CHECK found a change */
};

struct bh_vault_request {
    uint32_t op; /* enum bh_vault_op */
    uint32_t comment_length;
    uint8_t hash[64]; /* BLAKE2b-512 of the file */
    char comment[BH_VAULT_COMMENT_MAX];
};

struct bh_vault_reply {
    uint32_t status; /* enum bh_vault_status */
    uint32_t comment_length;
    uint8_t key_id[8];
    uint8_t public_key[32];
    uint8_t signature[64];                  /* Ed25519 over the hash */
    uint8_t global_signature[64];           /* Ed25519 over signature and trusted comment */
    char comment[2 * BH_VAULT_COMMENT_MAX]; /* the trusted comment that vault signed */
};

struct bh_vault_channel {
    volatile uint32_t ticket; /* written by the client */
    uint32_t pad0[15];
    struct bh_vault_request request;
    volatile uint32_t done; /* written by vault, as all below */
    uint32_t pad2[15];
    struct bh_vault_reply reply;
};
_Static_assert(offsetof(struct bh_vault_channel, done) == 256, "a cache line of its own");
_Static_assert(sizeof(struct bh_vault_channel) <= 4096, "one page is enough");

#endif
