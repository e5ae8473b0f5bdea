/*
 * One CBOR item after another, by libcbor's streaming decoder: it allocates nothing, doesn't
 * nest, and hands out strings where they lie. Only what evidence has is known here: integers,
 * definite byte and text strings, arrays and maps.
 */
#ifndef ATTEST_CBOR_READ_H
#define ATTEST_CBOR_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum item_kind {
    ITEM_OTHER,
    ITEM_UNSIGNED,
    ITEM_NEGATIVE,
    ITEM_BYTES,
    ITEM_TEXT,
    ITEM_ARRAY,
    ITEM_MAP
};

struct item {
    enum item_kind kind;
    uint64_t
        value; /* UNSIGNED: itself; NEGATIVE: -1 - it; ARRAY, MAP: items or pairs that follow */
    const uint8_t *at; /* BYTES, TEXT */
    size_t size;
};

struct cbor_reader {
    const uint8_t *bytes;
    size_t size;
    size_t offset; /* of the next item */
};

/* False: no whole item is left. Strings never reach beyond the buffer. */
bool cbor_read(struct cbor_reader *reader, struct item *item);

#endif
