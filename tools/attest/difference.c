#include "difference.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hex(char *text, size_t text_size, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *byte = bytes;
    size_t at = 0;

    for (size_t i = 0; i < size && at + 2 < text_size; i++) {
        text[at++] = digits[byte[i] >> 4];
        text[at++] = digits[byte[i] & 15];
    }
    text[at] = '\0';
}

bool differs(struct difference *difference, const char *expected, const char *got_format, ...)
{
    va_list arguments;

    snprintf(difference->expected, sizeof(difference->expected), "%s", expected);
    va_start(arguments, got_format);
    vsnprintf(difference->got, sizeof(difference->got), got_format, arguments);
    va_end(arguments);
    return false;
}

bool same_number(struct difference *difference, const char *what, uint64_t expected, uint64_t got)
{
    if (expected == got)
        return true;
    snprintf(difference->expected, sizeof(difference->expected), "%s %" PRIx64 "h", what, expected);
    snprintf(difference->got, sizeof(difference->got), "%" PRIx64 "h", got);
    return false;
}

bool same_bytes(struct difference *difference, const char *what, const void *expected,
                size_t expected_size, const void *got, size_t got_size)
{
    char text[2 * 66 + 1];

    if (expected_size == got_size && memcmp(expected, got, got_size) == 0)
        return true;
    hex(text, sizeof(text), expected, expected_size);
    snprintf(difference->expected, sizeof(difference->expected), "%s%s%s", what,
             what[0] != '\0' ? " " : "", expected_size != 0 ? text : "empty");
    hex(text, sizeof(text), got, got_size);
    snprintf(difference->got, sizeof(difference->got), "%s", got_size != 0 ? text : "empty");
    return false;
}
