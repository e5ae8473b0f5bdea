/*
 * image_check: a right image passes, and each single damage is found as what it is, at the
 * row where it stands.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/layout.h"
#include "core/policy/image.h"
#include "hw/amdvi.h"
#include "hw/npt.h"
#include "policy/sample.h"

static struct sample sample;

/* IOPM and MSRPM of `work`. */
static void open_port(struct sample *s, uint32_t port)
{
    ((uint8_t *)sample_at(s, s->domain[0].iopm))[port / 8] &= (uint8_t) ~(1u << port % 8);
}

/* MSRs are numbered through the three ranges of the map; rights: 1 read, 2 write. */
static void open_msr(struct sample *s, uint32_t n, uint32_t rights)
{
    ((uint8_t *)sample_at(s, s->domain[0].msrpm))[n / 4] &= (uint8_t) ~(rights << n % 4 * 2);
}

/* A row of vault's for the device that work has. */
static void share_function(struct sample *s)
{
    struct bh_table *table = &s->header.functions;
    uint64_t place = sample_pages(s, 1);
    struct bh_pci_function *row = sample_at(s, place);

    memcpy(row, s->function, 2 * sizeof *row);
    row[2] = row[1];
    row[2].domain = SAMPLE_VAULT_DOMAIN;
    row[2].granted = 0;
    *table = (struct bh_table){(uint32_t)(place - SAMPLE_BASE), 3};
    s->domain[1].functions.count = 1;
}

/* Both domains on core 1, with virtual interrupts and these turns. */
static void share(struct sample *s, uint32_t work_us, uint32_t vault_us)
{
    s->domain[0].interrupts = BH_VIRTUAL;
    memcpy(s->domain[0].intercepts, s->domain[1].intercepts, sizeof s->domain[0].intercepts);
    s->domain[0].core[0] = 1;
    s->domain[0].slice_us = work_us;
    s->domain[1].slice_us = vault_us;
}

static void give_all_cores(struct sample *s)
{
    s->domain[0].ncores = BH_MAX_CORES;
    for (uint32_t i = 0; i < BH_MAX_CORES; i++)
        s->domain[0].core[i] = (uint8_t)i;
}

/* The first domain's second file as its module, with an empty string. */
static void boot_multiboot(struct sample *s)
{
    s->domain[0].boot = BH_BOOT_MULTIBOOT;
    memset(s->domain[0].cmdline, 0, BH_CMDLINE_SIZE);
    s->domain[0].cmdline[0] = '\n';
    s->file[1].role = BH_FILE_MODULE;
}

#define POOL SAMPLE_RAM /* where shadow tables are in nobody's way */

/* Vault is paged by shadow tables, if need be, with a pool of that size. */
static void give_shadow(struct sample *s, uint64_t size)
{
    struct bh_table *table = &s->header.regions;
    uint64_t place = sample_pages(s, 1);
    struct bh_region *row = sample_at(s, place);

    memcpy(row, s->region, table->count * sizeof *row);
    row[table->count] = (struct bh_region){POOL, size, BH_REGION_SHADOW, SAMPLE_VAULT_DOMAIN};
    *table = (struct bh_table){(uint32_t)(place - SAMPLE_BASE), table->count + 1};
    s->region = row;
    s->domain[1].paging = BH_PAGING_ANY;
    s->domain[1].shadow_base = POOL;
    s->domain[1].shadow_size = size;
    enum { OFF, DEFAULT, FLOOR, SHADOW, DIRECT_OFF, VIRTUAL_ONLY };
#define INTERCEPT(name, word, bit, rule, text) \
    s->domain[1].shadow_intercepts[BH_INTERCEPT_##word] |= (uint32_t)((rule) == SHADOW) << (bit);
#include "tables/intercepts.def"
#undef INTERCEPT
}

static uint32_t *irte(struct sample *s, uint32_t n)
{
    return (uint32_t *)sample_at(s, s->dte[0].dte[2] & AMDVI_DTE2_INTTABROOT) + n;
}

/*
 * `work` on two cores: its interrupt tables empty, one for each source; nic's MSI-X table in the
 * second page of its BAR, which nobody maps.
 */
static struct sample *remapped(struct sample *s)
{
    s->domain[0].ncores = 2;
    s->domain[0].core[1] = 2;
    s->function[1].msix_bar = 4;
    s->function[1].msix_table = BH_PAGE + 0x10;
    s->function[1].msix_count = 4;
    *sample_leaf(s, 0, SAMPLE_BAR + BH_PAGE) = 0;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t table = sample_pages(s, sizeof(struct bh_remap) / BH_PAGE);

        s->dte[i].dte[2] = (s->dte[i].dte[2] & ~AMDVI_DTE2_INTTABROOT) | table;
    }
    return s;
}

/* As remapped(), with a table of one entry that fills a BAR. */
static void put_msix(struct sample *s, uint64_t address)
{
    struct bh_pci_function *nic = &remapped(s)->function[1];

    nic->bar[0].address = address;
    nic->bar[0].size = 16;
    nic->msix_bar = 0;
    nic->msix_table = 0;
    nic->msix_count = 1;
}

static uint64_t *root(struct sample *s, uint32_t domain)
{
    return sample_at(s, s->domain[domain].table);
}

/* A level-3 table page whose 512 entries all name one level-2 page. */
static void make_circle(struct sample *s)
{
    uint64_t *level3 = sample_at(s, *root(s, 1) & NPT_ADDRESS);

    for (uint32_t i = 1; i < NPT_ENTRIES; i++)
        level3[i] = level3[0];
}

/* Every second page of the first MiB read-only. */
static void make_pieces(struct sample *s)
{
    for (uint64_t gpa = 0; gpa < 0x100000; gpa += 2 * BH_PAGE)
        *sample_leaf(s, 0, gpa) &= ~NPT_W;
}

#define D(expected, at_row, damage) {#damage, POLICY_##expected, #expected, at_row},
static const struct {
    const char *damage;
    enum policy_check expected;
    const char *name;
    uint32_t row;
} damages[] = {
#include "policy/damages.def"
#undef D
};

/* Does the n-th damage to the sample. */
static void damage(struct sample *s, size_t n)
{
    struct bh_header *h = &s->header;
    size_t i = 0;

#define D(expected, row, damage) \
    if (i++ == n) {              \
        (void)(damage);          \
    }
#include "policy/damages.def"
#undef D
}

static const char *name_of(enum policy_check check)
{
    static const char *const names[] = {
        "OK",
#define REFUSAL(name, section, shows, text, remedy) #name,
#include "tables/refusals.def"
#undef REFUSAL
    };

    return names[check];
}

static void right_image_passes(void **state)
{
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    if (!image_check(sample.bytes, SAMPLE_SIZE, &fault))
        fail_msg("refused: %s, row %u, value %#lx", name_of(fault.check), fault.row, fault.value);
    assert_int_equal(fault.check, POLICY_OK);
}

static void several_cores_pass(void **state)
{
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    remapped(&sample);
    if (!image_check(sample.bytes, SAMPLE_SIZE, &fault))
        fail_msg("check %s, row %u, value %llx", name_of(fault.check), fault.row,
                 (unsigned long long)fault.value);
}

static void every_way_to_boot_passes(void **state)
{
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    sample.domain[0].boot = BH_BOOT_PVH; /* takes the same files as a bzImage */
    assert_true(image_check(sample.bytes, SAMPLE_SIZE, &fault));
    boot_multiboot(&sample);
    assert_true(image_check(sample.bytes, SAMPLE_SIZE, &fault));
}

static void domains_may_share_a_core(void **state)
{
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    share(&sample, BH_SLICE_MIN, BH_SLICE_MAX);
    assert_true(image_check(sample.bytes, SAMPLE_SIZE, &fault));
    give_all_cores(&sample);
    sample.domain[1].core[0] = 0;
    sample.domain[0].ncores = BH_MAX_CORES - 1;
    sample.domain[0].core[BH_MAX_CORES - 1] = 0;
    assert_true(image_check(sample.bytes, SAMPLE_SIZE, &fault));
}

static void each_damage_is_found(void **state)
{
    uint32_t missed = 0;

    (void)state;
    for (size_t n = 0; n < sizeof damages / sizeof damages[0]; n++) {
        struct policy_fault fault;

        sample_build(&sample);
        damage(&sample, n);
        bool passed = image_check(sample.bytes, SAMPLE_SIZE, &fault);
        if (passed || fault.check != damages[n].expected || fault.row != damages[n].row) {
            print_error("%s\n  expected: %s, row %u\n  got:      %s, row %u, value %#lx\n",
                        damages[n].damage, damages[n].name, damages[n].row, name_of(fault.check),
                        fault.row, fault.value);
            missed++;
        }
    }
    assert_int_equal(missed, 0);
}

/* No check of an image is without a damage that shows it to work. */
static void each_check_is_tried(void **state)
{
    (void)state;
    for (uint32_t check = POLICY_MAGIC; check < POLICY_REGION_RAM; check++) {
        size_t n = 0;

        while (n < sizeof damages / sizeof damages[0] && damages[n].expected != check)
            n++;
        if (n == sizeof damages / sizeof damages[0])
            fail_msg("no damage expects %s", name_of(check));
    }
}

static void wrong_sizes_are_refused(void **state)
{
    static const size_t sizes[] = {0, 1, BH_PAGE - 1, BH_PAGE + 1, BH_MAX_IMAGE + BH_PAGE};
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_false(image_check(sample.bytes, sizes[i], &fault));
        assert_int_equal(fault.check, POLICY_IMAGE_SIZE);
        assert_int_equal(fault.value, sizes[i]);
    }
    assert_false(image_check(sample.bytes, SAMPLE_SIZE - BH_PAGE, &fault));
    assert_int_equal(fault.check, POLICY_TRUNCATED);
}

/*
 * Any bytes at all: image_check must come to a verdict without reading outside of the image
 * (the address sanitizer watches) and in bounded time.
 */
static void random_damage_is_survived(void **state)
{
    uint8_t *exact = aligned_alloc(4096, SAMPLE_SIZE);
    uint64_t seed = 0x9e3779b97f4a7c15;

    (void)state;
    for (uint32_t round = 0; round < 3000; round++) {
        struct policy_fault fault;

        sample_build(&sample);
        memcpy(exact, sample.bytes, SAMPLE_SIZE);
        for (uint32_t i = 0; i < 1 + round % 3; i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            uint64_t place = (seed >> 20) % sample.used;
            exact[place] = (uint8_t)(seed >> 56);
        }
        (void)image_check(exact, SAMPLE_SIZE, &fault);
        assert_in_range(fault.check, POLICY_OK, POLICY_CHECKS - 1);
    }
    free(exact);
}

static void shadow_tables_may_have_a_region(void **state)
{
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    give_shadow(&sample, BH_SHADOW_POOL_MIN);
    assert_true(image_check(sample.bytes, SAMPLE_SIZE, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shadow_tables_may_have_a_region),
        cmocka_unit_test(right_image_passes),
        cmocka_unit_test(several_cores_pass),
        cmocka_unit_test(every_way_to_boot_passes),
        cmocka_unit_test(domains_may_share_a_core),
        cmocka_unit_test(each_damage_is_found),
        cmocka_unit_test(each_check_is_tried),
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(random_damage_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
