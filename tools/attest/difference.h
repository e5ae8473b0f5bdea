/* What was expected and what was got, as words for a finding. */
#ifndef ATTEST_DIFFERENCE_H
#define ATTEST_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINDING_TEXT 192u

struct difference {
    char expected[FINDING_TEXT];
    char got[FINDING_TEXT];
};

/* Always false, so that a check can end with it. */
bool differs(struct difference *difference, const char *expected, const char *got_format, ...)
    __attribute__((format(printf, 3, 4)));

/* True if both are the same; else `what` and both numbers, in hexadecimal. */
bool same_number(struct difference *difference, const char *what, uint64_t expected, uint64_t got);

/* Likewise of bytes; `got_size` may be anything. */
bool same_bytes(struct difference *difference, const char *what, const void *expected,
                size_t expected_size, const void *got, size_t got_size);

/* Lower-case hexadecimal, zero-terminated, of as many bytes as there is room for. */
void hex(char *text, size_t text_size, const void *bytes, size_t size);

#endif
