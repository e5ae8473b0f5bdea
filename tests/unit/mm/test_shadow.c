/* What shadow tables allow: the guest's rights and the p2m's, in each mode of paging. */
#include "mm/shadow_fixture.h"
#include "testing.h"

#define POOL  (16 * SHADOW_POOL_MIN)
#define FETCH MMU_ID

static int start(void **state)
{
    (void)state;
    fixture_start(POOL);
    return 0;
}

static void without_paging_linear_is_physical(void **state)
{
    (void)state;
    enter(0, &mode_off);
    assert_reaches(0, DATA + 0x123, MMU_W, DATA + 0x123);
    assert_reaches(0, DATA + 0x1000, FETCH, DATA + 0x1000);
    assert_reaches(0, DATA + 0x2000, MMU_U | MMU_W, DATA + 0x2000);
    assert_denied(0, UNMAPPED + 0x10, 0, UNMAPPED + 0x10);
    assert_int_equal(reach(0, DATA, 0).type, 6);
}

static void small_pages_are_found_in_each_mode(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++) {
        fixture_start(POOL);
        enter(0, paged_modes[i]);
        map(0, paged_modes[i], 0x7fc03000, (DATA + 0x3000) | USER, 1);
        map(0, paged_modes[i], 0xfffff000, (DATA + 0x4000) | KERNEL, 1);
        assert_reaches(0, 0x7fc03abc, MMU_U | MMU_W, DATA + 0x3abc);
        assert_reaches(0, 0xfffffffc, MMU_W, DATA + 0x4ffc);
        assert_faults(0, 0x7fc04000, MMU_W, MMU_W);
        assert_faults(0, 0xffc00000, MMU_U, MMU_U);
        assert_faults(0, 0xfffff000, MMU_U, MMU_U | MMU_P);
    }
}

static void large_pages_are_found_in_each_mode(void **state)
{
    (void)state;
    enter(0, &mode_legacy);
    map(0, &mode_legacy, 0x80400000, DATA | USER, 2);
    assert_reaches(0, 0x80401234, MMU_W, DATA + 0x1234);
    assert_denied(0, 0x807ff010, 0, DATA + 0x3ff010);
    fixture_start(POOL);
    enter(0, &mode_pae);
    map(0, &mode_pae, 0xc0200000, DATA | USER, 2);
    assert_reaches(0, 0xc0203456, MMU_W, DATA + 0x3456);
    fixture_start(POOL);
    enter(0, &mode_long);
    map(0, &mode_long, 0xffff800000200000, DATA | USER, 2);
    map(0, &mode_long, 0xffffffff80000000, USER, 3);
    assert_reaches(0, 0xffff800000204567, MMU_W, DATA + 0x4567);
    assert_reaches(0, 0xffffffff80405678, MMU_W, DATA + 0x5678);
    assert_denied(0, 0xffffffffb0000000, 0, 0x30000000);
}

/* A and D are the guest's to read; until D is set a write has to be seen. */
static void a_page_is_writable_only_when_its_d_is_set(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++)
        for (unsigned level = 1; level <= 2; level++) {
            const struct mode *mode = paged_modes[i];
            uint64_t entry;

            fixture_start(POOL);
            enter(0, mode);
            map(0, mode, 0x400000, DATA | PTE_P | PTE_RW, level);
            entry = entry_at(0, mode, 0x400000, level);
            assert_reaches(0, 0x400000, 0, DATA);
            assert_int_equal(get(entry, mode->entry) & (PTE_A | PTE_D), PTE_A);
            assert_int_equal(try_once(0, 0x400000, MMU_W).verdict, MMU_PAGE_FAULT);
            assert_reaches(0, 0x400000, MMU_W, DATA);
            assert_int_equal(get(entry, mode->entry) & (PTE_A | PTE_D), PTE_A | PTE_D);
        }
}

static void the_p2m_has_the_last_word(void **state)
{
    (void)state;
    enter(0, &mode_long);
    map(0, &mode_long, 0x1000, ROM | USER, 1);
    map(0, &mode_long, 0x2000, DEVICE | USER, 1);
    map(0, &mode_long, 0x3000, UNMAPPED | USER, 1);
    assert_reaches(0, 0x1010, FETCH, ROM + 0x10);
    assert_denied(0, 0x1010, MMU_W, ROM + 0x10);
    assert_int_equal(reach(0, 0x1010, MMU_W).error, MMU_W | MMU_P);
    assert_reaches(0, 0x2020, MMU_W, DEVICE + 0x20);
    assert_int_equal(reach(0, 0x2020, 0).type, 0);
    assert_denied(0, 0x2020, FETCH, DEVICE + 0x20);
    assert_denied(0, 0x3030, MMU_U, UNMAPPED + 0x30);
    assert_int_equal(reach(0, 0x3030, MMU_U).error, MMU_U);
    map(0, &mode_long, 0x400000, DATA | USER, 2);
    assert_reaches(0, 0x400000 + DATA_SIZE - 8, 0, DATA + DATA_SIZE - 8);
    assert_denied(0, 0x400000 + DATA_SIZE, 0, DATA + DATA_SIZE);
}

/* For tables nothing but RAM will do that the domain may write: A is set there. */
static void tables_lie_in_ram(void **state)
{
    static const uint64_t places[] = {ROM, DEVICE, UNMAPPED};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct mmu_result result;

        fixture_start(POOL);
        enter(0, &mode_long);
        put(entry_at(0, &mode_long, 0x1000, 2), places[i] | USER, 8);
        result = reach(0, 0x1000, 0);
        assert_int_equal(result.verdict, MMU_WALK_DENIED);
        assert_int_equal(result.gpa, places[i] + 8);
        for (unsigned m = 0; m < PAGED_MODES; m++) {
            enter_at(0, paged_modes[m], places[i]);
            assert_int_equal(reach(0, 0, 0).verdict, MMU_WALK_DENIED);
            shadow_invlpg(&f.shadow, 0, &f.g[0], 0);
        }
    }
}

static void memory_types_follow_the_guests_pat(void **state)
{
    static const uint64_t bits[8] = {
        0,      PTE_PWT,          PTE_PCD,          PTE_PCD | PTE_PWT,
        PTE_PS, PTE_PS | PTE_PWT, PTE_PS | PTE_PCD, PTE_PS | PTE_PCD | PTE_PWT};
    static const unsigned reset[4] = {6, 4, 7, 0}, other[8] = {0, 1, 4, 0, 6, 7, 6, 4};

    (void)state;
    enter(0, &mode_long);
    for (unsigned i = 0; i < 8; i++)
        map(0, &mode_long, i * PAGE_SIZE, DATA | USER | bits[i], 1);
    map(0, &mode_long, 0x400000, DATA | USER | PTE_LARGE_PAT, 2);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(reach(0, i * PAGE_SIZE, 0).type, reset[i % 4]);
    assert_int_equal(reach(0, 0x400000, 0).type, 6);
    f.g[0].pat = 0x0406070605040100; /* 5: WP, which core's PAT hasn't */
    shadow_reset(&f.shadow);
    reload(0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(reach(0, i * PAGE_SIZE, 0).type, other[i]);
    assert_int_equal(reach(0, 0x400000, 0).type, 6);
}

/* APM vol. 2, 5.6: what one level takes away, none gives back. */
static void rights_are_those_of_all_levels(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 4; level++) {
        uint64_t entry, value;

        fixture_start(POOL);
        enter(0, &mode_long);
        map(0, &mode_long, 0x1000, DATA | USER, 1);
        entry = entry_at(0, &mode_long, 0x1000, level);
        value = get(entry, 8);
        assert_reaches(0, 0x1000, MMU_U | MMU_W, DATA);
        put(entry, value & ~(uint64_t)PTE_RW, 8);
        shadow_reset(&f.shadow);
        assert_faults(0, 0x1000, MMU_U | MMU_W, MMU_U | MMU_W | MMU_P);
        assert_faults(0, 0x1000, MMU_W, MMU_W | MMU_P);
        put(entry, value & ~(uint64_t)PTE_US, 8);
        shadow_reset(&f.shadow);
        assert_faults(0, 0x1000, MMU_U, MMU_U | MMU_P);
        put(entry, value | PTE_NX, 8);
        shadow_reset(&f.shadow);
        assert_faults(0, 0x1000, FETCH, FETCH | MMU_P);
        f.g[0].efer &= ~(uint64_t)EFER_NXE;
        reload(0);
        assert_faults(0, 0x1000, FETCH, MMU_RSVD | MMU_P);
    }
}

/* The CPU's WP is set always. APM vol. 2, 3.1.1: the guest's supervisor may write nevertheless. */
static void without_wp_the_supervisor_writes_everything(void **state)
{
    (void)state;
    enter(0, &mode_long);
    f.g[0].cr0 &= ~(uint64_t)CR0_WP;
    f.g[0].cr4 |= CR4_SMEP;
    reload(0);
    map(0, &mode_long, 0x1000, DATA | (USER & ~PTE_RW), 1);
    map(0, &mode_long, 0x2000, (DATA + 0x1000) | (KERNEL & ~PTE_RW), 1);
    assert_reaches(0, 0x1000, MMU_U, DATA);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    assert_reaches(0, 0x2000, MMU_W, DATA + 0x1000);
    assert_faults(0, 0x1000, FETCH, FETCH | MMU_P); /* its page is the user's to SMEP still */
    assert_faults(0, 0x1000, MMU_U | MMU_W, MMU_U | MMU_W | MMU_P);
    assert_reaches(0, 0x1000, MMU_U | FETCH, DATA);
    assert_faults(0, 0x2000, MMU_U, MMU_U | MMU_P);
    f.g[0].cr0 |= CR0_WP;
    reload(0);
    assert_faults(0, 0x1000, MMU_W, MMU_W | MMU_P);
    assert_faults(0, 0x2000, MMU_W, MMU_W | MMU_P);
}

static void smep_and_smap_are_the_cpus_and_told_as_faults(void **state)
{
    (void)state;
    enter(0, &mode_legacy);
    map(0, &mode_legacy, 0x1000, DATA | USER, 1);
    assert_reaches(0, 0x1000, FETCH, DATA);
    f.g[0].cr4 |= CR4_SMEP | CR4_SMAP;
    reload(0);
    assert_faults(0, 0x1000, FETCH, FETCH | MMU_P);
    assert_faults(0, 0x1000, MMU_W, MMU_W | MMU_P);
    assert_faults(0, 0x1000, 0, MMU_P);
    assert_reaches(0, 0x1000, MMU_U | MMU_W | FETCH, DATA);
    f.g[0].ac = true;
    assert_reaches(0, 0x1000, MMU_W, DATA);
}

/* A descriptor in a user's page: the CPU refuses the implicit read whatever AC says (5.6.6). */
static void an_implicit_read_that_smap_refuses_is_told(void **state)
{
    struct shadow_result result;

    (void)state;
    enter(0, &mode_long);
    f.g[0].cr4 |= CR4_SMAP;
    f.g[0].ac = true;
    reload(0);
    map(0, &mode_long, 0x1000, DATA | USER, 1);
    assert_reaches(0, 0x1000, 0, DATA);
    result = shadow_fault(&f.shadow, 0, &f.g[0], 0x1000, MMU_P);
    assert_int_equal(result.outcome, SHADOW_PAGE_FAULT);
    assert_int_equal(result.error, MMU_P);
}

/* 8.4.2: a fetch is told as one where it can be forbidden, and not else. */
static void a_fetch_is_told_where_it_can_be_forbidden(void **state)
{
    (void)state;
    enter(0, &mode_legacy);
    assert_faults(0, 0x1000, FETCH, 0);
    f.g[0].cr4 |= CR4_SMEP;
    reload(0);
    assert_faults(0, 0x1000, FETCH, FETCH);
    enter(0, &mode_pae);
    assert_faults(0, 0x1000, FETCH | MMU_U, FETCH | MMU_U);
    f.g[0].efer = 0;
    reload(0);
    assert_faults(0, 0x1000, FETCH | MMU_U, MMU_U);
}

/* 5.2 and 5.3: bits that must be clear, one after the other. */
static void reserved_bits_are_told(void **state)
{
    static const struct {
        const struct mode *mode;
        unsigned level;
        uint64_t bits; /* in entries that are pages where level is 2 or mode is long and 3 */
    } rows[] = {
        {&mode_legacy, 2, 1ull << 21},       {&mode_pae, 3, 0xffffff00000001e6},
        {&mode_pae, 2, 0x7fffff00001fe000},  {&mode_pae, 1, 0x7fffff0000000000},
        {&mode_long, 4, 0x000fff0000000180}, {&mode_long, 3, 0x000fff003fffe000},
        {&mode_long, 2, 0x000fff00001fe000}, {&mode_long, 1, 0x000fff0000000000},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned bit = 1; bit < 8 * rows[i].mode->entry; bit++) {
            const struct mode *mode = rows[i].mode;
            bool is_page = rows[i].level == 2 || (mode == &mode_long && rows[i].level == 3);
            uint64_t at;

            if (bit == 1)
                fixture_start(POOL);
            enter(0, mode);
            if (is_page)
                map(0, mode, 0, DATA & 0xc0000000, rows[i].level);
            else
                map(0, mode, 0, DATA | KERNEL, 1);
            at = entry_at(0, mode, 0, rows[i].level);
            put(at, (get(at, mode->entry) & ~(uint64_t)PTE_A) | PTE_P | 1ull << bit, mode->entry);
            reload(0);
            if (rows[i].bits >> bit & 1)
                assert_faults(0, 0x200, 0, MMU_P | MMU_RSVD);
            else
                assert_int_not_equal(reach(0, 0x200, 0).error, MMU_P | MMU_RSVD);
        }
}

/* As a CPU may do it: what A says nobody has touched yet is not among it. */
static void entries_around_one_are_read_ahead(void **state)
{
    (void)state;
    enter(0, &mode_long);
    for (uint64_t i = 16; i < 31; i++)
        map(0, &mode_long, i << 12, DATA | KERNEL, 1);
    put(entry_at(0, &mode_long, 20 << 12, 1), DATA | (KERNEL & ~PTE_A), 8);
    assert_reaches(0, 18 << 12, 0, DATA);
    assert_int_equal(try_once(0, 16 << 12, MMU_W).verdict, MMU_PASSES);
    assert_int_equal(try_once(0, 30 << 12, MMU_W).verdict, MMU_PASSES);
    assert_int_equal(try_once(0, 20 << 12, 0).verdict, MMU_PAGE_FAULT);
    assert_int_equal(try_once(0, 31 << 12, 0).verdict, MMU_PAGE_FAULT);
    assert_int_equal(get(entry_at(0, &mode_long, 20 << 12, 1), 8) & PTE_A, 0);
}

/* APM vol. 2, 5.2.3: whoever wrote them. */
static void paes_topmost_entries_are_loaded_with_cr3(void **state)
{
    uint64_t at;

    (void)state;
    enter(0, &mode_pae);
    map(0, &mode_pae, 0x1000, DATA | KERNEL, 1);
    assert_reaches(0, 0x1000, 0, DATA);
    at = entry_at(0, &mode_pae, 0x1000, 3);
    put(at, get(at, 8) | PTE_A, 8);
    reload(0);
    assert_faults(0, 0x1000, 0, MMU_P | MMU_RSVD);
}

static void pools_that_are_of_no_use_are_refused(void **state)
{
    struct shadow_config good = f.shadow.config, config;
    struct shadow other;

    (void)state;
    assert_true(shadow_init(&other, &good));
    config = good, config.pool += 8, assert_false(shadow_init(&other, &config));
    config = good, config.pool_size -= 8, assert_false(shadow_init(&other, &config));
    config = good, config.pool_size = SHADOW_POOL_MIN, assert_false(shadow_init(&other, &config));
    config = good, config.pool = 0, assert_false(shadow_init(&other, &config));
    config = good, config.pool = 0xfffff000, assert_false(shadow_init(&other, &config));
    config = good, config.pool_size = UINT64_MAX - 4095, assert_false(shadow_init(&other, &config));
    config = good, config.vcpus = 0, assert_false(shadow_init(&other, &config));
    config = good, config.vcpus = SHADOW_VCPUS + 1, assert_false(shadow_init(&other, &config));
    config = good, config.address_bits = 53, assert_false(shadow_init(&other, &config));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_paging_linear_is_physical, start),
        cmocka_unit_test_setup(small_pages_are_found_in_each_mode, start),
        cmocka_unit_test_setup(large_pages_are_found_in_each_mode, start),
        cmocka_unit_test_setup(a_page_is_writable_only_when_its_d_is_set, start),
        cmocka_unit_test_setup(the_p2m_has_the_last_word, start),
        cmocka_unit_test_setup(tables_lie_in_ram, start),
        cmocka_unit_test_setup(memory_types_follow_the_guests_pat, start),
        cmocka_unit_test_setup(rights_are_those_of_all_levels, start),
        cmocka_unit_test_setup(without_wp_the_supervisor_writes_everything, start),
        cmocka_unit_test_setup(smep_and_smap_are_the_cpus_and_told_as_faults, start),
        cmocka_unit_test_setup(an_implicit_read_that_smap_refuses_is_told, start),
        cmocka_unit_test_setup(a_fetch_is_told_where_it_can_be_forbidden, start),
        cmocka_unit_test_setup(reserved_bits_are_told, start),
        cmocka_unit_test_setup(entries_around_one_are_read_ahead, start),
        cmocka_unit_test_setup(paes_topmost_entries_are_loaded_with_cr3, start),
        cmocka_unit_test_setup(pools_that_are_of_no_use_are_refused, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
