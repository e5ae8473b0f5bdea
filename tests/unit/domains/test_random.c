/* Random words are refused where the CPU's generator fails or looks broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domains/lib/random.h"

static const uint64_t *script; /* 0 ends the list: no number from then on */
static unsigned calls;
static unsigned fail_before_each; /* attempts that fail before one succeeds */

static bool scripted(uint64_t *value)
{
    calls++;
    if (*script == 0 || calls % (fail_before_each + 1) != 0)
        return false;
    *value = *script++;
    return true;
}

static bool zero(uint64_t *value)
{
    *value = 0;
    return true;
}

static void start(const uint64_t *values, unsigned failures)
{
    script = values;
    calls = 0;
    fail_before_each = failures;
}

static void good_numbers_are_taken(void **state)
{
    static const uint64_t values[] = {11, 22, 33, 0};
    uint64_t words[3];

    (void)state;
    start(values, 0);
    assert_true(random_words(scripted, words, 3));
    assert_memory_equal(words, values, sizeof(words));
    assert_int_equal(calls, 3);
}

static void short_failures_are_retried(void **state)
{
    static const uint64_t values[] = {11, 22, 0};
    uint64_t words[2];

    (void)state;
    start(values, RANDOM_RETRIES - 1);
    assert_true(random_words(scripted, words, 2));
    assert_memory_equal(words, values, sizeof(words));
}

static void retries_are_bounded(void **state)
{
    static const uint64_t values[] = {11, 22, 0};
    uint64_t words[2] = {7, 7};

    (void)state;
    start(values, RANDOM_RETRIES);
    assert_false(random_words(scripted, words, 2));
    assert_int_equal(calls, RANDOM_RETRIES);
    assert_int_equal(words[0], 0);
    assert_int_equal(words[1], 0);
}

static void nothing_is_left_of_a_failed_draw(void **state)
{
    static const uint64_t values[] = {11, 22, 0};
    uint64_t words[3];

    (void)state;
    start(values, 0);
    assert_false(random_words(scripted, words, 3));
    for (int i = 0; i < 3; i++)
        assert_int_equal(words[i], 0);
}

static void broken_generators_are_refused(void **state)
{
    static const uint64_t ones[] = {UINT64_MAX, 5, 0};
    static const uint64_t repeating[] = {11, 22, 22, 33, 0};
    uint64_t words[4];

    (void)state;
    assert_false(random_words(zero, words, 1));
    start(ones, 0);
    assert_false(random_words(scripted, words, 2));
    start(repeating, 0);
    assert_false(random_words(scripted, words, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_numbers_are_taken),
        cmocka_unit_test(short_failures_are_retried),
        cmocka_unit_test(retries_are_bounded),
        cmocka_unit_test(nothing_is_left_of_a_failed_draw),
        cmocka_unit_test(broken_generators_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
