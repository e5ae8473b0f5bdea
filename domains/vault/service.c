#include "domains/vault/service.h"

#include <sodium/crypto_hash_sha512.h>
#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>

#include "lib/format.h"
#include "lib/memory.h"

#define RANDOM_WORDS 8

static void hash_key(const struct vault *vault, uint8_t hash[VAULT_HASH_SIZE])
{
    crypto_hash_sha512_state state;

    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, vault->key_id, sizeof(vault->key_id));
    crypto_hash_sha512_update(&state, vault->public_key, sizeof(vault->public_key));
    crypto_hash_sha512_update(&state, vault->secret_key, sizeof(vault->secret_key));
    crypto_hash_sha512_final(&state, hash);
}

static void hash_code(const struct vault *vault, uint8_t hash[VAULT_HASH_SIZE])
{
    crypto_hash_sha512(hash, vault->watch.code, vault->watch.code_size);
}

bool vault_create(struct vault *vault, random_source *source, const struct vault_watch *watch)
{
    uint64_t words[RANDOM_WORDS];
    uint8_t mixed[VAULT_HASH_SIZE];

    memset(vault, 0, sizeof(*vault));
    if (!random_words(source, words, RANDOM_WORDS))
        return false;
    /* Hashed, so that a key and its id show nothing of the generator's raw output. */
    crypto_hash_sha512(mixed, (const uint8_t *)words, sizeof(words));
    crypto_sign_ed25519_seed_keypair(vault->public_key, vault->secret_key, mixed);
    memcpy(vault->key_id, mixed + crypto_sign_ed25519_SEEDBYTES, sizeof(vault->key_id));
    sodium_memzero(words, sizeof(words));
    sodium_memzero(mixed, sizeof(mixed));
    vault->watch = *watch;
    hash_key(vault, vault->key_hash);
    hash_code(vault, vault->code_hash);
    return true;
}

void vault_public_key_text(const struct vault *vault, char text[VAULT_PUBLIC_KEY_TEXT])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[2 + sizeof(vault->key_id) + sizeof(vault->public_key)] = {'E', 'd'};

    _Static_assert(sizeof(bytes) % 3 == 0 && sizeof(bytes) / 3 * 4 + 1 == VAULT_PUBLIC_KEY_TEXT,
                   "base64 without padding");
    memcpy(bytes + 2, vault->key_id, sizeof(vault->key_id));
    memcpy(bytes + 2 + sizeof(vault->key_id), vault->public_key, sizeof(vault->public_key));
    for (size_t i = 0; i < sizeof(bytes); i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *text++ = digits[group >> shift & 63];
    }
    *text = '\0';
}

/* A control character or a newline would let a client forge lines of the signature file. */
static bool comment_is_printable(const char *comment, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (comment[i] < 0x20 || comment[i] > 0x7e)
            return false;
    return true;
}

static uint32_t sign(struct vault *vault, const struct bh_vault_request *request,
                     struct bh_vault_reply *reply)
{
    uint8_t signed_twice[sizeof(reply->signature) + sizeof(reply->comment)];
    uint32_t length = request->comment_length;

    if (length > BH_VAULT_COMMENT_MAX || !comment_is_printable(request->comment, length))
        return BH_VAULT_BAD_COMMENT;

    /* The text is shorter than the array: see the limits of a comment and of a number. */
    reply->comment_length = (uint32_t)format(
        reply->comment, sizeof(reply->comment), "bulkhead vault signature %lu%s%.*s",
        (unsigned long)++vault->serial, length ? ": " : "", (int)length, request->comment);
    crypto_sign_ed25519_detached(reply->signature, NULL, request->hash, sizeof(request->hash),
                                 vault->secret_key);
    memcpy(signed_twice, reply->signature, sizeof(reply->signature));
    memcpy(signed_twice + sizeof(reply->signature), reply->comment, reply->comment_length);
    crypto_sign_ed25519_detached(reply->global_signature, NULL, signed_twice,
                                 sizeof(reply->signature) + reply->comment_length,
                                 vault->secret_key);
    return BH_VAULT_OK;
}

static uint32_t check(const struct vault *vault, struct bh_vault_reply *reply)
{
    uint8_t hash[VAULT_HASH_SIZE];
    bool canary = true, code, key;

    for (uint32_t i = 0; i < BH_VAULT_CANARY_WORDS; i++)
        canary = canary && vault->watch.canary[i] == bh_vault_canary(i);
    hash_code(vault, hash);
    code = memcmp(hash, vault->code_hash, sizeof(hash)) == 0;
    hash_key(vault, hash);
    key = memcmp(hash, vault->key_hash, sizeof(hash)) == 0;
    reply->comment_length = (uint32_t)format(
        reply->comment, sizeof(reply->comment), "canary %s, code %s, key %s",
        canary ? "intact" : "CHANGED", code ? "intact" : "CHANGED", key ? "intact" : "CHANGED");
    return canary && code && key ? BH_VAULT_OK : BH_VAULT_DAMAGED;
}

void vault_answer(struct vault *vault, const struct bh_vault_request *request,
                  struct bh_vault_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    switch (request->op) {
    case BH_VAULT_PUBLIC_KEY:
        reply->status = BH_VAULT_OK;
        break;
    case BH_VAULT_SIGN:
        reply->status = sign(vault, request, reply);
        break;
    case BH_VAULT_CHECK:
        reply->status = check(vault, reply);
        break;
    default:
        reply->status = BH_VAULT_UNKNOWN_OP;
        return;
    }
    memcpy(reply->key_id, vault->key_id, sizeof(reply->key_id));
    memcpy(reply->public_key, vault->public_key, sizeof(reply->public_key));
}

bool vault_poll(struct vault *vault, struct bh_vault_channel *channel)
{
    struct bh_vault_request request;
    struct bh_vault_reply reply;
    uint32_t ticket = channel->ticket;

    if (ticket == 0 || ticket == vault->answered)
        return false;
    /* x86 keeps loads in order, and stores too; the compiler is told by the barriers. */
    __asm__ volatile("" : : : "memory");
    memcpy(&request, &channel->request, sizeof(request));
    __asm__ volatile("" : : : "memory");
    vault_answer(vault, &request, &reply);
    memcpy(&channel->reply, &reply, sizeof(reply));
    __asm__ volatile("" : : : "memory");
    vault->answered = ticket;
    channel->done = ticket;
    return true;
}
