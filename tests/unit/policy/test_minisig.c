/*
 * minisig: files written by Debian's minisign are accepted, and whatever differs from them
 * is refused for what it is.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy/minisig.h"

/* minisign 0.11: -G -W; -S -t "policy laptop, version 1"; -S -l (legacy). */
#define KEY_BASE64     "RWSvXTqzZEDWcu0+qdxVsKwLlqnmvsi1O4Z1qvGLNwzUgPo6FPhSwjQH"
#define COMMENT_KEY    "untrusted comment: minisign public key 72D64064B33A5DAF\n"
#define COMMENT_SIGNED "untrusted comment: signature from minisign secret key\n"
#define SIGNATURE                                                                                  \
    "RUSvXTqzZEDWcteBGyltEgKwNqpBOlUgDpAE2BPDlm0mBm4ZUAitEUWIJqND4zO++T3YaMb+Kz4ycBvO4K1k0ZUQtH8o" \
    "LOva4gE="
#define GLOBAL \
    "1bsGOVdCWx2M51DVTRA/d5d3PX8sugIJyB99G62fat4+DbzqMY3NlCicTtaOb1yexZY0KUsJQKeYGYR2vQsRCw=="
#define TRUSTED "trusted comment: policy laptop, version 1\n"
#define LEGACY                                                                                     \
    "RWSvXTqzZEDWcgG76EEba4d2MDq7nRPfRyL5TkmXjPEiON927Er2t52nqlVYa2FaGjliwZXhkVPhaVTLXZhoO9sB2dIc" \
    "9UHrYgM="
#define LEGACY_GLOBAL \
    "ISFlXV0bw/jgvsNMmt+NLOO8RtYFQu27R3jvZI4PaeTb8lmJ9KZt0GkWDn6OnIZNDhCrDXQXVbjXNTu3SxyECA=="

static const char key_text[] = COMMENT_KEY KEY_BASE64 "\n";
static const char signature_text[] = COMMENT_SIGNED SIGNATURE "\n" TRUSTED GLOBAL "\n";
static const char message[] = "Bulkhead splits a PC into watertight compartments.\n";

static struct minisig_key trusted_key(void)
{
    struct policy_fault fault = {.check = POLICY_OK};
    struct minisig_key key;

    if (!minisig_parse_key(key_text, strlen(key_text), &key, &fault))
        fail_msg("refused: check %d, line %u", fault.check, fault.row);
    return key;
}

/* What comes of a signature text over `data`; the text is copied to memory of just its size,
 * so that the address sanitizer sees a read past its end. */
static struct policy_fault verify(const struct minisig_key *key, const char *text, size_t size,
                                  const char *data)
{
    struct policy_fault fault = {.check = POLICY_OK};
    char *exact = malloc(size ? size : 1);

    memcpy(exact, text, size);
    bool good = minisig_verify(key, exact, size, data, strlen(data), &fault);
    free(exact);
    assert_int_equal(good, fault.check == POLICY_OK);
    return fault;
}

static void key_of_minisign_is_read(void **state)
{
    (void)state;
    assert_int_equal(trusted_key().id, 0x72D64064B33A5DAF);
}

static void bad_keys_are_refused(void **state)
{
    static const struct {
        const char *text;
        uint32_t line;
    } bad[] = {
        {"", 1},
        {"\n", 1},
        {KEY_BASE64 "\n", 1},
        {COMMENT_KEY, 2},
        {COMMENT_KEY "\n" KEY_BASE64, 2},
        {COMMENT_KEY KEY_BASE64 "\r\n", 2},
        {COMMENT_KEY " " KEY_BASE64 "\n", 2},
        {COMMENT_KEY KEY_BASE64 "A\n", 2},
        {COMMENT_KEY KEY_BASE64 "AAAA\n", 2},
        {COMMENT_KEY "RUSvXTqzZEDWcu0+qdxVsKwLlqnmvsi1O4Z1qvGLNwzUgPo6FPhSwjQH\n", 2},
        {COMMENT_KEY "RWSvXTqzZEDWcu0+qdxVsKwLlqnmvsi1O4Z1qvGLNwzUgPo6FPhSwjQ=\n", 2},
        {COMMENT_KEY "RWSvXTqzZEDWcu0+qdxVsKwLlqnmvsi1O4Z1qvGLNwzUgPo6FPhSwj_-\n", 2},
        {COMMENT_KEY SIGNATURE "\n", 2},
        {COMMENT_KEY KEY_BASE64 "\n\n", 3},
        {COMMENT_KEY KEY_BASE64 "\n" KEY_BASE64 "\n", 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct policy_fault fault = {.check = POLICY_OK};
        struct minisig_key key;

        if (minisig_parse_key(bad[i].text, strlen(bad[i].text), &key, &fault) ||
            fault.check != POLICY_KEY_FORM || fault.row != bad[i].line)
            fail_msg("key %zu: expected line %u; got check %d, line %u", i, bad[i].line,
                     fault.check, fault.row);
    }
}

static void signature_of_minisign_is_accepted(void **state)
{
    struct minisig_key key = trusted_key();

    (void)state;
    assert_int_equal(verify(&key, signature_text, strlen(signature_text), message).check,
                     POLICY_OK);
    /* The last newline may be missing: some editors don't write it. */
    assert_int_equal(verify(&key, signature_text, strlen(signature_text) - 1, message).check,
                     POLICY_OK);
}

static void bad_signatures_are_refused(void **state)
{
    static const struct {
        enum policy_check check;
        uint32_t line;
        const char *text;
    } bad[] = {
        {POLICY_SIGNATURE_FORM, 1, ""},
        {POLICY_SIGNATURE_FORM, 1, SIGNATURE "\n" TRUSTED GLOBAL "\n"},
        {POLICY_SIGNATURE_FORM, 2, COMMENT_SIGNED},
        {POLICY_SIGNATURE_FORM, 2, COMMENT_SIGNED "\n"},
        {POLICY_SIGNATURE_FORM, 2, COMMENT_SIGNED KEY_BASE64 "\n" TRUSTED GLOBAL "\n"},
        {POLICY_SIGNATURE_FORM, 2, COMMENT_SIGNED SIGNATURE "A===\n" TRUSTED GLOBAL "\n"},
        {POLICY_SIGNATURE_FORM, 3, COMMENT_SIGNED SIGNATURE "\n"},
        {POLICY_SIGNATURE_FORM, 3, COMMENT_SIGNED SIGNATURE "\n" GLOBAL "\n"},
        {POLICY_SIGNATURE_FORM, 4, COMMENT_SIGNED SIGNATURE "\n" TRUSTED},
        {POLICY_SIGNATURE_FORM, 4, COMMENT_SIGNED SIGNATURE "\n" TRUSTED SIGNATURE "\n"},
        {POLICY_SIGNATURE_FORM, 5, COMMENT_SIGNED SIGNATURE "\n" TRUSTED GLOBAL "\nmore"},
        {POLICY_SIGNATURE_LEGACY, 2,
         COMMENT_SIGNED LEGACY "\ntrusted comment: legacy\n" LEGACY_GLOBAL "\n"},
        {POLICY_ALTERED_COMMENT, 0,
         COMMENT_SIGNED SIGNATURE "\ntrusted comment: policy laptop, version 2\n" GLOBAL "\n"},
        {POLICY_ALTERED_COMMENT, 0, COMMENT_SIGNED SIGNATURE "\ntrusted comment: \n" GLOBAL "\n"},
        {POLICY_ALTERED_COMMENT, 0, COMMENT_SIGNED SIGNATURE "\n" TRUSTED LEGACY_GLOBAL "\n"},
    };
    struct minisig_key key = trusted_key();

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct policy_fault fault = verify(&key, bad[i].text, strlen(bad[i].text), message);

        if (fault.check != bad[i].check || fault.row != bad[i].line)
            fail_msg("signature %zu: expected check %d, line %u; got check %d, line %u", i,
                     bad[i].check, bad[i].line, fault.check, fault.row);
    }
}

static void long_comments_are_refused(void **state)
{
    static const char head[] = COMMENT_SIGNED SIGNATURE "\ntrusted comment: ";
    struct minisig_key key = trusted_key();
    char text[2048] = {0};

    (void)state;
    for (size_t length = MINISIG_COMMENT_MAX; length <= MINISIG_COMMENT_MAX + 1; length++) {
        memcpy(text, head, sizeof head);
        memset(text + strlen(head), 'x', length);
        strcpy(text + strlen(head) + length, "\n" GLOBAL "\n");
        assert_int_equal(verify(&key, text, strlen(text), message).check,
                         length > MINISIG_COMMENT_MAX ? POLICY_SIGNATURE_FORM
                                                      : POLICY_ALTERED_COMMENT);
    }
}

static void altered_data_are_refused(void **state)
{
    struct minisig_key key = trusted_key();
    char altered[sizeof message];

    (void)state;
    for (size_t i = 0; i < strlen(message); i++) {
        strcpy(altered, message);
        altered[i] ^= 1;
        assert_int_equal(verify(&key, signature_text, strlen(signature_text), altered).check,
                         POLICY_ALTERED_IMAGE);
    }
    assert_int_equal(verify(&key, signature_text, strlen(signature_text), "").check,
                     POLICY_ALTERED_IMAGE);
}

static void other_keys_are_refused(void **state)
{
    struct minisig_key key = trusted_key();

    (void)state;
    key.id ^= 1;
    struct policy_fault fault = verify(&key, signature_text, strlen(signature_text), message);
    assert_int_equal(fault.check, POLICY_OTHER_AUTHOR);
    assert_int_equal(fault.value, 0x72D64064B33A5DAF);
    assert_int_equal(fault.other, 0x72D64064B33A5DAE);

    /* A key that merely claims the id signs nothing. */
    key = trusted_key();
    key.key[0] ^= 1;
    assert_int_equal(verify(&key, signature_text, strlen(signature_text), message).check,
                     POLICY_ALTERED_IMAGE);
}

/* Each single bit of the file, comments for humans aside, is either guarded or syntax. */
static void any_flipped_bit_is_refused(void **state)
{
    struct minisig_key key = trusted_key();
    char text[sizeof signature_text];

    (void)state;
    for (size_t i = strlen(COMMENT_SIGNED); i < strlen(signature_text) - 1; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(text, signature_text, sizeof text);
            text[i] = (char)(text[i] ^ 1 << bit);
            if (verify(&key, text, strlen(signature_text), message).check == POLICY_OK)
                fail_msg("accepted with bit %u of byte %zu flipped", bit, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_of_minisign_is_read),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(signature_of_minisign_is_accepted),
        cmocka_unit_test(bad_signatures_are_refused),
        cmocka_unit_test(long_comments_are_refused),
        cmocka_unit_test(altered_data_are_refused),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(any_flipped_bit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
