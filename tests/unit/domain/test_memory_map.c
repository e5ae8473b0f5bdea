/*
 * memory_map: compared, for random maps and cuts, with the simplest model there is: an array
 * with the type of each address.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "core/domain/memory_map.h"

#define SPACE 200u /* addresses of the model */

static uint32_t model[SPACE];
static struct memory_map map;

static void model_set(uint64_t start, uint64_t end, uint32_t type)
{
    for (uint64_t i = start; i < end; i++)
        model[i] = type;
}

/* The map says what the model says; it is sorted, and no two touching ranges are of one type. */
static void same_as_model(void)
{
    uint32_t seen[SPACE] = {0};

    for (uint32_t i = 0; i < map.count; i++) {
        assert_true(map.range[i].start < map.range[i].end);
        if (i > 0) {
            assert_true(map.range[i - 1].end <= map.range[i].start);
            assert_false(map.range[i - 1].end == map.range[i].start &&
                         map.range[i - 1].type == map.range[i].type);
        }
        for (uint64_t at = map.range[i].start; at < map.range[i].end; at++)
            seen[at] = map.range[i].type;
    }
    assert_memory_equal(seen, model, sizeof model);
}

static uint64_t model_find(uint64_t start, uint64_t end, uint64_t size, uint64_t alignment)
{
    for (uint64_t at = start; at + size <= end; at++) {
        uint64_t free = 0;

        while (free < size && model[at + free] == MEMORY_USABLE)
            free++;
        if (free == size && at % alignment == 0)
            return at;
    }
    return MEMORY_NOWHERE;
}

static uint32_t below(uint32_t limit)
{
    return (uint32_t)rand() % limit;
}

static void random_cuts_match_the_model(void **state)
{
    (void)state;
    srand(1);
    for (uint32_t round = 0; round < 2000; round++) {
        map.count = 0;
        memset(model, 0, sizeof model);
        for (uint32_t step = 0; step < 30; step++) {
            uint64_t start = below(SPACE), end = start + below(SPACE + 1 - (uint32_t)start);
            uint32_t type = 1 + below(3), from = 1 + below(3);

            if (below(3) == 0) {
                assert_true(memory_map_change(&map, start, end, from, type));
                for (uint64_t i = start; i < end; i++)
                    model[i] = model[i] == from ? type : model[i];
            } else {
                assert_true(memory_map_set(&map, start, end, type));
                model_set(start, end, type);
            }
            same_as_model();
        }
    }
}

static void random_searches_match_the_model(void **state)
{
    (void)state;
    srand(2);
    for (uint32_t round = 0; round < 5000; round++) {
        map.count = 0;
        memset(model, 0, sizeof model);
        for (uint32_t step = 0; step < 10; step++) {
            uint64_t start = below(SPACE), end = start + below(SPACE + 1 - (uint32_t)start);
            uint32_t type = 1 + below(2);

            assert_true(memory_map_set(&map, start, end, type));
            model_set(start, end, type);
        }
        uint64_t start = below(SPACE), end = start + below(SPACE + 1 - (uint32_t)start);
        uint64_t size = 1 + below(20), alignment = 1u << below(5), usable = 0;

        assert_int_equal(memory_map_find(&map, start, end, size, alignment),
                         model_find(start, end, size, alignment));
        for (uint64_t at = start; at < end; at++)
            usable += model[at] == MEMORY_USABLE;
        assert_int_equal(memory_map_usable(&map, start, end) || start == end,
                         usable == end - start);
    }
}

static void full_maps_say_so(void **state)
{
    uint64_t at = 0;

    (void)state;
    map.count = 0;
    for (uint32_t i = 0; i < MEMORY_MAP_MAX - 1; i++, at += 2)
        assert_true(memory_map_set(&map, at, at + 1, MEMORY_USABLE));
    struct memory_map before = map;
    assert_false(memory_map_set(&map, at, at + 1, MEMORY_USABLE));
    assert_false(memory_map_change(&map, 0, 1, MEMORY_USABLE, MEMORY_NVS));
    assert_memory_equal(&before, &map, sizeof map);
}

static void loaders_maps_may_be_too_long(void **state)
{
    static struct boot_info info;

    (void)state;
    for (uint32_t i = 0; i < BOOT_REGIONS; i++)
        info.regions[i] = (struct boot_region){4 * i, 4 * i + 3, MEMORY_USABLE};
    info.regions[0] = (struct boot_region){0, 4 * BOOT_REGIONS, MEMORY_USABLE};
    for (uint32_t i = 1; i < BOOT_REGIONS; i++)
        info.regions[i].type = MEMORY_NVS;
    info.region_count = BOOT_REGIONS;
    assert_false(memory_map_read(&map, &info));
    info.region_count = BOOT_REGIONS / 2;
    assert_true(memory_map_read(&map, &info));
}

/* Unsorted, overlapping, of unknown types: usable is only what nobody calls otherwise. */
static void loaders_maps_are_put_in_order(void **state)
{
    static struct boot_info info;
    static const struct boot_region expected[] = {
        {0x1000, 0x5000, MEMORY_USABLE},   {0x5000, 0x6000, MEMORY_NVS},
        {0x6000, 0x9000, MEMORY_RESERVED}, {0x9000, 0xa000, MEMORY_USABLE},
        {0x20000, 0x30000, MEMORY_BAD},
    };

    (void)state;
    info.regions[0] = (struct boot_region){0x20000, 0x30000, MEMORY_BAD};
    info.regions[1] = (struct boot_region){0x6000, 0x9000, 20};
    info.regions[2] = (struct boot_region){0x5000, 0x6000, MEMORY_NVS};
    info.regions[3] = (struct boot_region){0x4000, 0xa000, MEMORY_USABLE};
    info.regions[4] = (struct boot_region){0x1000, 0x4000, MEMORY_USABLE};
    info.region_count = 5;
    assert_true(memory_map_read(&map, &info));
    assert_int_equal(map.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(map.range[i].start, expected[i].start);
        assert_int_equal(map.range[i].end, expected[i].end);
        assert_int_equal(map.range[i].type, expected[i].type);
    }
}

static void searches_near_the_last_address_end(void **state)
{
    (void)state;
    map.count = 0;
    assert_true(memory_map_set(&map, UINT64_MAX - 0x1800, UINT64_MAX, MEMORY_USABLE));
    assert_int_equal(memory_map_find(&map, 0, UINT64_MAX, 0x100, 0x1000), 0 - (uint64_t)0x1000);
    assert_int_equal(memory_map_find(&map, 0, UINT64_MAX, 0x1000, 0x1000), MEMORY_NOWHERE);
    assert_int_equal(memory_map_find(&map, 0, UINT64_MAX, 0x10, 0x200000), MEMORY_NOWHERE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_cuts_match_the_model),
        cmocka_unit_test(random_searches_match_the_model),
        cmocka_unit_test(full_maps_say_so),
        cmocka_unit_test(loaders_maps_may_be_too_long),
        cmocka_unit_test(loaders_maps_are_put_in_order),
        cmocka_unit_test(searches_near_the_last_address_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
