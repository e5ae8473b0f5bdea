/* The formatter agrees with the C library's where it promises to, and keeps its bounds. */
#include "testing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/format.h"

/* Formats with both and compares text and length. */
#define agree(...)                                                                    \
    do {                                                                              \
        char ours[128], theirs[128];                                                  \
        size_t length = format(ours, sizeof(ours), __VA_ARGS__);                      \
        assert_int_equal(snprintf(theirs, sizeof(theirs), __VA_ARGS__), (int)length); \
        assert_string_equal(ours, theirs);                                            \
    } while (0)

static void numbers_as_in_the_c_library(void **state)
{
    (void)state;
    agree("%d %d %d", 0, INT_MAX, INT_MIN);
    agree("%ld %ld", LONG_MAX, LONG_MIN);
    agree("%u %lu %llu", UINT_MAX, ULONG_MAX, ULLONG_MAX);
    agree("%x %lx %zx", 0xdeadbeefu, 0x123456789abcdeful, (size_t)0);
    agree("[%8x] [%08x] [%-8x] [%016lx]", 0xabcu, 0xabcu, 0xabcu, 0xabcul);
    agree("[%6d] [%06d] [%-6d]", -42, -42, -42);
    agree("[%2d] [%02d]", 12345, -12345);
}

static void strings_as_in_the_c_library(void **state)
{
    (void)state;
    agree("%s|%10s|%-10s|", "abc", "abc", "abc");
    agree("%.2s|%.0s|%.5s|", "abc", "abc", "abc");
    agree("%*s|%-*s|%.*s|", 6, "abc", 6, "abc", 2, "abc");
    agree("%c%c %%", 'x', 'y');
    agree("plain");
    agree("%s", "");
}

static void precision_bounds_what_is_read(void **state)
{
    char *text = malloc(3); /* no terminator: reading on would be caught */
    char out[16];

    (void)state;
    memcpy(text, "abc", 3);
    assert_int_equal(format(out, sizeof(out), "%.*s", 3, text), 3);
    assert_string_equal(out, "abc");
    free(text);
}

static void text_is_cut_and_terminated(void **state)
{
    char out[4] = "zzz";

    (void)state;
    assert_int_equal(format(out, sizeof(out), "%d", 123456), 6);
    assert_string_equal(out, "123");
    assert_int_equal(format(out, 1, "x"), 1);
    assert_string_equal(out, "");
    out[0] = 'k';
    assert_int_equal(format(out, 0, "xyz"), 3);
    assert_int_equal(out[0], 'k');
}

static void unknown_directives_are_shown(void **state)
{
    char out[32];
    /* Through a pointer: gcc would rightly refuse these as literals. */
    const char *volatile unknown = "%q %", *volatile null_text = NULL;

    (void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    assert_int_equal(format(out, sizeof(out), unknown), 4);
#pragma GCC diagnostic pop
    assert_string_equal(out, "%q %");
    format(out, sizeof(out), "%s", null_text);
    assert_string_equal(out, "(null)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_in_the_c_library),
        cmocka_unit_test(strings_as_in_the_c_library),
        cmocka_unit_test(precision_bounds_what_is_read),
        cmocka_unit_test(text_is_cut_and_terminated),
        cmocka_unit_test(unknown_directives_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
