/*
 * The walk of a domain's own page tables, in every mode of paging (APM vol. 2, chapter 5): what is
 * hostile here is where tables lie and what they say.
 */
#include <string.h>

#include "core/mm/mm.h"
#include "hw/x86.h"
#include "models/memory_model.h"
#include "testing.h"

/* The domain's memory: tables from TABLES on, code at CODE; UNMAPPED and DEVICE are no RAM. */
#define TABLES      0x00100000ull
#define TABLES_SIZE 0x10000ull
#define CODE        0x00200000ull
#define CODE_SIZE   0x3000ull
#define DEVICE      0xfe000000ull
#define UNMAPPED    0x70000000ull

#define USER (PTE_P | PTE_RW | PTE_US | PTE_A)

static struct guest_paging paging;
static uint64_t next_table;

static int start(void **state)
{
    (void)state;
    memory_model_reset();
    memory_model_map(TABLES, TABLES_SIZE, MODEL_RAM);
    memory_model_map(CODE, CODE_SIZE, MODEL_RAM);
    memory_model_map(DEVICE, PAGE_SIZE, MODEL_MMIO);
    next_table = TABLES;
    paging = (struct guest_paging){.p2m = memory_model_root(), .cr0 = CR0_PE | CR0_PG};
    return 0;
}

static uint64_t new_table(void)
{
    next_table += PAGE_SIZE;
    return next_table - PAGE_SIZE;
}

static void put(uint64_t gpa, uint64_t value, unsigned size)
{
    memcpy(memory_model_at(gpa), &value, size);
}

static uint64_t get(uint64_t gpa, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, memory_model_at(gpa), size);
    return value;
}

/* The modes of paging with their tables' shapes. */
struct mode {
    const char *name;
    uint64_t cr4, efer;
    unsigned levels, bits, entry;
    uint64_t cr3_offset; /* PAE's topmost table needs no page of its own */
};

static const struct mode legacy = {"2 levels", CR4_PSE, 0, 2, 10, 4, 0};
static const struct mode pae = {"PAE", CR4_PAE, 0, 3, 9, 8, 0xfe0};
static const struct mode four = {"4 levels", CR4_PAE, EFER_LME | EFER_LMA, 4, 9, 8, 0};
static const struct mode five = {"5 levels", CR4_PAE | CR4_LA57, EFER_LME | EFER_LMA, 5, 9, 8, 0};

static const struct mode *const modes[] = {&legacy, &pae, &four, &five};

static void enter(const struct mode *mode)
{
    paging.cr4 = mode->cr4;
    paging.efer = mode->efer;
    paging.cr3 = new_table() + mode->cr3_offset;
}

/* Where the entry for `linear` at `level` lies; tables above it are made as needed. */
static uint64_t entry_at(const struct mode *mode, uint64_t linear, unsigned level)
{
    uint64_t table = paging.cr3, at;

    for (unsigned l = mode->levels;; l--) {
        at = table +
             (linear >> (12 + mode->bits * (l - 1)) & ((1u << mode->bits) - 1)) * mode->entry;
        if (l == level)
            return at;
        if (!get(at, mode->entry))
            put(at, new_table() | (mode == &pae && l == 3 ? PTE_P : USER), mode->entry);
        table = get(at, mode->entry) & ~0xfffull;
    }
}

static void map(const struct mode *mode, uint64_t linear, uint64_t gpa, unsigned level)
{
    put(entry_at(mode, linear, level), gpa | USER | (level > 1 ? PTE_PS : 0), mode->entry);
}

static void assert_maps(uint64_t linear, uint64_t expected)
{
    uint64_t gpa = 0;

    if (!guest_translate(&paging, linear, &gpa))
        fail_msg("expected %#lx to map to %#lx, but it isn't mapped", linear, expected);
    assert_int_equal(gpa, expected);
}

static void assert_unmapped(uint64_t linear)
{
    uint64_t gpa;

    if (guest_translate(&paging, linear, &gpa))
        fail_msg("expected %#lx to be unmapped, but it maps to %#lx", linear, gpa);
}

static void without_paging_linear_is_physical(void **state)
{
    (void)state;
    paging.cr0 = CR0_PE;
    paging.cr3 = DEVICE;
    assert_maps(0x12345678, 0x12345678);
    assert_maps(0xffffffff, 0xffffffff);
    assert_maps(0x100000123, 0x123);
}

static void small_pages_are_found_in_each_mode(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct mode *mode = modes[i];

        start(NULL);
        enter(mode);
        map(mode, 0x7fc03000, 0x9abcd000, 1);
        map(mode, 0xfffff000, CODE, 1);
        assert_maps(0x7fc03000, 0x9abcd000);
        assert_maps(0x7fc03fff, 0x9abcdfff);
        assert_maps(0xfffffabc, CODE + 0xabc);
        for (unsigned bit = 12; bit < 32; bit++)
            assert_unmapped(0x7fc03000 ^ 1u << bit);
    }
}

static void a_missing_entry_ends_the_walk_at_each_level(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct mode *mode = modes[i];

        start(NULL);
        enter(mode);
        map(mode, 0x7fc03000, CODE, 1);
        for (unsigned level = 1; level <= mode->levels; level++) {
            uint64_t at = entry_at(mode, 0x7fc03000, level), entry = get(at, mode->entry);

            put(at, entry & ~(uint64_t)PTE_P, mode->entry);
            assert_unmapped(0x7fc03123);
            put(at, entry, mode->entry);
            assert_maps(0x7fc03123, CODE + 0x123);
        }
    }
}

static void large_pages_are_found_in_each_mode(void **state)
{
    (void)state;
    enter(&legacy);
    map(&legacy, 0x80400000, 0x12c00000, 2);
    assert_maps(0x807fffff, 0x12ffffff);
    start(NULL);
    enter(&pae);
    map(&pae, 0xc0200000, 0x112600000, 2);
    assert_maps(0xc03abcde, 0x1127abcde);
    for (size_t i = 2; i < 4; i++) {
        start(NULL);
        enter(modes[i]);
        map(modes[i], 0xffff800000200000, 0x7fe00000, 2);
        map(modes[i], 0xffffffff80000000, 0x1c0000000, 3);
        assert_maps(0xffff80000034567f, 0x7ff4567f);
        assert_maps(0xffffffffbfffffff, 0x1ffffffff);
    }
}

/* APM vol. 2, 5.2.2: without CR4.PSE the bit means nothing in 4-byte entries. */
static void four_mib_pages_need_pse(void **state)
{
    (void)state;
    enter(&legacy);
    map(&legacy, 0x80403000, CODE, 1);
    put(entry_at(&legacy, 0x80400000, 2), get(entry_at(&legacy, 0x80400000, 2), 4) | PTE_PS, 4);
    paging.cr4 = 0;
    assert_maps(0x80403456, CODE + 0x456);
}

/* APM vol. 2, 5.2.3: in PAE's topmost entries bit 7 is reserved. */
static void pae_has_no_pages_of_1_gib(void **state)
{
    uint64_t at;

    (void)state;
    enter(&pae);
    map(&pae, 0x80403000, CODE, 1);
    at = entry_at(&pae, 0x80403000, 3);
    put(at, get(at, 8) | PTE_PS, 8);
    assert_maps(0x80403456, CODE + 0x456);
}

/* APM vol. 2, 5.2.2: bits 20:13 of a 4-MiB page's entry are physical address bits 39:32. */
static void four_mib_pages_reach_40_bits(void **state)
{
    (void)state;
    enter(&legacy);
    put(entry_at(&legacy, 0x80400000, 2), 0x00c00000 | 0xa5u << 13 | USER | PTE_PS, 4);
    assert_maps(0x80512345, 0xa500d12345);
}

/* A large page's bit 12 is its memory type, and bits above 51 are no address in any entry. */
static void bits_that_are_no_address_are_left_out(void **state)
{
    (void)state;
    enter(&four);
    map(&four, 0x200000, 0x7fe00000 | 1u << 12 | 0x7ffull << 52 | PTE_NX, 2);
    map(&four, 0x400000, CODE | 0x7ffull << 52 | PTE_NX, 1);
    assert_maps(0x312345, 0x7ff12345);
    assert_maps(0x400001, CODE + 1);
    paging.cr3 |= 0xfff | 0xfffull << 52;
    assert_maps(0x400001, CODE + 1);
}

/* PAE has four topmost entries; what is behind them in memory is something else's. */
static void pae_wraps_at_4_gib(void **state)
{
    (void)state;
    enter(&pae);
    paging.cr3 = new_table() + 0x20;
    map(&pae, 0x3000, CODE, 1);
    put(paging.cr3 + 4 * 8, new_table() | PTE_P, 8);
    assert_maps(0x100003123, CODE + 0x123);
}

static void tables_that_are_no_ram_end_the_walk(void **state)
{
    static const uint64_t places[] = {UNMAPPED, DEVICE, 1ull << 48, 0xffffffffff000};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t place = 0; place < (modes[i]->entry == 4 ? 2 : 4); place++) {
            const struct mode *mode = modes[i];
            uint64_t cr3;

            start(NULL);
            enter(mode);
            cr3 = paging.cr3;
            map(mode, 0x7fc03000, CODE, 1);
            for (unsigned level = 2; level <= mode->levels; level++) {
                uint64_t at = entry_at(mode, 0x7fc03000, level), entry = get(at, mode->entry);

                put(at, places[place] | PTE_P, mode->entry);
                assert_unmapped(0x7fc03000);
                put(at, entry, mode->entry);
            }
            paging.cr3 = places[place];
            assert_unmapped(0x7fc03000);
            paging.cr3 = cr3;
            assert_maps(0x7fc03000, CODE);
        }
}

/* A table may be its own next table: the walk still ends after as many levels as there are. */
static void recursive_tables_are_walked_once_a_level(void **state)
{
    (void)state;
    enter(&four);
    put(paging.cr3 + 8 * 0x1ff, paging.cr3 | USER, 8);
    assert_maps(0xfffffffffffff123, paging.cr3 + 0x123);
}

static void fill_code(void)
{
    uint8_t *code = memory_model_at(CODE);

    for (unsigned i = 0; i < CODE_SIZE; i++)
        code[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void assert_reads(uint64_t linear, size_t size, size_t expected, uint64_t gpa)
{
    uint8_t buffer[64];

    memset(buffer, 0xee, sizeof(buffer));
    assert_int_equal(guest_read(&paging, linear, buffer, size), expected);
    if (expected)
        assert_memory_equal(buffer, memory_model_at(gpa), expected);
    for (size_t i = expected; i < sizeof(buffer); i++)
        assert_int_equal(buffer[i], 0xee);
}

static void code_is_read_up_to_the_first_page_that_is_no_ram(void **state)
{
    (void)state;
    fill_code();
    enter(&four);
    map(&four, 0x400000, CODE, 1);
    map(&four, 0x402000, CODE, 1);
    map(&four, 0x403000, DEVICE, 1);
    map(&four, 0x404000, CODE, 1);
    map(&four, 0x405000, UNMAPPED, 1);
    assert_reads(0x400ff8, 15, 8, CODE + 0xff8);
    assert_reads(0x402ff1, 15, 15, CODE + 0xff1);
    assert_reads(0x402ff2, 15, 14, CODE + 0xff2);
    assert_reads(0x404fff, 15, 1, CODE + 0xfff);
    assert_reads(0x401000, 15, 0, 0);
    assert_reads(0x403000, 15, 0, 0);
    assert_reads(0x400000, 0, 0, 0);
}

static void code_in_two_distant_pages_is_read_whole(void **state)
{
    uint8_t buffer[15];

    (void)state;
    fill_code();
    enter(&pae);
    map(&pae, 0x400000, CODE + 0x2000, 1);
    map(&pae, 0x401000, CODE, 1);
    assert_int_equal(guest_read(&paging, 0x400ffa, buffer, 15), 15);
    assert_memory_equal(buffer, memory_model_at(CODE + 0x2ffa), 6);
    assert_memory_equal(buffer + 6, memory_model_at(CODE), 9);
}

static void code_wraps_as_addresses_do(void **state)
{
    uint8_t buffer[15];

    (void)state;
    fill_code();
    enter(&four);
    map(&four, 0xfffffffffffff000, CODE, 1);
    map(&four, 0, CODE + 0x1000, 1);
    assert_int_equal(guest_read(&paging, 0xfffffffffffffffb, buffer, 15), 15);
    assert_memory_equal(buffer + 5, memory_model_at(CODE + 0x1000), 10);
    start(NULL);
    fill_code();
    enter(&pae);
    map(&pae, 0xfffff000, CODE, 1);
    map(&pae, 0, CODE + 0x2000, 1);
    assert_int_equal(guest_read(&paging, 0xfffffffb, buffer, 15), 15);
    assert_memory_equal(buffer + 5, memory_model_at(CODE + 0x2000), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_paging_linear_is_physical, start),
        cmocka_unit_test_setup(small_pages_are_found_in_each_mode, start),
        cmocka_unit_test_setup(a_missing_entry_ends_the_walk_at_each_level, start),
        cmocka_unit_test_setup(large_pages_are_found_in_each_mode, start),
        cmocka_unit_test_setup(four_mib_pages_need_pse, start),
        cmocka_unit_test_setup(pae_has_no_pages_of_1_gib, start),
        cmocka_unit_test_setup(four_mib_pages_reach_40_bits, start),
        cmocka_unit_test_setup(bits_that_are_no_address_are_left_out, start),
        cmocka_unit_test_setup(pae_wraps_at_4_gib, start),
        cmocka_unit_test_setup(tables_that_are_no_ram_end_the_walk, start),
        cmocka_unit_test_setup(recursive_tables_are_walked_once_a_level, start),
        cmocka_unit_test_setup(code_is_read_up_to_the_first_page_that_is_no_ram, start),
        cmocka_unit_test_setup(code_in_two_distant_pages_is_read_whole, start),
        cmocka_unit_test_setup(code_wraps_as_addresses_do, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
