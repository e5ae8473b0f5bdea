/* The reader of ACPI table IVRS: real tables, and every way in which a table can lie. */
#include <stdlib.h>
#include <string.h>

#include "core/iommu_dev/ivrs.h"
#include "testing.h"

#define HEADER 48

/* QEMU 7.2's, from byte 48 on: five devices and the IOAPIC behind one IOMMU. */
static const uint8_t qemu_blocks[] = {
    0x10, 0xd1, 0x34, 0x00, 0x08, 0x00, 0x40, 0x00, 0x00, 0x00, 0xd8, 0xfe, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x44, 0x00, 0x00, 0x00, 0x02, 0x00,
    0x00, 0x00, 0x02, 0x08, 0x00, 0x00, 0x02, 0xf8, 0x00, 0x00, 0x02, 0xfa, 0x00,
    0x00, 0x02, 0xfb, 0x00, 0x00, 0x48, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x00, 0x01,
};

static uint8_t table[4096];
static size_t size;

static int start(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    memcpy(table, "IVRS", 4);
    size = HEADER;
    return 0;
}

static void add_bytes(const void *bytes, size_t length)
{
    memcpy(table + size, bytes, length);
    size += length;
}

/* A block of a hardware type with the shortest header of that type. */
static uint8_t *add_block(uint8_t type, uint64_t base)
{
    uint8_t *block = table + size;

    block[0] = type;
    block[2] = type == 0x10 ? 24 : 40;
    memcpy(block + 8, &base, sizeof(base));
    size += block[2];
    return block;
}

/* From a copy that ends where the table does, so that a read behind its end is caught. */
static enum ivrs_error read_table(struct ivrs *ivrs, size_t *at)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, table, size);
    enum ivrs_error error = ivrs_read(copy, size, ivrs, at);
    free(copy);
    return error;
}

static void expect_error(enum ivrs_error expected, size_t place)
{
    struct ivrs ivrs;
    size_t at;

    assert_int_equal(read_table(&ivrs, &at), expected);
    assert_int_equal(at, place);
}

static void reads_qemus_table(void **state)
{
    struct ivrs ivrs;
    size_t at;

    (void)state;
    add_bytes(qemu_blocks, sizeof(qemu_blocks));
    assert_int_equal(read_table(&ivrs, &at), IVRS_OK);
    assert_int_equal(ivrs.count, 1);
    assert_int_equal(ivrs.units[0].base, 0xfed80000);
    assert_int_equal(ivrs.units[0].device, 0x0008);
    assert_true(ivrs.units[0].ht_tunnel);
}

static void takes_one_unit_from_several_blocks(void **state)
{
    struct ivrs ivrs;
    size_t at;

    (void)state;
    add_block(0x10, 0xfd200000);
    add_block(0x11, 0xfd200000)[1] = 0x01;
    add_block(0x40, 0xfd200000);
    add_block(0x40, 0xfd300000);
    assert_int_equal(read_table(&ivrs, &at), IVRS_OK);
    assert_int_equal(ivrs.count, 2);
    assert_int_equal(ivrs.units[0].base, 0xfd200000);
    assert_true(ivrs.units[0].ht_tunnel);
    assert_int_equal(ivrs.units[1].base, 0xfd300000);
    assert_false(ivrs.units[1].ht_tunnel);
}

static void steps_over_blocks_it_does_not_need(void **state)
{
    static const uint8_t memory[32] = {0x21, 0x08, 32}, future[4] = {0x99, 0, 4};
    struct ivrs ivrs;
    size_t at;

    (void)state;
    add_bytes(memory, sizeof(memory));
    add_bytes(future, sizeof(future));
    add_block(0x10, 0xfd200000);
    assert_int_equal(read_table(&ivrs, &at), IVRS_OK);
    assert_int_equal(ivrs.count, 1);
}

static void refuses_a_table_shorter_than_its_header(void **state)
{
    (void)state;
    for (size = 0; size < HEADER; size++)
        expect_error(IVRS_TABLE_SHORT, 0);
}

static void refuses_a_table_without_units(void **state)
{
    (void)state;
    expect_error(IVRS_NONE, 0);
}

static void refuses_every_cut(void **state)
{
    (void)state;
    add_bytes(qemu_blocks, sizeof(qemu_blocks));
    size_t whole = size;

    for (size = HEADER + 1; size < whole; size++)
        expect_error(IVRS_BLOCK_LENGTH, HEADER);
}

static void refuses_impossible_lengths(void **state)
{
    (void)state;
    uint8_t *first = add_block(0x10, 0xfd200000);
    uint8_t *second = add_block(0x10, 0xfd300000);

    for (unsigned length = 0; length < 65536; length++) {
        if (length == 24)
            continue;
        second[2] = (uint8_t)length;
        second[3] = (uint8_t)(length >> 8);
        expect_error(IVRS_BLOCK_LENGTH, HEADER + 24);
    }
    second[2] = 24;
    second[3] = 0;
    first[2] = 0; /* would be read for ever */
    expect_error(IVRS_BLOCK_LENGTH, HEADER);
}

static void refuses_impossible_addresses(void **state)
{
    static const uint64_t bases[] = {0, 0xfed80001, 0xfed81000, 0xfed82000};

    (void)state;
    for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        start(NULL);
        add_block(0x10, bases[i]);
        expect_error(IVRS_BASE, HEADER);
    }
}

static void refuses_other_segments(void **state)
{
    (void)state;
    add_block(0x11, 0xfd200000)[17] = 1;
    expect_error(IVRS_SEGMENT, HEADER);
}

static void refuses_more_units_than_it_can_close(void **state)
{
    struct ivrs ivrs;
    size_t at;

    (void)state;
    for (uint64_t i = 0; i < IVRS_UNITS; i++)
        add_block(0x10, 0xfd000000 + i * 0x100000);
    assert_int_equal(read_table(&ivrs, &at), IVRS_OK);
    assert_int_equal(ivrs.count, IVRS_UNITS);
    add_block(0x10, 0xfe000000);
    expect_error(IVRS_TOO_MANY, HEADER + IVRS_UNITS * 24);
}

/* Whatever the bytes are: no read outside the table, no endless loop, no unit that is not one. */
static void survives_garbage(void **state)
{
    struct ivrs ivrs;
    size_t at;

    (void)state;
    srand(48882);
    for (unsigned round = 0; round < 20000; round++) {
        start(NULL);
        size += (size_t)(rand() % 200);
        for (size_t i = HEADER; i < size; i++)
            table[i] = (uint8_t)(rand() % 3 ? rand() % 0x30 : rand());
        if (read_table(&ivrs, &at) != IVRS_OK)
            continue;
        assert_in_range(ivrs.count, 1, IVRS_UNITS);
        for (uint32_t i = 0; i < ivrs.count; i++)
            assert_int_equal(ivrs.units[i].base % 0x4000, 0);
    }
}

static void has_a_text_for_each_error(void **state)
{
    (void)state;
    for (int error = IVRS_OK; error <= IVRS_NONE; error++)
        assert_string_not_equal(ivrs_error_text((enum ivrs_error)error), "has an unknown fault");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_qemus_table, start),
        cmocka_unit_test_setup(takes_one_unit_from_several_blocks, start),
        cmocka_unit_test_setup(steps_over_blocks_it_does_not_need, start),
        cmocka_unit_test_setup(refuses_a_table_shorter_than_its_header, start),
        cmocka_unit_test_setup(refuses_a_table_without_units, start),
        cmocka_unit_test_setup(refuses_every_cut, start),
        cmocka_unit_test_setup(refuses_impossible_lengths, start),
        cmocka_unit_test_setup(refuses_impossible_addresses, start),
        cmocka_unit_test_setup(refuses_other_segments, start),
        cmocka_unit_test_setup(refuses_more_units_than_it_can_close, start),
        cmocka_unit_test_setup(survives_garbage, start),
        cmocka_unit_test(has_a_text_for_each_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
