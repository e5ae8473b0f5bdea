/* dma_close() on a model of AMD-Vi: everything is closed, at once, or the machine stops. */
#include <string.h>

#include "bulkhead/layout.h"
#include "core/iommu_dev/dma.h"
#include "iommu_dev/machine.h"
#include "models/console_model.h"
#include "testing.h"

/* Guest address, or place in memory, that a device tries. */
static const uint64_t targets[] = {0,          0x1000,     0x10000000,  0x10e00000,
                                   0x11000000, 0xfee00000, 0x100000000, 0xfd00000000};

static int make_one(void **state)
{
    (void)state;
    machine_make(1);
    console_clear();
    return 0;
}

static void expect_closed(struct model_unit *unit, uint32_t device)
{
    uint64_t to;
    uint32_t irte;

    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        assert_false(model_dma(unit, (uint16_t)device, targets[i], false, &to));
        assert_false(model_dma(unit, (uint16_t)device, targets[i], true, &to));
    }
    for (uint32_t mode = 0; mode < 8; mode++)
        assert_false(model_interrupt(unit, (uint16_t)device, mode << 8 | 0x31, &irte));
}

static void every_device_is_denied_memory_and_interrupts(void **state)
{
    (void)state;
    dma_close();
    for (uint32_t device = 0; device < AMDVI_DEVICES; device++)
        expect_closed(machine_unit(0), device);
}

static void denied_entries_are_those_the_policy_compiler_uses(void **state)
{
    static const uint64_t denied[4] = {3, 0, 1, 0};

    (void)state;
    dma_close();
    for (uint32_t device = 0; device < AMDVI_DEVICES; device++)
        assert_memory_equal(machine_device_table()[device].q, denied, sizeof(denied));
}

static void devices_that_the_firmware_left_running_are_stopped(void **state)
{
    (void)state;
    assert_true(machine_device_is_running());
    dma_close();
    assert_false(machine_device_is_running());
    assert_non_null(strstr(console_text, "devices: 1 stopped"));
}

static void every_unit_is_closed(void **state)
{
    (void)state;
    machine_make(MODEL_UNITS);
    dma_close();
    for (unsigned i = 0; i < MODEL_UNITS; i++) {
        expect_closed(machine_unit(i), NETWORK);
        expect_closed(machine_unit(i), 0xffff);
    }
}

static unsigned enabled_at;

static void expect_full_table(struct model_unit *unit, uint64_t value)
{
    if (!(value & AMDVI_CONTROL_ENABLE))
        return;
    enabled_at++;
    assert_int_equal(unit->reg[AMDVI_DEVICE_TABLE / 8] & AMDVI_ADDRESS, DEVICE_TABLE_BASE);
    for (uint32_t device = 0; device < AMDVI_DEVICES; device++)
        assert_int_equal(machine_device_table()[device].q[0], 3);
}

static void the_table_is_complete_before_a_unit_reads_it(void **state)
{
    (void)state;
    enabled_at = 0;
    machine_unit(0)->on_control = expect_full_table;
    dma_close();
    assert_int_equal(enabled_at, 1);
}

/* The firmware's table, which lets a device through, and a unit that has cached it. */
static _Alignas(4096) struct amdvi_dte firmware_table[AMDVI_DEVICES];

static void firmware_turns_on(struct model_unit *unit)
{
    uint64_t to;
    uint32_t irte;

    for (uint32_t device = 0; device < AMDVI_DEVICES; device++)
        firmware_table[device] = (struct amdvi_dte){
            {AMDVI_DTE0_V | AMDVI_DTE0_TV | AMDVI_DTE0_IR | AMDVI_DTE0_IW, 0x7, 0, 0}};
    unit->reg[AMDVI_DEVICE_TABLE / 8] = (uint64_t)firmware_table | AMDVI_DEVICE_TABLE_SIZE;
    unit->reg[AMDVI_CONTROL / 8] = AMDVI_CONTROL_ENABLE | AMDVI_CONTROL_COMMANDS |
                                   AMDVI_CONTROL_EVENT_LOG | AMDVI_CONTROL_GUEST_APIC |
                                   AMDVI_CONTROL_EVENT_INT | AMDVI_CONTROL_X2APIC;
    unit->reg[AMDVI_STATUS / 8] = AMDVI_STATUS_EVENT_RUN | AMDVI_STATUS_COMMAND_RUN;
    unit->reg[AMDVI_EXCLUSION_BASE / 8] = 3;
    unit->reg[AMDVI_EXCLUSION_LIMIT / 8] = ~0xfffull;
    assert_true(model_dma(unit, NETWORK, 0x1000, true, &to));
    assert_true(model_interrupt(unit, NETWORK, 0x31, &irte));
}

static void expect_still_on(struct model_unit *unit, uint64_t value)
{
    (void)unit;
    assert_true(value & AMDVI_CONTROL_ENABLE);
}

static void a_unit_that_firmware_left_on_never_goes_off(void **state)
{
    (void)state;
    firmware_turns_on(machine_unit(0));
    machine_unit(0)->on_control = expect_still_on;
    dma_close();
    expect_closed(machine_unit(0), NETWORK);
}

static void the_firmwares_entries_are_forgotten_without_invalidate_all(void **state)
{
    (void)state;
    machine_unit(0)->reg[AMDVI_FEATURES / 8] = 0;
    firmware_turns_on(machine_unit(0));
    dma_close();
    expect_closed(machine_unit(0), NETWORK);
    assert_false(model_has_translation(machine_unit(0), 0x7));
    assert_true(machine_unit(0)->commands > 3 * AMDVI_DEVICES); /* its ring has wrapped often */
}

/* What stops the machine */

static void close_all(void *argument)
{
    (void)argument;
    dma_close();
}

static void a_machine_without_ivrs_stops(void **state)
{
    (void)state;
    machine_remove_ivrs();
    expect_fatal(close_all, NULL, "no IOMMU");
}

static void a_broken_ivrs_stops_the_machine(void **state)
{
    (void)state;
    machine_cut_ivrs(47);
    expect_fatal(close_all, NULL, "IVRS is shorter than its header");
    machine_cut_ivrs(48);
    expect_fatal(close_all, NULL, "IVRS names no IOMMU");
    machine_cut_ivrs(60);
    expect_fatal(close_all, NULL, "IVRS has a block of impossible length, at offset 30");
    machine_make(MODEL_UNITS + 1);
    expect_fatal(close_all, NULL, "IVRS has more IOMMUs than core can close");
}

static void a_unit_that_is_not_there_stops_the_machine(void **state)
{
    (void)state;
    machine_unit(0)->is_absent = true;
    expect_fatal(close_all, NULL, "IOMMU 0: nothing answers at fed80000");
}

static void a_unit_that_carries_out_no_command_stops_the_machine(void **state)
{
    (void)state;
    machine_unit(0)->ignores_commands = true;
    expect_fatal(close_all, NULL, "it doesn't carry out commands");
}

static void a_unit_that_goes_on_with_the_firmwares_rings_stops_the_machine(void **state)
{
    (void)state;
    firmware_turns_on(machine_unit(0));
    machine_unit(0)->never_stops = true;
    expect_fatal(close_all, NULL, "it doesn't stop what the firmware began");
}

static void a_control_bit_that_does_not_stick_stops_the_machine(void **state)
{
    (void)state;
    machine_unit(0)->stuck_control = AMDVI_CONTROL_ENABLE;
    expect_fatal(close_all, NULL, "IOMMU 0 at fed80000");
    machine_unit(0)->stuck_control = AMDVI_CONTROL_EVENT_LOG;
    expect_fatal(close_all, NULL, "register 18 holds");
}

static void a_register_that_does_not_stick_stops_the_machine(void **state)
{
    static const uint32_t offsets[] = {AMDVI_COMMAND_BASE, AMDVI_EVENT_BASE, AMDVI_CONTROL};

    (void)state;
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        machine_make(1);
        machine_unit(0)->stuck_offset = offsets[i];
        /* A wrong place for the rings shows as commands that nobody carries out. */
        machine_unit(0)->ignores_commands = true;
        expect_fatal(close_all, NULL, "IOMMU 0 at fed80000");
    }
    machine_make(1);
    machine_unit(0)->reg[AMDVI_EXCLUSION_BASE / 8] = 1;
    machine_unit(0)->stuck_offset = AMDVI_EXCLUSION_BASE;
    expect_fatal(close_all, NULL, "register 20 holds 1");
}

static void expect_our_table(struct model_unit *unit, uint64_t value)
{
    if (value & AMDVI_CONTROL_COMMANDS) /* as if the write of the table's base had been lost */
        unit->reg[AMDVI_DEVICE_TABLE / 8] = (uint64_t)firmware_table | AMDVI_DEVICE_TABLE_SIZE;
}

static void a_foreign_table_stops_the_machine(void **state)
{
    (void)state;
    machine_unit(0)->on_control = expect_our_table;
    expect_fatal(close_all, NULL, "register 0 holds");
}

static void the_second_unit_is_checked_as_well(void **state)
{
    (void)state;
    machine_make(2);
    machine_unit(1)->is_absent = true;
    expect_fatal(close_all, NULL, "IOMMU 1: nothing answers at fec80000");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_one, machine_check_units)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_device_is_denied_memory_and_interrupts),
        TEST(denied_entries_are_those_the_policy_compiler_uses),
        TEST(devices_that_the_firmware_left_running_are_stopped),
        TEST(every_unit_is_closed),
        TEST(the_table_is_complete_before_a_unit_reads_it),
        TEST(a_unit_that_firmware_left_on_never_goes_off),
        TEST(the_firmwares_entries_are_forgotten_without_invalidate_all),
        TEST(a_machine_without_ivrs_stops),
        TEST(a_broken_ivrs_stops_the_machine),
        TEST(a_unit_that_is_not_there_stops_the_machine),
        TEST(a_unit_that_carries_out_no_command_stops_the_machine),
        TEST(a_unit_that_goes_on_with_the_firmwares_rings_stops_the_machine),
        TEST(a_control_bit_that_does_not_stick_stops_the_machine),
        TEST(a_register_that_does_not_stick_stops_the_machine),
        TEST(a_foreign_table_stops_the_machine),
        TEST(the_second_unit_is_checked_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
