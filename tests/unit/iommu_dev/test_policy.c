/* dma_apply() and dma_revoke() on a model of AMD-Vi: rows are granted and nothing else. */
#include <string.h>

#include "core/iommu_dev/dma.h"
#include "iommu_dev/machine.h"
#include "models/console_model.h"
#include "testing.h"

static int make_closed(void **state)
{
    (void)state;
    machine_make(2);
    dma_close();
    return 0;
}

static bool reaches(unsigned unit, uint16_t device, uint64_t address, bool is_write)
{
    uint64_t to;

    return model_dma(machine_unit(unit), device, address, is_write, &to);
}

static void use_everything(void)
{
    uint32_t irte;

    for (unsigned unit = 0; unit < 2; unit++) {
        for (uint16_t device = NETWORK; device <= FOREIGN; device++) {
            reaches(unit, device, READ_WRITE, true);
            model_interrupt(machine_unit(unit), device, VECTOR, &irte);
        }
    }
}

static void granted_devices_reach_what_their_table_says(void **state)
{
    uint64_t to;

    (void)state;
    use_everything(); /* so that denied answers are cached */
    dma_apply(&machine_policy.header);
    for (unsigned unit = 0; unit < 2; unit++) {
        assert_true(model_dma(machine_unit(unit), NETWORK, READ_WRITE + 0x123, true, &to));
        assert_int_equal(to, MACHINE_RW + 0x123);
        assert_true(reaches(unit, NETWORK, READ_WRITE, false));
        assert_true(reaches(unit, NETWORK, READ_ONLY, false));
        assert_false(reaches(unit, NETWORK, READ_ONLY, true));
        assert_false(reaches(unit, NETWORK, NOTHING, false));
        assert_false(reaches(unit, NETWORK, READ_WRITE - 1, false));
        assert_false(reaches(unit, NETWORK, 0x10e00000, true));
    }
}

static void granted_interrupts_are_remapped_and_no_others_pass(void **state)
{
    uint32_t irte;

    (void)state;
    use_everything();
    dma_apply(&machine_policy.header);
    assert_true(model_interrupt(machine_unit(0), NETWORK, VECTOR, &irte));
    assert_int_equal(irte, VECTOR_IRTE);
    assert_false(model_interrupt(machine_unit(0), NETWORK, VECTOR + 1, &irte));
    for (uint32_t mode = 1; mode < 8; mode++)
        assert_false(model_interrupt(machine_unit(0), NETWORK, mode << 8 | VECTOR, &irte));
}

static void devices_without_a_row_stay_closed(void **state)
{
    static const uint64_t denied[4] = AMDVI_DTE_DENIED;

    (void)state;
    dma_apply(&machine_policy.header);
    for (uint32_t device = 0; device < AMDVI_DEVICES; device++)
        if (device != NETWORK && device != DISK)
            assert_memory_equal(machine_device_table()[device].q, denied, sizeof(denied));
    assert_false(reaches(0, FOREIGN, READ_WRITE, false));
    assert_false(reaches(1, AMDVI_IOAPIC_DEVICE, 0xfee00000, true));
}

static void revoked_devices_reach_nothing_though_it_was_cached(void **state)
{
    uint32_t irte;

    (void)state;
    dma_apply(&machine_policy.header);
    use_everything();
    assert_true(reaches(0, NETWORK, READ_WRITE, true));
    console_clear();
    dma_revoke(WORK);
    assert_string_equal(console_text, "work: its devices are closed\n");
    for (unsigned unit = 0; unit < 2; unit++) {
        assert_false(model_has_translation(machine_unit(unit), WORK + 1));
        assert_false(reaches(unit, NETWORK, READ_WRITE, true));
        assert_false(reaches(unit, NETWORK, READ_ONLY, false));
        assert_false(model_interrupt(machine_unit(unit), NETWORK, VECTOR, &irte));
        assert_true(reaches(unit, DISK, READ_WRITE, true)); /* vault's goes on */
        assert_true(model_interrupt(machine_unit(unit), DISK, VECTOR, &irte));
    }
}

static void a_policy_may_have_more_rows_than_the_ring_has_room(void **state)
{
    static struct {
        struct machine_policy policy;
        struct bh_dte rows[BH_MAX_DTE];
    } large;

    (void)state;
    large.policy = machine_policy;
    for (uint16_t i = 0; i < BH_MAX_DTE; i++) {
        large.rows[i] = machine_policy.dtes[0];
        large.rows[i].device_id = (uint16_t)(0x100 + i);
    }
    large.policy.header.dtes = (struct bh_table){sizeof(large.policy), BH_MAX_DTE};
    for (unsigned times = 0; times < 5; times++)
        dma_apply(&large.policy.header);
    for (uint16_t i = 0; i < BH_MAX_DTE; i++)
        assert_true(reaches(1, (uint16_t)(0x100 + i), READ_WRITE, true));
}

static void apply(void *argument)
{
    (void)argument;
    dma_apply(&machine_policy.header);
}

static void another_place_of_the_device_table_stops_the_machine(void **state)
{
    (void)state;
    machine_policy.regions[1].base += 0x200000;
    expect_fatal(apply, NULL, "it doesn't leave 10e00000-11000000 to the device table");
    machine_policy.regions[1].base -= 0x200000;
    machine_policy.regions[1].size = 0x100000;
    expect_fatal(apply, NULL, "device table");
    machine_policy.header.regions.count = 1;
    expect_fatal(apply, NULL, "device table");
}

/* Each bit of an entry that would let something pass untranslated, or that core doesn't know. */
static void an_unsound_entry_stops_the_machine(void **state)
{
    static const uint64_t used[4] = {AMDVI_DTE0_USED, AMDVI_DTE1_USED, AMDVI_DTE2_USED, 0};

    (void)state;
    for (unsigned bit = 0; bit < 256; bit++) {
        uint64_t *q = &machine_policy.dtes[1].dte[bit / 64], was = *q;

        if (used[bit / 64] >> bit % 64 & 1)
            continue;
        *q |= 1ull << bit % 64;
        expect_fatal(apply, NULL, "the device-table entry of 00:03.1 leaves requests unchecked");
        *q = was;
    }
}

static void an_entry_that_is_off_stops_the_machine(void **state)
{
    static const struct {
        unsigned q;
        uint64_t bits;
    } needed[] = {{0, AMDVI_DTE0_V}, {0, AMDVI_DTE0_TV}, {2, AMDVI_DTE2_IV}};
    struct bh_dte *row = &machine_policy.dtes[0];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t was = row->dte[needed[i].q];

        row->dte[needed[i].q] &= ~needed[i].bits;
        expect_fatal(apply, NULL, "leaves requests unchecked");
        row->dte[needed[i].q] = was;
    }
    row->dte[2] = (row->dte[2] & ~AMDVI_DTE2_INTCTL) | AMDVI_DTE2_INTCTL_FORWARD;
    expect_fatal(apply, NULL, "leaves requests unchecked");
    row->dte[2] |= AMDVI_DTE2_INTCTL; /* reserved */
    expect_fatal(apply, NULL, "leaves requests unchecked");
}

static void revoke(void *argument)
{
    (void)argument;
    dma_revoke(WORK);
}

/* Who can't be sure that a device is off must not go on. */
static void a_unit_that_stops_working_stops_the_machine(void **state)
{
    (void)state;
    dma_apply(&machine_policy.header);
    machine_unit(1)->ignores_commands = true;
    expect_fatal(revoke, NULL, "IOMMU 1 at fec80000: it doesn't carry out commands");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_closed, machine_check_units)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(granted_devices_reach_what_their_table_says),
        TEST(granted_interrupts_are_remapped_and_no_others_pass),
        TEST(devices_without_a_row_stay_closed),
        TEST(revoked_devices_reach_nothing_though_it_was_cached),
        TEST(a_policy_may_have_more_rows_than_the_ring_has_room),
        TEST(another_place_of_the_device_table_stops_the_machine),
        TEST(an_unsound_entry_stops_the_machine),
        TEST(an_entry_that_is_off_stops_the_machine),
        TEST(a_unit_that_stops_working_stops_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
