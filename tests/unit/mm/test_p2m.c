/* What a domain's compiled table says of an address, and what core may touch of it itself. */
#include "core/mm/mm.h"
#include "core/platform/paging.h"
#include "hw/x86.h"
#include "models/memory_model.h"
#include "testing.h"

#define GPA 0x12345000ull

static int start(void **state)
{
    (void)state;
    memory_model_reset();
    return 0;
}

static struct p2m_leaf look_up(uint64_t gpa)
{
    return p2m_lookup(memory_model_root(), gpa);
}

static void *ram(uint64_t gpa, size_t size, bool write)
{
    return p2m_ram(memory_model_root(), gpa, size, write);
}

static void assert_leaf(uint64_t gpa, uint64_t address, uint64_t size, uint64_t flags)
{
    struct p2m_leaf leaf = look_up(gpa);

    assert_int_equal(leaf.address, address);
    assert_int_equal(leaf.size, size);
    assert_int_equal(leaf.flags, flags);
}

/* What isn't mapped ends with the entry of `level` that says so. */
static void assert_hole(uint64_t gpa, unsigned level)
{
    uint64_t span = 1ull << (12 + 9 * (level - 1));

    assert_leaf(gpa, 0, span - gpa % span, 0);
}

static void small_leaves_are_found(void **state)
{
    (void)state;
    memory_model_leaf(GPA, 0x40000000, 1, MODEL_RAM);
    memory_model_leaf(GPA + 0x1000, 0x50000000, 1, MODEL_ROM);
    memory_model_leaf(0xfffffffff000, 0xfedcba987000, 1, MODEL_MMIO);
    assert_leaf(GPA, 0x40000000, 0x1000, MODEL_RAM);
    assert_leaf(GPA + 0xfff, 0x40000fff, 1, MODEL_RAM);
    assert_leaf(GPA + 0x1234, 0x50000234, 0xdcc, MODEL_ROM);
    assert_leaf(0xffffffffffff, 0xfedcba987fff, 1, MODEL_MMIO);
}

static void large_leaves_are_found(void **state)
{
    (void)state;
    memory_model_leaf(0x40200000, 0x80400000 | 1u << 12, 2, MODEL_RAM); /* bit 12: memory type */
    memory_model_leaf(0x8080000000, 0xc0000000, 3, MODEL_ROM);
    assert_leaf(0x40200000, 0x80400000, 0x200000, MODEL_RAM | NPT_PS);
    assert_leaf(0x403fffff, 0x805fffff, 1, MODEL_RAM | NPT_PS);
    assert_leaf(0x8080000000 + 0x12345678, 0xd2345678, 0x40000000 - 0x12345678, MODEL_ROM | NPT_PS);
}

static void holes_at_each_level_map_nothing(void **state)
{
    (void)state;
    memory_model_leaf(GPA, 0x40000000, 1, MODEL_RAM);
    assert_hole(GPA ^ 1ull << 47, 4);
    assert_hole(GPA ^ 1ull << 30, 3);
    assert_hole(GPA ^ 1ull << 21, 2);
    assert_hole((GPA ^ 1ull << 12) + 0x123, 1);
    for (unsigned level = NPT_LEVELS; level > 0; level--) {
        *memory_model_entry(GPA, level) &= ~NPT_P;
        assert_hole(GPA, level);
        *memory_model_entry(GPA, level) |= NPT_P;
    }
}

static void addresses_beyond_48_bits_map_nothing(void **state)
{
    (void)state;
    memory_model_leaf(GPA, 0x40000000, 1, MODEL_RAM);
    for (unsigned bit = 48; bit < 64; bit++)
        assert_leaf(GPA | 1ull << bit, 0, 0, 0);
    assert_leaf(UINT64_MAX, 0, 0, 0);
}

/* A page of 512 GiB doesn't exist: the bit is reserved in the topmost table (APM vol. 2, 5.3.3). */
static void the_topmost_table_has_no_leaves(void **state)
{
    (void)state;
    memory_model_map(GPA, PAGE_SIZE, MODEL_RAM);
    *memory_model_entry(GPA, 4) |= NPT_PS;
    assert_hole(GPA, 4);
}

static void ram_is_reached_within_its_page(void **state)
{
    uint8_t *page;

    (void)state;
    page = memory_model_map(GPA, 2 * PAGE_SIZE, MODEL_RAM);
    assert_ptr_equal(ram(GPA, 1, false), page);
    assert_ptr_equal(ram(GPA, PAGE_SIZE, true), page);
    assert_ptr_equal(ram(GPA + 0xff8, 8, true), page + 0xff8);
    assert_null(ram(GPA + 0xff9, 8, false));
    assert_null(ram(GPA, PAGE_SIZE + 1, false));
    assert_null(ram(GPA - 1, 1, false));
    assert_null(ram(GPA + 2 * PAGE_SIZE, 1, false));
}

static void read_only_memory_is_not_for_writing(void **state)
{
    (void)state;
    memory_model_map(GPA, PAGE_SIZE, MODEL_ROM);
    assert_non_null(ram(GPA, 8, false));
    assert_null(ram(GPA, 8, true));
}

/* What a table takes away, none below it gives back (APM vol. 2, 5.6). */
static void rights_are_those_of_all_levels(void **state)
{
    (void)state;
    memory_model_map(GPA, PAGE_SIZE, MODEL_RAM);
    for (unsigned level = NPT_LEVELS; level > 0; level--) {
        *memory_model_entry(GPA, level) &= ~NPT_W;
        assert_non_null(ram(GPA, 8, false));
        assert_null(ram(GPA, 8, true));
        assert_int_equal(look_up(GPA).flags & NPT_W, 0);
        *memory_model_entry(GPA, level) |= NPT_W;
    }
    assert_non_null(ram(GPA, 8, true));
}

static void devices_are_not_ram(void **state)
{
    static const uint64_t uncached[] = {NPT_UC, NPT_PWT, NPT_PCD};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        memory_model_map(GPA, PAGE_SIZE, MODEL_RAM | uncached[i]);
        assert_null(ram(GPA, 1, false));
    }
}

/* Core would fault there, and that is the end of the machine. */
static void memory_that_core_does_not_map_is_refused(void **state)
{
    (void)state;
    memory_model_leaf(GPA, 0, 1, MODEL_RAM);
    assert_null(ram(GPA, 8, false));
    memory_model_leaf(GPA, PAGING_END, 1, MODEL_RAM);
    assert_null(ram(GPA, 8, false));
    memory_model_leaf(GPA, 0xffffffffff000, 1, MODEL_RAM);
    assert_null(ram(GPA, 8, false));
    memory_model_leaf(GPA, PAGING_END - PAGE_SIZE, 1, MODEL_RAM);
    assert_non_null(ram(GPA, 8, false));
    memory_model_leaf(GPA, PAGE_SIZE, 1, MODEL_RAM);
    assert_non_null(ram(GPA, 8, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(small_leaves_are_found, start),
        cmocka_unit_test_setup(large_leaves_are_found, start),
        cmocka_unit_test_setup(holes_at_each_level_map_nothing, start),
        cmocka_unit_test_setup(addresses_beyond_48_bits_map_nothing, start),
        cmocka_unit_test_setup(the_topmost_table_has_no_leaves, start),
        cmocka_unit_test_setup(ram_is_reached_within_its_page, start),
        cmocka_unit_test_setup(read_only_memory_is_not_for_writing, start),
        cmocka_unit_test_setup(rights_are_those_of_all_levels, start),
        cmocka_unit_test_setup(devices_are_not_ram, start),
        cmocka_unit_test_setup(memory_that_core_does_not_map_is_refused, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
