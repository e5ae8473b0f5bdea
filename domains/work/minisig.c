#include "domains/work/minisig.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#define BASE64_MAX 128u

static void base64(char text[BASE64_MAX], const uint8_t *bytes, size_t length)
{
    sodium_bin2base64(text, BASE64_MAX, bytes, length, sodium_base64_VARIANT_ORIGINAL);
}

bool minisig_verify(const struct bh_vault_reply *reply, const uint8_t hash[64])
{
    uint8_t signed_twice[sizeof(reply->signature) + sizeof(reply->comment)];

    if (reply->comment_length == 0 || reply->comment_length > sizeof(reply->comment))
        return false;
    for (uint32_t i = 0; i < reply->comment_length; i++)
        if (reply->comment[i] < 0x20 || reply->comment[i] > 0x7e)
            return false;
    memcpy(signed_twice, reply->signature, sizeof(reply->signature));
    memcpy(signed_twice + sizeof(reply->signature), reply->comment, reply->comment_length);
    return crypto_sign_verify_detached(reply->signature, hash, 64, reply->public_key) == 0 &&
           crypto_sign_verify_detached(reply->global_signature, signed_twice,
                                       sizeof(reply->signature) + reply->comment_length,
                                       reply->public_key) == 0;
}

void minisig_signature_text(const struct bh_vault_reply *reply, char text[MINISIG_TEXT_MAX])
{
    uint8_t bytes[2 + sizeof(reply->key_id) + sizeof(reply->signature)] = {'E', 'D'};
    char signature[BASE64_MAX], global[BASE64_MAX];

    memcpy(bytes + 2, reply->key_id, sizeof(reply->key_id));
    memcpy(bytes + 2 + sizeof(reply->key_id), reply->signature, sizeof(reply->signature));
    base64(signature, bytes, sizeof(bytes));
    base64(global, reply->global_signature, sizeof(reply->global_signature));
    snprintf(text, MINISIG_TEXT_MAX,
             "untrusted comment: signature by a Bulkhead vault\n%s\ntrusted comment: %.*s\n%s\n",
             signature, (int)reply->comment_length, reply->comment, global);
}

void minisig_key_text(const struct bh_vault_reply *reply, char text[MINISIG_TEXT_MAX])
{
    uint8_t bytes[2 + sizeof(reply->key_id) + sizeof(reply->public_key)] = {'E', 'd'};
    char key[BASE64_MAX];

    memcpy(bytes + 2, reply->key_id, sizeof(reply->key_id));
    memcpy(bytes + 2 + sizeof(reply->key_id), reply->public_key, sizeof(reply->public_key));
    base64(key, bytes, sizeof(bytes));
    snprintf(text, MINISIG_TEXT_MAX, "untrusted comment: public key of a Bulkhead vault\n%s\n",
             key);
}
