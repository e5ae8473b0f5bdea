/* efi_map_cut: what is cut out has its new type, all else stays as it was, nothing is lost. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "core/domain/efi_map.h"
#include "hw/efi.h"

#define PAGE  4096u
#define STEP  48u  /* descriptor_size: firmware's are larger than the specification's */
#define SPACE 100u /* pages of the model */

struct entry {
    struct efi_memory_descriptor d;
    uint64_t more; /* what a newer specification may add */
};
_Static_assert(sizeof(struct entry) == STEP, "as firmware does");

static struct entry from[20], to[100];

static struct entry entry(uint32_t type, uint64_t start, uint64_t pages)
{
    return (struct entry){
        .d = {.type = type, .physical_start = start, .pages = pages, .attribute = 0xf},
        .more = start};
}

static void one_descriptor_is_split_in_three(void **state)
{
    const struct efi_cut cut = {0x10000000, 0x11400000, EFI_RESERVED};

    (void)state;
    from[0] = entry(EFI_CONVENTIONAL, 0x100000, 0x3ff00);
    from[0].d.virtual_start = 0x80100000;
    assert_int_equal(efi_map_cut(from, STEP, STEP, &cut, 1, to, sizeof to), 3 * STEP);
    assert_int_equal(to[0].d.type, EFI_CONVENTIONAL);
    assert_int_equal(to[0].d.physical_start, 0x100000);
    assert_int_equal(to[0].d.pages, 0xff00);
    assert_int_equal(to[1].d.type, EFI_RESERVED);
    assert_int_equal(to[1].d.physical_start, 0x10000000);
    assert_int_equal(to[1].d.virtual_start, 0x90000000);
    assert_int_equal(to[1].d.pages, 0x1400);
    assert_int_equal(to[2].d.type, EFI_CONVENTIONAL);
    assert_int_equal(to[2].d.physical_start, 0x11400000);
    assert_int_equal(to[2].d.pages, 0x40000 - 0x11400);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(to[i].d.attribute, 0xf);
        assert_int_equal(to[i].more, 0x100000);
    }
}

static uint32_t below(uint32_t limit)
{
    return (uint32_t)rand() % limit;
}

/* The type of each page by a map; 99 where none is described. */
static void paint(const struct entry *map, size_t size, uint32_t *page)
{
    for (uint32_t i = 0; i < SPACE; i++)
        page[i] = 99;
    for (size_t i = 0; i < size / STEP; i++)
        for (uint64_t n = 0; n < map[i].d.pages; n++) {
            uint64_t at = map[i].d.physical_start / PAGE + n;

            assert_int_equal(page[at], 99); /* described once */
            page[at] = map[i].d.type;
        }
}

static void random_cuts_match_the_model(void **state)
{
    (void)state;
    srand(3);
    for (uint32_t round = 0; round < 5000; round++) {
        uint32_t expected[SPACE], got[SPACE], count = 0, cut_count = 0, at;
        struct efi_cut cuts[10];

        for (at = below(5); at < SPACE - 10 && count < 20; at += below(3)) {
            from[count] = entry(1 + below(12), (uint64_t)at * PAGE, 1 + below(10));
            at += (uint32_t)from[count++].d.pages;
        }
        paint(from, count * STEP, expected);
        for (at = below(10); at < SPACE - 10 && cut_count < 10; at += below(4)) {
            uint32_t pages = 1 + below(10), type = 50 + cut_count;

            cuts[cut_count++] =
                (struct efi_cut){(uint64_t)at * PAGE, (uint64_t)(at + pages) * PAGE, type};
            for (uint32_t i = at; i < at + pages; i++)
                expected[i] = expected[i] == 99 ? 99 : type;
            at += pages;
        }
        size_t size = efi_map_cut(from, count * STEP, STEP, cuts, cut_count, to, sizeof to);
        assert_int_not_equal(size, 0);
        assert_true(size <= (count + 2 * cut_count) * STEP);
        paint(to, size, got);
        assert_memory_equal(expected, got, sizeof got);
    }
}

static void malformed_maps_are_refused(void **state)
{
    const struct efi_cut cut = {0x10000, 0x20000, EFI_RESERVED};

    (void)state;
    from[0] = entry(EFI_CONVENTIONAL, 0, 0x100);
    assert_int_equal(efi_map_cut(from, STEP, 39, &cut, 1, to, sizeof to), 0);
    assert_int_equal(efi_map_cut(from, STEP, 0, &cut, 1, to, sizeof to), 0);
    assert_int_equal(efi_map_cut(from, STEP + 1, STEP, &cut, 1, to, sizeof to), 0);
    from[0].d.physical_start = 1;
    from[1] = entry(EFI_CONVENTIONAL, 0, 1);
    assert_int_equal(efi_map_cut(from, 2 * STEP, STEP, &cut, 1, to, sizeof to), 0);
    from[0].d.physical_start = 0 - (uint64_t)PAGE;
    assert_int_equal(efi_map_cut(from, STEP, STEP, &cut, 1, to, sizeof to), 0);
    from[0] = entry(EFI_CONVENTIONAL, 0, UINT64_MAX / PAGE + 1);
    assert_int_equal(efi_map_cut(from, STEP, STEP, &cut, 1, to, sizeof to), 0);
}

static void too_little_room_is_refused(void **state)
{
    const struct efi_cut cut = {0x10000, 0x20000, EFI_RESERVED};

    (void)state;
    from[0] = entry(EFI_CONVENTIONAL, 0, 0x100);
    memset(to, 0xee, sizeof to);
    assert_int_equal(efi_map_cut(from, STEP, STEP, &cut, 1, to, 3 * STEP - 1), 0);
    assert_int_equal(*((uint8_t *)to + 2 * STEP), 0xee);
    assert_int_equal(efi_map_cut(from, STEP, STEP, &cut, 1, to, 3 * STEP), 3 * STEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_descriptor_is_split_in_three),
        cmocka_unit_test(random_cuts_match_the_model),
        cmocka_unit_test(malformed_maps_are_refused),
        cmocka_unit_test(too_little_room_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
