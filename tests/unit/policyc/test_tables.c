/* The tables that hardware reads, bit by bit: page tables, IOPM, MSRPM, intercepts. */
#include "bulkhead/layout.h"
#include "sample.h"
#include "testing.h"
#include <string.h>

struct expectation {
    uint64_t gpa, hpa;
    const char *rights; /* w write, x execute, u uncached, R and W: devices */
};

static void check_translations(unsigned domain, const struct expectation *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bits_leaf leaf =
            bits_translate(&image, bits_domain(&image, domain)->table, list[i].gpa);
        const char *rights = list[i].rights;

        if (leaf.hpa != list[i].hpa)
            fail_msg("address %llx maps to %llx, not %llx", (unsigned long long)list[i].gpa,
                     (unsigned long long)leaf.hpa, (unsigned long long)list[i].hpa);
        if (leaf.hpa == BITS_NOTHING)
            continue;
        if (leaf.write != (strchr(rights, 'w') != NULL) ||
            leaf.execute != (strchr(rights, 'x') != NULL) ||
            leaf.uncached != (strchr(rights, 'u') != NULL) ||
            leaf.device_read != (strchr(rights, 'R') != NULL) ||
            leaf.device_write != (strchr(rights, 'W') != NULL))
            fail_msg("address %llx doesn't have the rights \"%s\"", (unsigned long long)list[i].gpa,
                     rights);
    }
}

static void the_primary_maps_what_is_its_own(void **state)
{
    const uint64_t sign = sample_channel(0)->base, disk = sample_channel(1)->base;
    const uint64_t none = BITS_NOTHING;
    const struct expectation list[] = {
        {0, 0, "wxRW"},
        {0x9fff8, 0x9fff8, "wxRW"},
        {0xa0000, none, ""},
        {0xbffff, none, ""},
        {0xc0000, 0xc0000, "x"},
        {0xfffff, 0xfffff, "x"},
        {0x100000, 0x100000, "wxRW"},
        {0xfffffff, 0xfffffff, "wxRW"},
        {0x10000000, none, ""}, /* the policy image */
        {0x10800000, none, ""}, /* the pool */
        {sign, sign, ""},
        {sign + 0x1fff, sign + 0x1fff, ""},
        {disk, disk, "wxRW"},
        {bits_domain(&image, VAULT)->memory_base, none, ""},
        {0x10e00000, none, ""}, /* the device table */
        {0x11000000, none, ""}, /* core */
        {CORE_END - 1, none, ""},
        {CORE_END, CORE_END, "wxRW"},
        {0x7fffffff, 0x7fffffff, "wxRW"},
        {0x80000000, none, ""},
        {0xb0000000, none, ""}, /* ECAM */
        {0xd0000000, 0xd0000000, "wu"},
        {0xd0001000, none, ""},
        {0xd0004000, 0xd0004000, "wu"},
        {0xd0007fff, 0xd0007fff, "wu"},
        {0xd0008000, none, ""},
        {0xd0100000, 0xd0100000, "wu"},
        {0xd01fffff, 0xd01fffff, "wu"},
        {0xd0200000, none, ""},
        {0xfec00000, none, ""}, /* IOAPIC */
        {0xfed00000, none, ""}, /* HPET */
        {0xfed80000, none, ""}, /* IOMMU */
        {0xfee00000, 0xfee00000, "u"},
        {0xfee01000, none, ""},
        {0xff000000, none, ""},
        {0x100000000, none, ""},
        {0xfd00000000, none, ""},
    };

    (void)state;
    check_translations(WORK, list, sizeof(list) / sizeof(list[0]));
}

static void the_microvm_maps_what_is_its_own(void **state)
{
    const uint64_t base = bits_domain(&image, VAULT)->memory_base, none = BITS_NOTHING;
    const struct expectation list[] = {
        {0, base, "wx"},
        {0x3fffff, base + 0x3fffff, "wx"},
        {0x400000, sample_channel(1)->base, ""}, /* right behind its memory */
        {0x401000, none, ""},
        {0x700000, sample_channel(0)->base, "w"}, /* where the policy says */
        {0x701fff, sample_channel(0)->base + 0x1fff, "w"},
        {0x702000, none, ""},
        {0xfee00000, none, ""},
    };

    (void)state;
    assert_true(base >= 0x10000000 && base + 0x400000 <= 0x10e00000);
    check_translations(VAULT, list, sizeof(list) / sizeof(list[0]));
    assert_int_equal(sample_channel(0)->end[1].gpa, 0x700000);
    assert_int_equal(sample_channel(1)->end[1].gpa, 0x400000);
}

/* Memory types change inside of the first 2 MiB, so no leaf may span them. */
static void leaves_are_small_first_and_large_then(void **state)
{
    uint64_t work = bits_domain(&image, WORK)->table, vault = bits_domain(&image, VAULT)->table;

    (void)state;
    assert_int_equal(bits_translate(&image, work, 0x100000).size, 0x1000);
    assert_int_equal(bits_translate(&image, work, 0x1ff000).size, 0x1000);
    assert_int_equal(bits_translate(&image, work, 0x200000).size, 0x200000);
    assert_int_equal(bits_translate(&image, work, 0x7fe00000).size, 0x200000);
    assert_int_equal(bits_translate(&image, vault, 0x1ff000).size, 0x1000);
    assert_int_equal(bits_translate(&image, vault, 0x200000).size, 0x200000);
}

/* ---- bitmaps ---- */

static void just_the_granted_ports_are_open(void **state)
{
    (void)state;
    for (uint32_t port = 0; port < BH_IOPM_SIZE * 8; port++) {
        bool granted = port == 0x20 || port == 0x21 || (port >= 0x40 && port <= 0x43) ||
                       port == 0x61 || port == 0xa0 || port == 0xa1 ||
                       (port >= 0x2f8 && port <= 0x2ff);

        if (bits_port_open(&image, WORK, port) != granted || bits_port_open(&image, VAULT, port))
            fail_msg("port %x", port);
    }
}

static unsigned expected_msr(unsigned domain, uint32_t number)
{
    static const uint32_t open[] = {0x174,      0x175,      0x176,      0xc0000081,
                                    0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100,
                                    0xc0000101, 0xc0000102, 0xc0000103};

    if (number == 0x49) /* PRED_CMD can only be written */
        return 2;
    if (number == 0x10) /* TSC, which work may read */
        return domain == WORK ? 1 : 0;
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        if (open[i] == number)
            return 3;
    return 0;
}

static void just_the_safe_msrs_are_open(void **state)
{
    static const uint32_t ranges[] = {0, 0xc0000000, 0xc0010000};
    const uint8_t *msrpm = bits_at(&image, bits_domain(&image, WORK)->msrpm);

    (void)state;
    for (unsigned domain = 0; domain < 2; domain++)
        for (unsigned i = 0; i < 3; i++)
            for (uint32_t number = ranges[i]; number < ranges[i] + 0x2000; number++)
                if (bits_msr_open(&image, domain, number) != expected_msr(domain, number))
                    fail_msg("MSR %x of domain %u", number, domain);
    for (unsigned i = 0x1800; i < BH_MSRPM_SIZE; i++)
        assert_int_equal(msrpm[i], 0xff);
}

static void intercepts_have_the_floor_and_what_the_policy_says(void **state)
{
    const uint32_t *work = bits_domain(&image, WORK)->intercepts;
    const uint32_t *vault = bits_domain(&image, VAULT)->intercepts;

    (void)state;
    assert_int_equal(work[BH_INTERCEPT_CR], 1u << (16 + 4));
    assert_int_equal(vault[BH_INTERCEPT_CR], 0);
    assert_int_equal(work[BH_INTERCEPT_EXCEPTION], 1u << 1 | 1u << 17 | 1u << 18);
    assert_false(work[BH_INTERCEPT_MISC1] & 1u << 0);  /* INTR: interrupts are direct */
    assert_true(work[BH_INTERCEPT_MISC1] & 1u << 14);  /* RDTSC, wanted */
    assert_false(work[BH_INTERCEPT_MISC1] & 1u << 15); /* RDPMC, not wanted */
    assert_true(vault[BH_INTERCEPT_MISC1] & 1u << 0);
    assert_true(vault[BH_INTERCEPT_MISC1] & 1u << 15);
    assert_true(vault[BH_INTERCEPT_MISC1] & 1u << 24); /* HLT */
    for (unsigned bit = 0; bit <= 6; bit++)            /* VMRUN to SKINIT */
        assert_true(work[BH_INTERCEPT_MISC2] & 1u << bit);
}

static void shadow_tables_have_a_pool_and_intercepts(void **state)
{
    static const uint32_t none[BH_INTERCEPT_WORDS];
    const struct bh_domain *work = bits_domain(&image, WORK), *vault = bits_domain(&image, VAULT);
    const uint32_t *intercepts = vault->shadow_intercepts;

    (void)state;
    assert_int_equal(work->paging, BH_PAGING_NESTED);
    assert_int_equal(work->shadow_base | work->shadow_size, 0);
    assert_memory_equal(work->shadow_intercepts, none, sizeof(none));
    assert_true(bits_header(&image)->required_features & BH_FEATURE_NPT); /* for work */
    assert_int_equal(vault->paging, BH_PAGING_ANY);
    assert_int_equal(vault->shadow_size, 256 * 1024);
    assert_int_equal(bits_translate(&image, work->table, vault->shadow_base).hpa, BITS_NOTHING);
    assert_int_equal(intercepts[BH_INTERCEPT_CR], 0x00190019); /* CR0, CR3, CR4 */
    assert_int_equal(intercepts[BH_INTERCEPT_EXCEPTION], 1u << 14);
    assert_int_equal(intercepts[BH_INTERCEPT_MISC1], 1u << 25); /* INVLPG */
    assert_int_equal(intercepts[BH_INTERCEPT_MISC2] | intercepts[BH_INTERCEPT_MISC3], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_primary_maps_what_is_its_own),
        cmocka_unit_test(the_microvm_maps_what_is_its_own),
        cmocka_unit_test(leaves_are_small_first_and_large_then),
        cmocka_unit_test(just_the_granted_ports_are_open),
        cmocka_unit_test(just_the_safe_msrs_are_open),
        cmocka_unit_test(intercepts_have_the_floor_and_what_the_policy_says),
        cmocka_unit_test(shadow_tables_have_a_pool_and_intercepts),
    };

    return cmocka_run_group_tests(tests, sample_begin, sample_end);
}
