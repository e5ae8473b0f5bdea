/* What a device writes to a page that is a table of the guest's in use: no CPU takes a fault. */
#include "mm/shadow_fixture.h"
#include "testing.h"

#define POOL (16 * SHADOW_POOL_MIN)

static int start(void **state)
{
    (void)state;
    fixture_start(POOL);
    return 0;
}

/* A flush of all, global pages too, as a change of CR4.PGE is; core loads CR3 anew after it. */
static void flush_all(void)
{
    shadow_compare(&f.shadow);
    reload(0);
}

/* INVLPG has its address as it is now, and what wasn't present needs no flush. */
static void it_holds_after_invlpg(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++) {
        const struct mode *mode = paged_modes[i];
        uint64_t entry;

        fixture_start(POOL);
        enter(0, mode);
        map(0, mode, 0x1000, DATA | KERNEL, 1);
        entry = entry_at(0, mode, 0x1000, 1);
        assert_reaches(0, 0x1000, MMU_W, DATA);
        put(entry, (DATA + 0x1000) | KERNEL, mode->entry);
        put(entry + mode->entry, (DATA + 0x3000) | KERNEL, mode->entry);
        assert_reaches(0, 0x2000, MMU_W, DATA + 0x3000);
        shadow_invlpg(&f.shadow, 0, &f.g[0], 0x1000);
        assert_reaches(0, 0x1000, MMU_W, DATA + 0x1000);
    }
}

/* In a table of any level; entries that are gone, and rights that are fewer, too. */
static void it_holds_after_a_flush_of_global_pages(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PAGED_MODES; i++) {
        const struct mode *mode = paged_modes[i];
        uint64_t entry, above;

        fixture_start(POOL);
        enter(0, mode);
        map(0, mode, 0x1000, DATA | KERNEL, 1);
        map(0, mode, 0x2000, DATA | KERNEL, 1);
        entry = entry_at(0, mode, 0x1000, 1);
        above = entry_at(0, mode, 0x1000, 2);
        assert_reaches(0, 0x1000, MMU_W, DATA);
        assert_reaches(0, 0x2000, MMU_W, DATA);
        put(entry, (DATA + 0x2000) | KERNEL, mode->entry);
        put(entry + mode->entry, (DATA | KERNEL) & ~(uint64_t)PTE_RW, mode->entry);
        flush_all();
        assert_reaches(0, 0x1000, MMU_W, DATA + 0x2000);
        assert_faults(0, 0x2000, MMU_W, MMU_W | MMU_P);
        put(entry, 0, mode->entry);
        flush_all();
        assert_faults(0, 0x1000, 0, 0);
        assert_reaches(0, 0x2000, 0, DATA);
        put(above, 0, mode->entry);
        flush_all();
        assert_faults(0, 0x2000, 0, 0);
    }
}

/* The p2m's rights are there before any flush, and after. */
static void it_opens_nothing(void **state)
{
    uint64_t entry;

    (void)state;
    enter(0, &mode_long);
    map(0, &mode_long, 0x1000, DATA | KERNEL, 1);
    entry = entry_at(0, &mode_long, 0x1000, 1);
    assert_reaches(0, 0x1000, MMU_W, DATA);
    put(entry, UNMAPPED | KERNEL, 8);
    put(entry + 8, UNMAPPED | KERNEL, 8);
    assert_denied(0, 0x2000, 0, UNMAPPED);
    flush_all();
    assert_denied(0, 0x1000, 0, UNMAPPED);
    put(entry, ROM | KERNEL, 8);
    assert_denied(0, 0x1000, MMU_W, ROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_holds_after_invlpg, start),
        cmocka_unit_test_setup(it_holds_after_a_flush_of_global_pages, start),
        cmocka_unit_test_setup(it_opens_nothing, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
