/* Keys and signatures; core's own verifier is the judge. */
#include "core/policy/minisig.h"
#include "sign/sign.h"
#include "testing.h"
#include <string.h>

static const char data[] = "a policy image";
#define COMMENT "policy x version 1"

static struct secret_key key;

static int begin(void **state)
{
    (void)state;
    if (sign_begin() != SIGN_OK)
        return 1;
    sign_new_key(&key);
    return 0;
}

static bool is_good(const char *signature, const void *bytes, size_t size)
{
    char public[SIGN_TEXT_MAX];
    struct minisig_key trusted;
    struct policy_fault fault;

    sign_public_text(&key, public, sizeof(public));
    assert_true(minisig_parse_key(public, strlen(public), &trusted, &fault));
    return minisig_verify(&trusted, signature, strlen(signature), bytes, size, &fault);
}

static void core_accepts_a_signature(void **state)
{
    char text[SIGN_TEXT_MAX];

    (void)state;
    sign_data(&key, data, sizeof(data), COMMENT, text, sizeof(text));
    assert_non_null(strstr(text, "\ntrusted comment: " COMMENT "\n"));
    assert_true(is_good(text, data, sizeof(data)));
    assert_false(is_good(text, data, sizeof(data) - 1));
}

static void a_comment_is_signed_too(void **state)
{
    char text[SIGN_TEXT_MAX];

    (void)state;
    sign_data(&key, data, sizeof(data), COMMENT, text, sizeof(text));
    strstr(text, COMMENT)[sizeof(COMMENT) - 2] = '2';
    assert_false(is_good(text, data, sizeof(data)));
}

static void the_longest_comment_fits(void **state)
{
    char text[SIGN_TEXT_MAX], comment[SIGN_COMMENT_MAX + 10];

    (void)state;
    memset(comment, 'x', sizeof(comment));
    comment[sizeof(comment) - 1] = 0;
    sign_data(&key, data, sizeof(data), comment, text, sizeof(text));
    assert_true(is_good(text, data, sizeof(data)));
}

static void a_secret_key_is_read_back(void **state)
{
    char text[SIGN_TEXT_MAX];
    struct secret_key read;

    (void)state;
    sign_secret_text(&key, text, sizeof(text));
    assert_int_equal(sign_parse_secret(text, strlen(text), &read), SIGN_OK);
    assert_memory_equal(&read, &key, sizeof(key));
}

static void damaged_secret_keys_are_refused(void **state)
{
    char text[SIGN_TEXT_MAX], changed[SIGN_TEXT_MAX];
    struct secret_key read;
    size_t length, line;

    (void)state;
    sign_secret_text(&key, text, sizeof(text));
    length = strlen(text);
    line = (size_t)(strchr(text, '\n') - text) + 1;
    for (size_t i = 0; i < length - 1; i++) /* the last newline may be missing */
        assert_int_not_equal(sign_parse_secret(text, i, &read), SIGN_OK);
    for (size_t i = line; i < length - 1; i++) {
        memcpy(changed, text, length + 1);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        /* Salt and limits, 50 bytes from byte 6 on, have no meaning without a password. */
        if (i >= line + 8 && i < line + 8 + 64)
            continue;
        assert_int_not_equal(sign_parse_secret(changed, length, &read), SIGN_OK);
    }
}

static void a_public_key_is_no_secret_key(void **state)
{
    char text[SIGN_TEXT_MAX];
    struct secret_key read;

    (void)state;
    sign_public_text(&key, text, sizeof(text));
    assert_int_equal(sign_parse_secret(text, strlen(text), &read), SIGN_NOT_A_KEY);
}

/* NIST's test vector: FIPS 180-4, "abc". */
static void files_are_hashed_by_sha256(void **state)
{
    static const uint8_t expected[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                         0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                         0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                         0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct sign_hash *hash = sign_hash_begin();
    uint8_t sum[32];

    (void)state;
    sign_hash_add(hash, "a", 1);
    sign_hash_add(hash, "bc", 2);
    sign_hash_end(hash, sum);
    assert_memory_equal(sum, expected, sizeof(sum));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_accepts_a_signature),
        cmocka_unit_test(a_comment_is_signed_too),
        cmocka_unit_test(the_longest_comment_fits),
        cmocka_unit_test(a_secret_key_is_read_back),
        cmocka_unit_test(damaged_secret_keys_are_refused),
        cmocka_unit_test(a_public_key_is_no_secret_key),
        cmocka_unit_test(files_are_hashed_by_sha256),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
