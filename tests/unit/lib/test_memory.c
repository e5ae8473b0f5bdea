/* Core's own memory and string functions do what ISO C says (names: see unit.mk). */
#include "testing.h"

#include <stdbool.h>

#include "lib/memory.h"

#define SIZE 64

static bool equal(const unsigned char *a, const unsigned char *b, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static void count_up(unsigned char *to)
{
    for (unsigned i = 0; i < SIZE; i++)
        to[i] = (unsigned char)(i + 1);
}

/* Every source, destination and length within 16 bytes, overlaps included. */
static void memmove_copies_as_if_through_a_buffer(void **state)
{
    unsigned char moved[SIZE], expected[SIZE];

    (void)state;
    for (size_t from = 0; from < 16; from++)
        for (size_t to = 0; to < 16; to++)
            for (size_t length = 0; length < 16; length++) {
                count_up(moved);
                count_up(expected);
                for (size_t i = 0; i < length; i++)
                    expected[to + i] = (unsigned char)(from + i + 1);
                assert_ptr_equal(memmove(moved + to, moved + from, length), moved + to);
                assert_true(equal(moved, expected, SIZE));
            }
}

static void memcpy_and_memset_keep_to_their_length(void **state)
{
    unsigned char from[SIZE], to[SIZE] = {0}, expected[SIZE] = {0};

    (void)state;
    count_up(from);
    assert_ptr_equal(memcpy(to + 1, from, 5), to + 1);
    for (unsigned i = 0; i < 5; i++)
        expected[i + 1] = (unsigned char)(i + 1);
    assert_true(equal(to, expected, SIZE));
    assert_ptr_equal(memset(to + 3, 0x1ff, 2), to + 3);
    expected[3] = expected[4] = 0xff;
    assert_true(equal(to, expected, SIZE));
    memcpy(to, from, 0);
    memset(to, 1, 0);
    assert_true(equal(to, expected, SIZE));
}

static void comparisons_have_the_right_sign(void **state)
{
    (void)state;
    assert_int_equal(memcmp("abc", "abd", 2), 0);
    assert_true(memcmp("abc", "abd", 3) < 0);
    assert_true(memcmp("\xff", "\x01", 1) > 0);
    assert_int_equal(memcmp("x", "y", 0), 0);
    assert_int_equal(strcmp("abc", "abc"), 0);
    assert_true(strcmp("ab", "abc") < 0);
    assert_true(strcmp("abc", "ab") > 0);
    assert_true(strcmp("\xff", "a") > 0);
    assert_int_equal(strlen(""), 0);
    assert_int_equal(strlen("bulkhead"), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memmove_copies_as_if_through_a_buffer),
        cmocka_unit_test(memcpy_and_memset_keep_to_their_length),
        cmocka_unit_test(comparisons_have_the_right_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
