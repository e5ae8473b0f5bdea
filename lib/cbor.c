#include "lib/cbor.h"

#include "lib/memory.h"

/* Major types, RFC 8949, 3.1. */
enum major { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP };

#define HEAD_MAX 9u

void cbor_begin(struct cbor *writer, void *buffer, size_t capacity)
{
    *writer = (struct cbor){.bytes = buffer, .capacity = capacity};
}

static void append(struct cbor *writer, const void *bytes, size_t size)
{
    if (writer->overflow || size > writer->capacity - writer->size) {
        writer->overflow = true;
        return;
    }
    if (size == 0)
        return;
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

/* The bytes that the argument takes behind the initial byte, RFC 8949, 3. */
static unsigned argument_size(uint64_t value)
{
    return value < 24            ? 0
           : value <= UINT8_MAX  ? 1
           : value <= UINT16_MAX ? 2
           : value <= UINT32_MAX ? 4
                                 : 8;
}

static void head(struct cbor *writer, enum major major, uint64_t value)
{
    static const uint8_t additional[] = {[1] = 24, [2] = 25, [4] = 26, [8] = 27};
    uint8_t bytes[HEAD_MAX];
    unsigned size = argument_size(value);

    bytes[0] = (uint8_t)(major << 5 | (size ? additional[size] : value));
    for (unsigned i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(value >> 8 * (size - 1 - i));
    append(writer, bytes, 1 + size);
}

void cbor_unsigned(struct cbor *writer, uint64_t value)
{
    head(writer, UNSIGNED, value);
}

void cbor_integer(struct cbor *writer, int64_t value)
{
    if (value < 0)
        head(writer, NEGATIVE, ~(uint64_t)value); /* -1 - value */
    else
        head(writer, UNSIGNED, (uint64_t)value);
}

void cbor_bytes(struct cbor *writer, const void *bytes, size_t size)
{
    head(writer, BYTES, size);
    append(writer, bytes, size);
}

void cbor_text(struct cbor *writer, const char *text, size_t length)
{
    head(writer, TEXT, length);
    append(writer, text, length);
}

void cbor_array(struct cbor *writer, uint64_t count)
{
    head(writer, ARRAY, count);
}

void cbor_map(struct cbor *writer, uint64_t count)
{
    head(writer, MAP, count);
}

size_t cbor_end(const struct cbor *writer)
{
    return writer->overflow ? 0 : writer->size;
}
