/*
 * A writer of CBOR in deterministic encoding (RFC 8949, 4.2.1): each length and number takes the
 * fewest bytes, all lengths are definite. The caller writes a map's keys in their order, which is
 * that of their encoded bytes. Without a C library, for core and host tools.
 */
#ifndef LIB_CBOR_H
#define LIB_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cbor {
    uint8_t *bytes;
    size_t capacity;
    size_t size;   /* bytes written so far */
    bool overflow; /* something didn't fit: nothing was written from then on */
};

void cbor_begin(struct cbor *writer, void *buffer, size_t capacity);

void cbor_unsigned(struct cbor *writer, uint64_t value);
void cbor_integer(struct cbor *writer, int64_t value);
void cbor_bytes(struct cbor *writer, const void *bytes, size_t size);
void cbor_text(struct cbor *writer, const char *text, size_t length); /* UTF-8 */

/* `count` items follow, or as many pairs of key and value. */
void cbor_array(struct cbor *writer, uint64_t count);
void cbor_map(struct cbor *writer, uint64_t count);

/* The size of what was written; 0 if it didn't fit. */
size_t cbor_end(const struct cbor *writer);

#endif
