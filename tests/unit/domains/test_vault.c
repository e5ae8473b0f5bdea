/* Vault's answers: right ones to honest requests, harmless ones to everything else. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "domains/vault/service.h"

#define CODE_SIZE 1000

static uint64_t canary[BH_VAULT_CANARY_WORDS];
static uint8_t code[CODE_SIZE];
static struct vault vault;

static bool counting(uint64_t *value)
{
    static uint64_t last = 1;

    *value = last++ * 0x9e3779b97f4a7c15u;
    return true;
}

static bool failing(uint64_t *value)
{
    (void)value;
    return false;
}

static int make_vault(void **state)
{
    struct vault_watch watch = {.canary = canary, .code = code, .code_size = CODE_SIZE};

    (void)state;
    for (uint32_t i = 0; i < BH_VAULT_CANARY_WORDS; i++)
        canary[i] = bh_vault_canary(i);
    for (size_t i = 0; i < CODE_SIZE; i++)
        code[i] = (uint8_t)(i * 7);
    return vault_create(&vault, counting, &watch) ? 0 : -1;
}

static struct bh_vault_reply ask(uint32_t op, const char *comment)
{
    struct bh_vault_request request = {.op = op, .comment_length = (uint32_t)strlen(comment)};
    struct bh_vault_reply reply;

    memcpy(request.comment, comment, request.comment_length);
    for (size_t i = 0; i < sizeof(request.hash); i++)
        request.hash[i] = (uint8_t)(i + 100);
    memset(&reply, 0xee, sizeof(reply));
    vault_answer(&vault, &request, &reply);
    return reply;
}

/* Both of minisign's signatures hold under vault's public key. */
static bool signatures_hold(const struct bh_vault_reply *reply, const uint8_t hash[64])
{
    uint8_t both[sizeof(reply->signature) + sizeof(reply->comment)];

    if (reply->comment_length > sizeof(reply->comment))
        return false;
    memcpy(both, reply->signature, sizeof(reply->signature));
    memcpy(both + sizeof(reply->signature), reply->comment, reply->comment_length);
    return crypto_sign_verify_detached(reply->signature, hash, 64, vault.public_key) == 0 &&
           crypto_sign_verify_detached(reply->global_signature, both,
                                       sizeof(reply->signature) + reply->comment_length,
                                       vault.public_key) == 0;
}

static void assert_zero(const void *bytes, size_t length)
{
    assert_true(sodium_is_zero(bytes, length));
}

static void no_randomness_means_no_key(void **state)
{
    struct vault_watch watch = {.canary = canary, .code = code, .code_size = CODE_SIZE};
    struct vault other;

    (void)state;
    memset(&other, 0xee, sizeof(other));
    assert_false(vault_create(&other, failing, &watch));
    assert_zero(other.secret_key, sizeof(other.secret_key));
}

static void each_vault_has_a_key_of_its_own(void **state)
{
    struct vault other;

    (void)state;
    assert_true(vault_create(&other, counting, &vault.watch));
    assert_memory_not_equal(other.public_key, vault.public_key, sizeof(other.public_key));
    assert_memory_not_equal(other.key_id, vault.key_id, sizeof(other.key_id));
}

static void public_key_text_is_minisigns(void **state)
{
    char text[VAULT_PUBLIC_KEY_TEXT], expected[VAULT_PUBLIC_KEY_TEXT];
    uint8_t bytes[42] = "Ed";

    (void)state;
    memcpy(bytes + 2, vault.key_id, 8);
    memcpy(bytes + 10, vault.public_key, 32);
    sodium_bin2base64(expected, sizeof(expected), bytes, sizeof(bytes),
                      sodium_base64_VARIANT_ORIGINAL);
    vault_public_key_text(&vault, text);
    assert_string_equal(text, expected);
    assert_memory_equal(text, "RW", 2);
}

static void public_key_is_given(void **state)
{
    struct bh_vault_reply reply = ask(BH_VAULT_PUBLIC_KEY, "");

    (void)state;
    assert_int_equal(reply.status, BH_VAULT_OK);
    assert_memory_equal(reply.public_key, vault.public_key, 32);
    assert_memory_equal(reply.key_id, vault.key_id, 8);
    assert_zero(reply.signature, 64);
}

static void signatures_are_valid_and_numbered(void **state)
{
    struct bh_vault_reply first = ask(BH_VAULT_SIGN, "a file"), second = ask(BH_VAULT_SIGN, "");
    uint8_t hash[64];

    (void)state;
    for (size_t i = 0; i < sizeof(hash); i++)
        hash[i] = (uint8_t)(i + 100);
    assert_int_equal(first.status, BH_VAULT_OK);
    assert_true(signatures_hold(&first, hash));
    assert_true(signatures_hold(&second, hash));
    assert_string_equal(first.comment, "bulkhead vault signature 1: a file");
    assert_string_equal(second.comment, "bulkhead vault signature 2");
    assert_int_equal(first.comment_length, strlen(first.comment));
    hash[0] ^= 1;
    assert_false(signatures_hold(&first, hash));
}

static void longest_comment_is_signed_whole(void **state)
{
    char comment[BH_VAULT_COMMENT_MAX + 1] = "";

    (void)state;
    memset(comment, '~', BH_VAULT_COMMENT_MAX);
    vault.serial = UINT64_MAX - 1;
    struct bh_vault_reply reply = ask(BH_VAULT_SIGN, comment);
    assert_int_equal(reply.status, BH_VAULT_OK);
    assert_true(reply.comment_length < sizeof(reply.comment));
    assert_memory_equal(reply.comment + reply.comment_length - BH_VAULT_COMMENT_MAX, comment,
                        BH_VAULT_COMMENT_MAX);
}

static void bad_comments_are_refused_unsigned(void **state)
{
    static const char *const bad[] = {"two\nlines", "\x1b[2J", "\x7f", "caf\xc3\xa9"};
    struct bh_vault_request request = {.op = BH_VAULT_SIGN};
    struct bh_vault_reply reply;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reply = ask(BH_VAULT_SIGN, bad[i]);
        assert_int_equal(reply.status, BH_VAULT_BAD_COMMENT);
        assert_zero(reply.signature, 128);
    }
    for (uint32_t length = BH_VAULT_COMMENT_MAX + 1; length != 0; length *= 2) {
        memset(request.comment, 'x', sizeof(request.comment));
        request.comment_length = length;
        vault_answer(&vault, &request, &reply);
        assert_int_equal(reply.status, BH_VAULT_BAD_COMMENT);
        assert_zero(reply.signature, 128);
    }
    assert_int_equal(vault.serial, 0);
}

static void unknown_operations_get_an_empty_reply(void **state)
{
    static const uint32_t unknown[] = {0, 4, 5, 0x80000001, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct bh_vault_reply reply = ask(unknown[i], "x");

        assert_int_equal(reply.status, BH_VAULT_UNKNOWN_OP);
        reply.status = 0;
        assert_zero(&reply, sizeof(reply));
    }
}

static void check_finds_each_kind_of_damage(void **state)
{
    struct bh_vault_reply reply = ask(BH_VAULT_CHECK, "");

    (void)state;
    assert_int_equal(reply.status, BH_VAULT_OK);
    assert_string_equal(reply.comment, "canary intact, code intact, key intact");

    canary[BH_VAULT_CANARY_WORDS - 1] ^= 1ull << 63;
    reply = ask(BH_VAULT_CHECK, "");
    assert_int_equal(reply.status, BH_VAULT_DAMAGED);
    assert_string_equal(reply.comment, "canary CHANGED, code intact, key intact");
    canary[BH_VAULT_CANARY_WORDS - 1] ^= 1ull << 63;

    code[CODE_SIZE - 1] ^= 1;
    reply = ask(BH_VAULT_CHECK, "");
    assert_int_equal(reply.status, BH_VAULT_DAMAGED);
    assert_string_equal(reply.comment, "canary intact, code CHANGED, key intact");
    code[CODE_SIZE - 1] ^= 1;

    vault.secret_key[63] ^= 1;
    reply = ask(BH_VAULT_CHECK, "");
    assert_int_equal(reply.status, BH_VAULT_DAMAGED);
    assert_string_equal(reply.comment, "canary intact, code intact, key CHANGED");
}

static void poll_answers_each_ticket_once(void **state)
{
    static struct bh_vault_channel channel;
    struct bh_vault_request request;

    (void)state;
    memset(&channel, 0, sizeof(channel));
    channel.request.op = BH_VAULT_PUBLIC_KEY;
    request = channel.request;
    assert_false(vault_poll(&vault, &channel));
    channel.ticket = 1;
    assert_true(vault_poll(&vault, &channel));
    assert_int_equal(channel.done, 1);
    assert_memory_equal(channel.reply.public_key, vault.public_key, 32);
    assert_false(vault_poll(&vault, &channel));
    channel.done = 77; /* the client's lies about it change nothing */
    assert_false(vault_poll(&vault, &channel));
    channel.ticket = 2;
    assert_true(vault_poll(&vault, &channel));
    assert_int_equal(channel.done, 2);
    assert_memory_equal(&channel.request, &request, sizeof(request));
}

static bool reply_is_sane(const struct bh_vault_reply *reply)
{
    if (reply->status > BH_VAULT_DAMAGED || reply->comment_length >= sizeof(reply->comment))
        return false;
    for (uint32_t i = 0; i < reply->comment_length; i++)
        if (reply->comment[i] < 0x20 || reply->comment[i] > 0x7e)
            return false;
    return true;
}

static void garbage_is_survived(void **state)
{
    static struct {
        uint8_t before[64];
        struct bh_vault_channel channel;
        uint8_t after[64];
    } page;
    static const uint8_t zeros[64];
    uint8_t seed[randombytes_SEEDBYTES] = {0};
    unsigned answers = 0;

    (void)state;
    for (uint32_t round = 0; round < 4000; round++) {
        memcpy(seed, &round, sizeof(round));
        randombytes_buf_deterministic(&page.channel, sizeof(page.channel), seed);
        if (round % 4) { /* most get as far as an operation */
            page.channel.request.op = round % 4;
            page.channel.request.comment_length %= 2 * BH_VAULT_COMMENT_MAX;
        }
        if (round % 8 > 3)
            memset(page.channel.request.comment, 'c', BH_VAULT_COMMENT_MAX);
        answers += vault_poll(&vault, &page.channel);
        assert_true(reply_is_sane(&page.channel.reply) || page.channel.done != page.channel.ticket);
        assert_memory_equal(page.before, zeros, sizeof(zeros));
        assert_memory_equal(page.after, zeros, sizeof(zeros));
    }
    assert_true(answers > 3900);
    assert_true(vault.serial > 100);
    assert_int_equal(ask(BH_VAULT_CHECK, "").status, BH_VAULT_OK);
}

static atomic_bool stop_meddling;

/* The client's second core changes the request while vault works on it. */
static void *meddle(void *argument)
{
    volatile struct bh_vault_request *request = argument;

    for (uint32_t i = 0; !stop_meddling; i++) {
        request->comment_length = i % 3 ? 8 : UINT32_MAX;
        request->comment[i % 8] = i % 5 ? 'A' : '\n';
        request->comment[i % 8] = 'A';
        request->hash[i % 64]++;
    }
    return NULL;
}

/*
 * With a second look at the request, a comment would pass the check and be signed in
 * another form: too long, or with a newline. Goes on until both outcomes were seen often.
 */
static void changes_during_a_request_are_harmless(void **state)
{
    static struct bh_vault_channel channel;
    pthread_t thread;
    unsigned signatures = 0, refusals = 0;

    (void)state;
    memset(&channel, 0, sizeof(channel));
    memset(channel.request.comment, 'A', sizeof(channel.request.comment));
    channel.request.op = BH_VAULT_SIGN;
    stop_meddling = false;
    assert_int_equal(pthread_create(&thread, NULL, meddle, &channel.request), 0);
    for (uint32_t ticket = 1; signatures < 1000 || refusals < 100; ticket++) {
        assert_true(ticket < 1000000);
        channel.ticket = ticket;
        assert_true(vault_poll(&vault, &channel));
        assert_true(reply_is_sane(&channel.reply));
        signatures += channel.reply.status == BH_VAULT_OK;
        refusals += channel.reply.status == BH_VAULT_BAD_COMMENT;
    }
    stop_meddling = true;
    pthread_join(thread, NULL);
    assert_int_equal(vault.serial, signatures);
    assert_int_equal(ask(BH_VAULT_CHECK, "").status, BH_VAULT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_randomness_means_no_key, make_vault),
        cmocka_unit_test_setup(each_vault_has_a_key_of_its_own, make_vault),
        cmocka_unit_test_setup(public_key_text_is_minisigns, make_vault),
        cmocka_unit_test_setup(public_key_is_given, make_vault),
        cmocka_unit_test_setup(signatures_are_valid_and_numbered, make_vault),
        cmocka_unit_test_setup(longest_comment_is_signed_whole, make_vault),
        cmocka_unit_test_setup(bad_comments_are_refused_unsigned, make_vault),
        cmocka_unit_test_setup(unknown_operations_get_an_empty_reply, make_vault),
        cmocka_unit_test_setup(check_finds_each_kind_of_damage, make_vault),
        cmocka_unit_test_setup(poll_answers_each_ticket_once, make_vault),
        cmocka_unit_test_setup(garbage_is_survived, make_vault),
        cmocka_unit_test_setup(changes_during_a_request_are_harmless, make_vault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
