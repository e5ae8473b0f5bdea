/* The writer gives the shortest form of each item, as RFC 8949 wants, and keeps its bounds. */
#include "testing.h"

#include <cbor.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cbor.h"

static uint8_t buffer[256];
static struct cbor writer;

static int start(void **state)
{
    (void)state;
    cbor_begin(&writer, buffer, sizeof(buffer));
    return 0;
}

/* What was written is `text` in hexadecimal; then starts over. */
static void assert_bytes(const char *text)
{
    uint8_t expected[sizeof(buffer)];
    size_t size = strlen(text) / 2;

    for (size_t i = 0; i < size; i++) {
        char digits[] = {text[2 * i], text[2 * i + 1], '\0'};

        expected[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    assert_int_equal(cbor_end(&writer), size);
    assert_memory_equal(buffer, expected, size);
    cbor_begin(&writer, buffer, sizeof(buffer));
}

/* RFC 8949, appendix A, and both sides of each limit. */
static void numbers_take_the_fewest_bytes(void **state)
{
    static const struct {
        uint64_t value;
        const char *bytes;
    } values[] = {
        {0, "00"},
        {10, "0a"},
        {23, "17"},
        {24, "1818"},
        {100, "1864"},
        {255, "18ff"},
        {256, "190100"},
        {1000, "1903e8"},
        {65535, "19ffff"},
        {65536, "1a00010000"},
        {1000000, "1a000f4240"},
        {0xffffffff, "1affffffff"},
        {0x100000000, "1b0000000100000000"},
        {1000000000000, "1b000000e8d4a51000"},
        {UINT64_MAX, "1bffffffffffffffff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        cbor_unsigned(&writer, values[i].value);
        assert_bytes(values[i].bytes);
    }
}

static void negative_numbers_count_from_minus_one(void **state)
{
    static const struct {
        int64_t value;
        const char *bytes;
    } values[] = {
        {-1, "20"},
        {-10, "29"},
        {-24, "37"},
        {-25, "3818"},
        {-100, "3863"},
        {-256, "38ff"},
        {-257, "390100"},
        {-1000, "3903e7"},
        {-65537, "3a00010000"},
        {7, "07"},
        {265, "190109"},
        {INT64_MAX, "1b7fffffffffffffff"},
        {INT64_MIN, "3b7fffffffffffffff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        cbor_integer(&writer, values[i].value);
        assert_bytes(values[i].bytes);
    }
}

static void strings_and_containers_have_their_heads(void **state)
{
    uint8_t many[24];

    (void)state;
    cbor_bytes(&writer, NULL, 0);
    assert_bytes("40");
    cbor_bytes(&writer, "\x01\x02\x03\x04", 4);
    assert_bytes("4401020304");
    cbor_text(&writer, "IETF", 4);
    assert_bytes("6449455446");
    cbor_array(&writer, 25);
    assert_bytes("9819");
    cbor_map(&writer, 2);
    assert_bytes("a2");
    memset(many, 0xee, sizeof(many));
    cbor_bytes(&writer, many, sizeof(many));
    assert_bytes("5818eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
}

static void another_reader_finds_what_was_written(void **state)
{
    struct cbor_load_result result;
    cbor_item_t *map, *list;

    (void)state;
    cbor_map(&writer, 2);
    cbor_integer(&writer, -65537);
    cbor_text(&writer, "text", 4);
    cbor_integer(&writer, -65538);
    cbor_array(&writer, 2);
    cbor_unsigned(&writer, 1u << 20);
    cbor_bytes(&writer, "ab", 2);

    map = cbor_load(buffer, cbor_end(&writer), &result);
    assert_int_equal(result.error.code, CBOR_ERR_NONE);
    assert_int_equal(result.read, cbor_end(&writer));
    assert_int_equal(cbor_map_size(map), 2);
    assert_true(cbor_isa_negint(cbor_map_handle(map)[0].key));
    assert_int_equal(cbor_get_int(cbor_map_handle(map)[0].key), 65536);
    assert_memory_equal(cbor_string_handle(cbor_map_handle(map)[0].value), "text", 4);
    list = cbor_map_handle(map)[1].value;
    assert_int_equal(cbor_array_size(list), 2);
    assert_int_equal(cbor_get_int(cbor_array_handle(list)[0]), 1u << 20);
    assert_int_equal(cbor_bytestring_length(cbor_array_handle(list)[1]), 2);
    cbor_decref(&map);
}

/* Whatever the room is, nothing is written beyond it, and what is cut is never taken for whole. */
static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    for (size_t room = 0; room <= 12; room++) {
        uint8_t *small = malloc(room + 1); /* writing on would be caught one byte later */

        small[room] = 0x55;
        cbor_begin(&writer, small, room);
        cbor_unsigned(&writer, 1000);
        cbor_bytes(&writer, "seven b", 7);
        cbor_unsigned(&writer, 1);
        assert_int_equal(cbor_end(&writer), room < 12 ? 0 : 12);
        assert_int_equal(small[room], 0x55);
        free(small);
    }
}

static void what_follows_an_overflow_is_not_written(void **state)
{
    uint8_t small[4] = {0};

    (void)state;
    cbor_begin(&writer, small, sizeof(small));
    cbor_unsigned(&writer, UINT64_MAX);
    cbor_unsigned(&writer, 7); /* would fit */
    assert_int_equal(small[0], 0);
    assert_int_equal(cbor_end(&writer), 0);
}

/* A length close to SIZE_MAX mustn't wrap. */
static void huge_lengths_do_not_wrap(void **state)
{
    (void)state;
    cbor_unsigned(&writer, 1);
    cbor_bytes(&writer, buffer, SIZE_MAX);
    assert_int_equal(cbor_end(&writer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_take_the_fewest_bytes, start),
        cmocka_unit_test_setup(negative_numbers_count_from_minus_one, start),
        cmocka_unit_test_setup(strings_and_containers_have_their_heads, start),
        cmocka_unit_test_setup(another_reader_finds_what_was_written, start),
        cmocka_unit_test_setup(what_does_not_fit_is_told, start),
        cmocka_unit_test_setup(what_follows_an_overflow_is_not_written, start),
        cmocka_unit_test_setup(huge_lengths_do_not_wrap, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
