/* The I/O APIC as a domain sees it that owns two of its pins (82093AA data sheet, 3). */
#include <string.h>

#include "core/audit/audit.h"
#include "core/vdev/vdev.h"
#include "hw/apic.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define PIN       3u
#define LAST_PIN  23u
#define LOW(pin)  (IOAPIC_ENTRY + 2 * (pin))
#define HIGH(pin) (LOW(pin) + 1)

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    image_model.domain[WORK].ioapic_pins = 1u << PIN | 1u << LAST_PIN;
    work = vcpu_model_init(WORK);
    cpu_model.ioapic[IOAPIC_VERSION] = 0x00170020; /* as a chipset's: 24 entries, version 20h */
    for (uint32_t index = IOAPIC_ENTRY; index < IOAPIC_ENTRY + 48; index++)
        cpu_model.ioapic[index] = 0x01000000 | index; /* somebody's, and unmasked */
    return 0;
}

static bool access_register(uint32_t offset, bool is_write, uint64_t *value)
{
    return is_write ? vdev_write(work, IOAPIC_BASE_DEFAULT + offset, 4, *value)
                    : vdev_read(work, IOAPIC_BASE_DEFAULT + offset, 4, value);
}

static void select(uint32_t index)
{
    uint64_t value = index;

    assert_true(access_register(IOAPIC_SELECT, true, &value));
}

static uint32_t read_index(uint32_t index)
{
    uint64_t value = 0;

    select(index);
    assert_true(access_register(IOAPIC_WINDOW, false, &value));
    return (uint32_t)value;
}

static void write_index(uint32_t index, uint32_t value)
{
    uint64_t word = value;

    select(index);
    assert_true(access_register(IOAPIC_WINDOW, true, &word));
}

static void own_entries_are_read_and_written(void **state)
{
    static const uint32_t pins[] = {PIN, LAST_PIN};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(read_index(LOW(pins[i])), 0x01000000 | LOW(pins[i]));
        assert_int_equal(read_index(HIGH(pins[i])), 0x01000000 | HIGH(pins[i]));
        write_index(HIGH(pins[i]), 0x05ffffff);
        write_index(LOW(pins[i]), 0xa000 | 0x31);
        assert_int_equal(cpu_model.ioapic[LOW(pins[i])], 0xa031);
        assert_int_equal(cpu_model.ioapic[HIGH(pins[i])], 0x05000000);
    }
    assert_string_equal(console_text, "");
}

static void only_defined_bits_of_an_entry_are_written(void **state)
{
    (void)state;
    write_index(LOW(PIN), 0xfffff8ff);
    assert_int_equal(cpu_model.ioapic[LOW(PIN)], 0x1a8ff); /* not the read-only bits 12 and 14 */
}

static void foreign_entries_read_as_masked(void **state)
{
    (void)state;
    for (uint32_t pin = 0; pin < 24; pin++) {
        if (pin == PIN || pin == LAST_PIN)
            continue;
        assert_int_equal(read_index(LOW(pin)), IOAPIC_MASKED);
        assert_int_equal(read_index(HIGH(pin)), 0);
    }
}

static void foreign_entries_are_not_written(void **state)
{
    uint64_t before = audit_count(WORK, VIOLATION_IOAPIC);

    (void)state;
    for (uint32_t pin = 0; pin < 24; pin++) {
        if (pin == PIN || pin == LAST_PIN)
            continue;
        write_index(HIGH(pin), 0x05000000);
        write_index(LOW(pin), IOAPIC_MASKED | 0x31); /* what it reads as: no attempt */
        assert_int_equal(audit_count(WORK, VIOLATION_IOAPIC), before);
        write_index(LOW(pin), 0x31);
        assert_int_equal(audit_count(WORK, VIOLATION_IOAPIC), ++before);
    }
    assert_int_equal(cpu_model.ioapic_log.count, 0);
    assert_non_null(strstr(console_text, "work: denied ioapic-write at 0x10 (0x31)\n"));
}

/* SMI, NMI, INIT and ExtINT don't get through a pin, nor what isn't defined. */
static void forbidden_delivery_modes_are_masked(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode < 8; mode++) {
        bool good = mode == APIC_MODE_FIXED || mode == APIC_MODE_LOWEST;
        uint64_t before = audit_count(WORK, VIOLATION_IOAPIC);

        start(NULL);
        write_index(LOW(PIN), mode << APIC_ICR_MODE_SHIFT | 0x31);
        assert_int_equal(cpu_model.ioapic[LOW(PIN)],
                         good ? mode << APIC_ICR_MODE_SHIFT | 0x31 : IOAPIC_MASKED);
        assert_int_equal(audit_count(WORK, VIOLATION_IOAPIC), before + !good);
        write_index(LOW(PIN), IOAPIC_MASKED | mode << APIC_ICR_MODE_SHIFT | 0x31);
        assert_true(cpu_model.ioapic[LOW(PIN)] & IOAPIC_MASKED);
        assert_int_equal(audit_count(WORK, VIOLATION_IOAPIC), before + !good);
    }
}

static void other_registers_are_not_written(void **state)
{
    uint64_t before = audit_count(WORK, VIOLATION_IOAPIC);

    (void)state;
    write_index(IOAPIC_ID, 0x0f000000); /* as systems renumber it: quietly nothing */
    assert_int_equal(audit_count(WORK, VIOLATION_IOAPIC), before);
    for (uint32_t index = 1; index < 256; index++)
        if (index < IOAPIC_ENTRY || index >= IOAPIC_ENTRY + 48) {
            write_index(index, 0x31);
            assert_int_equal(audit_count(WORK, VIOLATION_IOAPIC), ++before);
            if (index != IOAPIC_VERSION)
                assert_int_equal(read_index(index), 0);
        }
    assert_int_equal(cpu_model.ioapic_log.count, 0);
}

/*
 * From version 20h on there is an EOI register at offset 40h, which core doesn't have. What is
 * shown is the 82093AA, whose drivers do without.
 */
static void the_version_shown_has_no_eoi_register(void **state)
{
    uint64_t value = 0x31;

    (void)state;
    assert_int_equal(read_index(IOAPIC_VERSION), 0x00170011);
    assert_false(access_register(0x40, true, &value));
}

static void the_selected_index_is_kept(void **state)
{
    uint64_t value = 0xffffff12;

    (void)state;
    assert_true(access_register(IOAPIC_SELECT, true, &value));
    assert_true(access_register(IOAPIC_SELECT, false, &value));
    assert_int_equal(value, 0x12);
}

static void other_accesses_are_refused(void **state)
{
    uint64_t value = 0;

    (void)state;
    select(LOW(PIN));
    for (uint32_t offset = 0; offset < 0x1000; offset += 4)
        if (offset != IOAPIC_SELECT && offset != IOAPIC_WINDOW) {
            assert_false(access_register(offset, true, &value));
            assert_false(access_register(offset, false, &value));
        }
    for (unsigned size = 1; size <= 8; size *= 2)
        for (uint32_t offset = IOAPIC_WINDOW; offset < IOAPIC_WINDOW + 4; offset++)
            if (size != 4 || offset != IOAPIC_WINDOW)
                assert_false(vdev_write(work, IOAPIC_BASE_DEFAULT + offset, size, value));
    assert_int_equal(cpu_model.ioapic_log.count, 0);
}

static void without_a_pin_there_is_no_ioapic(void **state)
{
    uint64_t value = 0;

    (void)state;
    image_model.domain[WORK].ioapic_pins = 0;
    assert_false(access_register(IOAPIC_SELECT, true, &value));
    assert_false(access_register(IOAPIC_WINDOW, false, &value));
    image_model.domain[WORK].ioapic_pins = 1;
    image_model.domain[WORK].interrupts = BH_VIRTUAL;
    assert_false(access_register(IOAPIC_SELECT, true, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(foreign_entries_are_not_written, start),
        cmocka_unit_test_setup(own_entries_are_read_and_written, start),
        cmocka_unit_test_setup(only_defined_bits_of_an_entry_are_written, start),
        cmocka_unit_test_setup(foreign_entries_read_as_masked, start),
        cmocka_unit_test_setup(forbidden_delivery_modes_are_masked, start),
        cmocka_unit_test_setup(other_registers_are_not_written, start),
        cmocka_unit_test_setup(the_version_shown_has_no_eoi_register, start),
        cmocka_unit_test_setup(the_selected_index_is_kept, start),
        cmocka_unit_test_setup(other_accesses_are_refused, start),
        cmocka_unit_test_setup(without_a_pin_there_is_no_ioapic, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
