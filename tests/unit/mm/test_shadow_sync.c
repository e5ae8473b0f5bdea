/*
 * How shadow tables are kept in step with tables that the guest writes, and what happens in a
 * pool that is too small for all of them. WINDOW maps all of the guest's tables, for it to write.
 */
#include "mm/shadow_fixture.h"
#include "testing.h"

#define POOL   (16 * SHADOW_POOL_MIN)
#define WINDOW 0xc0000000ull

static int start(void **state)
{
    (void)state;
    fixture_start(POOL);
    return 0;
}

static uint64_t window(uint64_t gpa)
{
    return WINDOW + (gpa - TABLES);
}

/* Small pages: that of a table alone is read-only. The tables of the window itself are last. */
static void map_window(unsigned vcpu, const struct mode *mode)
{
    for (uint64_t at = 0; at < TABLE_SIZE; at += PAGE_SIZE)
        map(vcpu, mode, WINDOW + at, (TABLES + at) | KERNEL, 1);
}

/* The guest writes a table's entry, as its own tables let it. */
static void write_entry(unsigned vcpu, const struct mode *mode, uint64_t gpa, uint64_t value)
{
    guest_put(vcpu, window(gpa), value, mode->entry);
}

static unsigned faults_since(unsigned *before)
{
    unsigned faults = f.faults - *before;

    *before = f.faults;
    return faults;
}

static void what_a_guest_writes_to_a_table_holds_once_it_flushes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++)
        for (unsigned by_cr3 = 0; by_cr3 < 2; by_cr3++) {
            const struct mode *mode = paged_modes[i];
            uint64_t entry;

            fixture_start(POOL);
            enter(0, mode);
            map_window(0, mode);
            map(0, mode, 0x1000, DATA | KERNEL, 1);
            entry = entry_at(0, mode, 0x1000, 1);
            assert_reaches(0, 0x1000, MMU_W, DATA);
            write_entry(0, mode, entry, (DATA + 0x1000) | KERNEL);
            if (by_cr3)
                reload(0);
            else
                shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
            assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
            write_entry(0, mode, entry, ((DATA + 0x1000) | KERNEL) & ~(uint64_t)PTE_RW);
            reload(0);
            assert_faults(0, 0x1000, MMU_W, MMU_W | MMU_P);
            write_entry(0, mode, entry, 0);
            shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1fff);
            assert_faults(0, 0x1000, 0, 0);
            write_entry(0, mode, entry, DATA | KERNEL); /* not present before: no flush is due */
            assert_reaches(0, 0x1000, MMU_W, DATA);
        }
}

/* A process's tables are filled by many writes: one fault in a table, until the next flush. */
static void a_table_that_is_written_faults_once(void **state)
{
    unsigned before = 0;
    uint64_t entry;

    (void)state;
    enter(0, &mode_long);
    map_window(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    entry = entry_at(0, &mode_long, 0x2000, 1);
    write_entry(0, &mode_long, entry, DATA | KERNEL);
    faults_since(&before);
    for (unsigned i = 1; i < 100; i++)
        write_entry(0, &mode_long, entry + 8 * i, (DATA + i % 32 * PAGE_SIZE) | KERNEL);
    assert_int_equal(faults_since(&before), 0);
    for (unsigned i = 1; i < 100; i++)
        assert_reaches(0, 0x2000 + i * PAGE_SIZE, MMU_W, DATA + i % 32 * PAGE_SIZE);
    reload(0);
    write_entry(0, &mode_long, entry, 0);
    assert_int_equal(faults_since(&before), 7 + 1); /* entries are made 16 at a time */
}

/* APM vol. 2, 5.5: a table that is linked where nothing was is read as it is now. */
static void a_table_that_is_linked_anew_is_in_step(void **state)
{
    uint64_t entry, link;

    (void)state;
    enter(0, &mode_long);
    map_window(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    map(0, &mode_long, 0x2000, (DATA + 0x2000) | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    entry = entry_at(0, &mode_long, 0x1000, 1);
    link = entry_at(0, &mode_long, 0x40000000, 2);
    write_entry(0, &mode_long, entry, (DATA + 0x1000) | KERNEL);
    write_entry(0, &mode_long, link, (entry & PTE_ADDRESS) | USER); /* the same table there */
    assert_reaches(0, 0x40002000, MMU_W, DATA + 0x2000);
    assert_reaches(0, 0x40001000, MMU_W, DATA + 0x1000);
}

/* PAE's topmost table has four entries, anywhere in a page. */
static void a_topmost_table_may_be_part_of_a_page(void **state)
{
    uint64_t cr3 = new_table() + 0xfe0;

    (void)state;
    enter_at(0, &mode_pae, cr3);
    map_window(0, &mode_pae);
    map(0, &mode_pae, 0x1000, DATA | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    write_entry(0, &mode_pae, cr3, 0);
    reload(0);
    assert_faults(0, 0x1000, 0, 0);
}

/* The topmost entry leads to itself: the guest sees its tables as pages, and writes them so. */
static void tables_may_map_themselves(void **state)
{
    const uint64_t self = 0xffffff0000000000; /* entry 510 */
    uint64_t index = 0x1000 >> 12;

    (void)state;
    enter(0, &mode_long);
    put(f.g[0].cr3 + 510 * 8, f.g[0].cr3 | KERNEL, 8);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    assert_reaches(0, self | index * 8, 0, entry_at(0, &mode_long, 0x1000, 1));
    guest_put(0, self | index * 8, (DATA + 0x5000) | KERNEL, 8);
    shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x5000);
    /* the topmost table, through itself four times */
    guest_put(0, 0xffffff7fbfdfe000 | 510 * 8, 0, 8);
    reload(0);
    assert_faults(0, self | index * 8, 0, 0);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x5000);
}

/* A vCPU may have cached that it can write a page, when the other has it walked as a table. */
static void protection_is_relied_upon_after_a_flush(void **state)
{
    unsigned flushes;

    (void)state;
    enter(1, &mode_off);
    assert_reaches(1, TABLES + 0x80000, MMU_W, TABLES + 0x80000);
    flushes = f.flushes;
    enter_at(0, &mode_long, TABLES + 0x80000);
    assert_int_equal(f.flushes, flushes + 1);
    assert_int_equal(try_once(1, TABLES + 0x80000, MMU_W).verdict, MMU_PAGE_FAULT);
    assert_reaches(1, TABLES + 0x80000, MMU_W, TABLES + 0x80000);
    flushes = f.flushes;
    reload(0);
    assert_int_equal(f.flushes, flushes + 1);
    assert_int_equal(try_once(1, TABLES + 0x80000, MMU_W).verdict, MMU_PAGE_FAULT);
    reload(0);
    assert_int_equal(f.flushes, flushes + 1); /* nothing has changed: no need */
}

/* The vCPUs share tables. What one has flushed the other may have cached still. */
static void a_right_that_went_may_be_cached_when_a_table_is_made(void **state)
{
    unsigned flushes;

    (void)state;
    enter(0, &mode_long);
    map_window(0, &mode_long);
    enter_at(1, &mode_long, f.g[0].cr3);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    map(0, &mode_long, 0x40200000, (DATA + 0x3000) | KERNEL, 1);
    assert_reaches(0, 0x40200000, 0, DATA + 0x3000); /* no other table is new below */
    assert_reaches(1, 0x1000, MMU_W, DATA);
    write_entry(0, &mode_long, entry_at(0, &mode_long, 0x1000, 1), (DATA + 0x1000) | KERNEL);
    shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
    put(entry_at(0, &mode_long, 0x40000000, 2), DATA | USER, 8);
    flushes = f.flushes;
    assert_faults(0, 0x40000000, 0, 0);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
    put(DATA, DATA | KERNEL, 8);
    assert_reaches(0, 0x40000000, 0, DATA);
    assert_int_equal(f.flushes, flushes + 1);
}

static void each_vcpu_has_its_own_mode_of_the_same_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++)
        for (unsigned j = 0; j < PAGED_MODES; j++) {
            fixture_start(POOL);
            enter(0, paged_modes[i]);
            enter(1, paged_modes[j]);
            map_window(1, paged_modes[j]);
            map(0, paged_modes[i], 0x1000, DATA | KERNEL, 1);
            assert_reaches(0, 0x1000, MMU_W, DATA);
            write_entry(1, paged_modes[i], entry_at(0, paged_modes[i], 0x1000, 1),
                        (DATA + 0x1000) | KERNEL);
            reload(1); /* that is no flush of the other, but no harm either */
            shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
            assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
        }
}

/* More tables are written between two flushes than core takes note of. */
static void any_number_of_tables_may_be_out_of_step(void **state)
{
    (void)state;
    enter(0, &mode_long);
    map_window(0, &mode_long);
    for (uint64_t i = 0; i < 2 * SHADOW_UNSYNCED; i++) {
        map(0, &mode_long, i << 21, DATA | KERNEL, 1);
        assert_reaches(0, i << 21, MMU_W, DATA);
    }
    for (uint64_t i = 0; i < 2 * SHADOW_UNSYNCED; i++)
        write_entry(0, &mode_long, entry_at(0, &mode_long, i << 21, 1), (DATA + 0x1000) | KERNEL);
    reload(0);
    for (uint64_t i = 0; i < 2 * SHADOW_UNSYNCED; i++)
        assert_reaches(0, i << 21, MMU_W, DATA + 0x1000);
}

/* A root of a process that ended is memory like any other again, as are tables nothing leads to. */
static void what_was_a_table_is_written_freely(void **state)
{
    uint64_t other, table;
    unsigned before = 0;

    (void)state;
    enter(0, &mode_long);
    map_window(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    other = new_table();
    put(other, get(f.g[0].cr3, 8), 8);
    enter_at(0, &mode_long, other);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    enter_at(0, &mode_long, TABLES);
    table = entry_at(0, &mode_long, 0x1000, 1) & PTE_ADDRESS;
    write_entry(0, &mode_long, other, 0);
    write_entry(0, &mode_long, entry_at(0, &mode_long, 0x1000, 2), 0);
    reload(0);
    assert_faults(0, 0x1000, 0, 0);
    write_entry(0, &mode_long, other, 1);
    write_entry(0, &mode_long, table, 1);
    faults_since(&before);
    for (unsigned i = 0; i < 5; i++) {
        reload(0);
        write_entry(0, &mode_long, other, i);
        write_entry(0, &mode_long, table, i);
    }
    assert_int_equal(faults_since(&before), 0);
}

/* A page that stopped being a table while it was open, and is one again. */
static void what_was_a_table_may_become_one_again(void **state)
{
    uint64_t entry, link, table;

    (void)state;
    enter(0, &mode_long);
    map_window(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    entry = entry_at(0, &mode_long, 0x1000, 1);
    link = entry_at(0, &mode_long, 0x1000, 2);
    table = get(link, 8);
    write_entry(0, &mode_long, entry, (DATA + 0x1000) | KERNEL);
    write_entry(0, &mode_long, link, 0);
    shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
    write_entry(0, &mode_long, link, table);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
    write_entry(0, &mode_long, entry, (DATA + 0x2000) | KERNEL);
    reload(0);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x2000);
}

/* One page mapped everywhere, which then becomes a table: no place is forgotten. */
static void every_mapping_of_a_new_table_becomes_read_only(void **state)
{
    const unsigned tables = 4, pages = tables * 512;

    (void)state;
    enter(0, &mode_long);
    for (uint64_t i = 0; i < pages; i++) {
        map(0, &mode_long, i << 12, DATA | KERNEL, 1);
        assert_reaches(0, i << 12, MMU_W, DATA);
    }
    put(entry_at(0, &mode_long, 0x40000000, 2), DATA | USER, 8);
    put(DATA, (DATA + 0x1000) | KERNEL, 8);
    assert_reaches(0, 0x40000000, 0, DATA + 0x1000);
    for (uint64_t i = 0; i < pages; i++)
        assert_int_equal(try_once(0, i << 12, MMU_W).verdict, MMU_PAGE_FAULT);
    guest_put(0, 0, (DATA + 0x2000) | KERNEL, 8);
    reload(0);
    assert_reaches(0, 0x40000000, MMU_W, DATA + 0x2000);
}

/* A page known at two addresses is one page: writing it at one is seen through the other. */
static void aliases_are_one_page(void **state)
{
    const uint64_t alias = 0x20000000;

    (void)state;
    enter(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    memory_model_leaf(alias, (uint64_t)memory_model_at(entry_at(0, &mode_long, 0, 1)), 1,
                      MODEL_RAM);
    map(0, &mode_long, 0x40000000, alias | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    guest_put(0, 0x40000000 + 8, (DATA + 0x1000) | KERNEL, 8);
    shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
}

/* A workload of a hundred times the tables that fit. */
static void the_smallest_pool_is_enough(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++) {
        const struct mode *mode = paged_modes[i];
        uint64_t step = mode == &mode_long ? 0x8000200000 : 0x400000;

        fixture_start(SHADOW_POOL_MIN);
        enter(0, mode);
        for (uint64_t page = 0; page < 60; page++)
            map(0, mode, page * step, (DATA + page % 32 * PAGE_SIZE) | USER, 1);
        for (unsigned round = 0; round < 20; round++)
            for (uint64_t page = 0; page < 60; page++)
                assert_reaches(0, page * step, MMU_W, DATA + page % 32 * PAGE_SIZE);
        assert_true(f.flushes > 20);
    }
}

/* The most that one instruction, or the delivery of an event, needs at a time: nine pages, each
 * with tables of its own. They come to be mapped together, or it would never end. */
static void the_smallest_pool_holds_what_one_instruction_needs(void **state)
{
    (void)state;
    fixture_start(SHADOW_POOL_MIN);
    enter(0, &mode_long);
    for (uint64_t first = 0; first < 6; first++) {
        bool all = false;

        for (uint64_t page = 0; page < 9; page++)
            map(0, &mode_long, (first * 9 + page) << 39, DATA | USER, 1);
        for (unsigned tries = 0; tries < 20 && !all; tries++) {
            all = true;
            for (uint64_t page = 0; page < 9 && all; page++)
                all = try_once(0, (first * 9 + page) << 39, MMU_W).verdict == MMU_PASSES ||
                      (assert_reaches(0, (first * 9 + page) << 39, MMU_W, DATA), false);
        }
        assert_true(all);
    }
}

/* The guest is in step after its own PAT's change, whatever is open or in use. */
static void a_reset_leaves_a_working_domain(void **state)
{
    unsigned flushes;

    (void)state;
    enter(0, &mode_long);
    enter(1, &mode_legacy);
    map_window(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    write_entry(0, &mode_long, entry_at(0, &mode_long, 0x1000, 1), (DATA + 0x1000) | KERNEL);
    flushes = f.flushes;
    shadow_reset(&f.shadow);
    assert_true(f.flushes > flushes);
    assert_int_equal(try_once(0, 0x1000, 0).verdict, MMU_PAGE_FAULT);
    assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
    assert_faults(1, 0x1000, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_a_guest_writes_to_a_table_holds_once_it_flushes, start),
        cmocka_unit_test_setup(a_table_that_is_written_faults_once, start),
        cmocka_unit_test_setup(a_table_that_is_linked_anew_is_in_step, start),
        cmocka_unit_test_setup(a_topmost_table_may_be_part_of_a_page, start),
        cmocka_unit_test_setup(tables_may_map_themselves, start),
        cmocka_unit_test_setup(a_right_that_went_may_be_cached_when_a_table_is_made, start),
        cmocka_unit_test_setup(protection_is_relied_upon_after_a_flush, start),
        cmocka_unit_test_setup(each_vcpu_has_its_own_mode_of_the_same_memory, start),
        cmocka_unit_test_setup(any_number_of_tables_may_be_out_of_step, start),
        cmocka_unit_test_setup(what_was_a_table_is_written_freely, start),
        cmocka_unit_test_setup(what_was_a_table_may_become_one_again, start),
        cmocka_unit_test_setup(every_mapping_of_a_new_table_becomes_read_only, start),
        cmocka_unit_test_setup(aliases_are_one_page, start),
        cmocka_unit_test_setup(the_smallest_pool_is_enough, start),
        cmocka_unit_test_setup(the_smallest_pool_holds_what_one_instruction_needs, start),
        cmocka_unit_test_setup(a_reset_leaves_a_working_domain, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
