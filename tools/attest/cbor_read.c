#include "cbor_read.h"
#include <cbor.h>

static void set(void *context, enum item_kind kind, uint64_t value)
{
    *(struct item *)context = (struct item){.kind = kind, .value = value};
}

static void unsigned8(void *context, uint8_t value)
{
    set(context, ITEM_UNSIGNED, value);
}

static void unsigned16(void *context, uint16_t value)
{
    set(context, ITEM_UNSIGNED, value);
}

static void unsigned32(void *context, uint32_t value)
{
    set(context, ITEM_UNSIGNED, value);
}

static void unsigned64(void *context, uint64_t value)
{
    set(context, ITEM_UNSIGNED, value);
}

static void negative8(void *context, uint8_t value)
{
    set(context, ITEM_NEGATIVE, value);
}

static void negative16(void *context, uint16_t value)
{
    set(context, ITEM_NEGATIVE, value);
}

static void negative32(void *context, uint32_t value)
{
    set(context, ITEM_NEGATIVE, value);
}

static void negative64(void *context, uint64_t value)
{
    set(context, ITEM_NEGATIVE, value);
}

static void byte_string(void *context, cbor_data at, size_t size)
{
    *(struct item *)context = (struct item){.kind = ITEM_BYTES, .at = at, .size = size};
}

static void text_string(void *context, cbor_data at, size_t size)
{
    *(struct item *)context = (struct item){.kind = ITEM_TEXT, .at = at, .size = size};
}

static void array(void *context, size_t count)
{
    set(context, ITEM_ARRAY, count);
}

static void map(void *context, size_t count)
{
    set(context, ITEM_MAP, count);
}

static struct cbor_callbacks callbacks(void)
{
    struct cbor_callbacks known = cbor_empty_callbacks; /* leave an item as ITEM_OTHER */

    known.uint8 = unsigned8;
    known.uint16 = unsigned16;
    known.uint32 = unsigned32;
    known.uint64 = unsigned64;
    known.negint8 = negative8;
    known.negint16 = negative16;
    known.negint32 = negative32;
    known.negint64 = negative64;
    known.byte_string = byte_string;
    known.string = text_string;
    known.array_start = array;
    known.map_start = map;
    return known;
}

bool cbor_read(struct cbor_reader *reader, struct item *item)
{
    const struct cbor_callbacks known = callbacks();
    size_t left = reader->size - reader->offset;
    struct cbor_decoder_result result;

    *item = (struct item){.kind = ITEM_OTHER};
    if (left == 0)
        return false;
    result = cbor_stream_decode(reader->bytes + reader->offset, left, &known, item);
    if (result.status != CBOR_DECODER_FINISHED || result.read == 0 || result.read > left)
        return false;
    reader->offset += result.read;
    return true;
}
