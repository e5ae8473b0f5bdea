/* policy_explain: each refusal is a line that names cause, place and remedy. */
#include "testing.h"

#include <ctype.h>
#include <string.h>

#include "core/policy/check.h"

#define CONSOLE_ROOM 222 /* of a console line of 240, what "bulkhead: FATAL: " leaves */

static const char *explain(struct policy_fault fault)
{
    static char text[CHECK_TEXT];

    policy_explain(&fault, text, sizeof text);
    return text;
}

static void texts_are_as_promised(void **state)
{
    (void)state;
    assert_string_equal(
        explain((struct policy_fault){POLICY_OTHER_AUTHOR, 0, 0x72D64064B33A5DAF, 0x1}),
        "policy refused: module signature is by another author's key: 72d64064b33a5daf, trusted "
        "is 0000000000000001. Sign the image with the trusted author's key and load that "
        "signature");
    assert_string_equal(explain((struct policy_fault){POLICY_KEY_FORM, 2, 0, 0}),
                        "policy refused: module trust.pub is no minisign public key: line 2. Load "
                        "the author's minisign public key as it was written by policyc keygen");
    assert_string_equal(explain((struct policy_fault){POLICY_DOMAIN_PORT, 1, 0xcf8, 0}),
                        "policy refused: a domain opens a port that is never given away: row 1, "
                        "cf8. Build and sign the image again with the policyc of this release");
    assert_string_equal(
        explain((struct policy_fault){POLICY_MAPS_CORE, 0, 0x11000000, 0}),
        "policy refused: a page table maps core, the policy image or the device table: domain 0, "
        "address 11000000. Build and sign the image again with the policyc of this release");
}

static void each_refusal_fits_a_console_line(void **state)
{
    (void)state;
    for (uint32_t check = POLICY_OK + 1; check < POLICY_CHECKS; check++) {
        struct policy_fault longest = {(enum policy_check)check, UINT32_MAX, UINT64_MAX,
                                       UINT64_MAX};
        const char *text = explain(longest);

        assert_in_range(strlen(text), 40, CONSOLE_ROOM);
        for (const char *c = text; *c != 0; c++)
            assert_true(isprint(*c));
        /* The remedy is what follows the last full stop; only fatal() adds another. */
        assert_int_equal(strrchr(text, '.')[1], ' ');
    }
}

static void short_buffers_are_respected(void **state)
{
    struct policy_fault fault = {POLICY_MAGIC, 0, 0, 0};
    char text[10];

    (void)state;
    memset(text, '#', sizeof text);
    policy_explain(&fault, text, 8);
    assert_string_equal(text, "policy ");
    assert_int_equal(text[8], '#');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_as_promised),
        cmocka_unit_test(each_refusal_fits_a_console_line),
        cmocka_unit_test(short_buffers_are_respected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
