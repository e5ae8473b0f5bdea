/* Questions to struct boot_info: modules by name, usable memory, where memory ends. */
#include "testing.h"

#include <string.h>

#include "core/boot/boot_info.h"

#define MIB 0x100000u

static const struct boot_info sample = {
    .regions =
        {
            {4 * MIB, 8 * MIB, MEMORY_USABLE}, /* unsorted, touching */
            {1 * MIB, 4 * MIB, MEMORY_USABLE},
            {16 * MIB, 32 * MIB, MEMORY_USABLE},
            {20 * MIB, 21 * MIB, MEMORY_RESERVED}, /* inside usable memory */
            {40 * MIB, 41 * MIB, MEMORY_NVS},
            {0xf0000000u, 0x100000000u, MEMORY_RESERVED},
            {0x100000000u, 0x200000000u, MEMORY_USABLE},
        },
    .region_count = 7,
    .modules = {{0x1000, 0x2000, "a"}, {0x3000, 0x4000, ""}, {0x5000, 0x6000, "b"}},
    .module_count = 3,
};

static void modules_are_found_by_name(void **state)
{
    const struct boot_module *module = NULL;

    (void)state;
    assert_int_equal(boot_find_module(&sample, "b", &module), BOOT_OK);
    assert_ptr_equal(module, &sample.modules[2]);
    assert_int_equal(boot_find_module(&sample, "c", &module), BOOT_MODULE_MISSING);
    assert_int_equal(boot_find_module(&sample, "aa", &module), BOOT_MODULE_MISSING);
}

static void two_modules_of_one_name_are_refused(void **state)
{
    struct boot_info info = sample;
    const struct boot_module *module = NULL;

    (void)state;
    strcpy(info.modules[1].name, "b");
    assert_int_equal(boot_find_module(&info, "b", &module), BOOT_MODULE_DUPLICATE);
    assert_null(module);
}

static void usable_ranges_may_span_regions_but_no_hole(void **state)
{
    (void)state;
    assert_true(boot_is_usable(&sample, 1 * MIB, 8 * MIB));
    assert_true(boot_is_usable(&sample, 2 * MIB, 5 * MIB));
    assert_true(boot_is_usable(&sample, 0x180000000u, 0x200000000u));
    assert_false(boot_is_usable(&sample, 1 * MIB - 1, 8 * MIB));
    assert_false(boot_is_usable(&sample, 1 * MIB, 8 * MIB + 1));
    assert_false(boot_is_usable(&sample, 7 * MIB, 17 * MIB));
    assert_false(boot_is_usable(&sample, 40 * MIB, 41 * MIB));
}

static void a_reserved_region_beats_a_usable_one(void **state)
{
    (void)state;
    assert_true(boot_is_usable(&sample, 16 * MIB, 20 * MIB));
    assert_false(boot_is_usable(&sample, 16 * MIB, 20 * MIB + 1));
    assert_false(boot_is_usable(&sample, 16 * MIB, 32 * MIB));
    assert_true(boot_is_usable(&sample, 21 * MIB, 32 * MIB));
}

static void modules_are_seen_at_their_edges(void **state)
{
    (void)state;
    assert_true(boot_has_module(&sample, 0x1fff, 0x2001));
    assert_true(boot_has_module(&sample, 0, 0x1001));
    assert_false(boot_has_module(&sample, 0x2000, 0x3000));
    assert_false(boot_has_module(&sample, 0, 0x1000));
}

static void the_low_page_is_free(void **state)
{
    struct boot_info info = {.regions = {{0, 0x9fc00, MEMORY_USABLE}}, .region_count = 1};

    (void)state;
    assert_int_equal(boot_find_low_page(&info), 0x1000); /* never 0: nothing is mapped there */
    info.modules[0] = (struct boot_module){0x1fff, 0x2f001, "a"};
    info.module_count = 1;
    assert_int_equal(boot_find_low_page(&info), 0x40000); /* not where SMM begins */
    info.modules[1] = (struct boot_module){0x40000, 0x9e001, "b"};
    info.module_count = 2;
    assert_int_equal(boot_find_low_page(&info), 0); /* 9F000h is usable in part only */
    info.regions[0].start = 0x4000;
    info.module_count = 0;
    assert_int_equal(boot_find_low_page(&info), 0x4000);
    info.regions[0] = (struct boot_region){0xa0000, 0x200000, MEMORY_USABLE};
    assert_int_equal(boot_find_low_page(&info), 0);
}

static void memory_ends_below_four_gib(void **state)
{
    struct boot_info info = sample;

    (void)state;
    assert_int_equal(boot_memory_end(&info), 41 * MIB);
    info.regions[2].end = 0x180000000u;
    assert_int_equal(boot_memory_end(&info), 0x100000000u);
    info.region_count = 0;
    assert_int_equal(boot_memory_end(&info), 0);
}

static void every_error_has_cause_and_remedy(void **state)
{
    (void)state;
    for (unsigned e = BOOT_OK; e <= BOOT_MODULE_DUPLICATE; e++) {
        assert_true(strlen(boot_error_cause((enum boot_error)e)) > 5);
        assert_true(strlen(boot_error_remedy((enum boot_error)e)) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_are_found_by_name),
        cmocka_unit_test(two_modules_of_one_name_are_refused),
        cmocka_unit_test(usable_ranges_may_span_regions_but_no_hole),
        cmocka_unit_test(a_reserved_region_beats_a_usable_one),
        cmocka_unit_test(modules_are_seen_at_their_edges),
        cmocka_unit_test(the_low_page_is_free),
        cmocka_unit_test(memory_ends_below_four_gib),
        cmocka_unit_test(every_error_has_cause_and_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
