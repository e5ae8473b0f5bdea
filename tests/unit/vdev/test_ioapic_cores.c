/* The I/O APIC of a domain with several cores: its pins lead through a remapping table. */
#include "vdev/remap_case.h"

#define LOW(pin)  (IOAPIC_ENTRY + 2 * (pin))
#define HIGH(pin) (LOW(pin) + 1)
#define LEVEL     0x8000u

static uint64_t denied_before;

static uint64_t denied(void)
{
    return audit_count(WORK, VIOLATION_IOAPIC) - denied_before;
}

static int start(void **state)
{
    start_remap(state);
    denied_before = audit_count(WORK, VIOLATION_IOAPIC);
    for (uint32_t index = IOAPIC_ENTRY; index < IOAPIC_ENTRY + 48; index++)
        cpu_model.ioapic[index] = index & 1 ? 0 : IOAPIC_MASKED; /* as core leaves it */
    return 0;
}

static uint32_t access_index(uint32_t index, bool is_write, uint32_t value)
{
    uint64_t word = value;

    assert_true(vdev_write(work[0], IOAPIC_BASE_DEFAULT + IOAPIC_SELECT, 4, index));
    cpu_model.ioapic_log.count = 0;
    if (is_write)
        assert_true(vdev_write(work[0], IOAPIC_BASE_DEFAULT + IOAPIC_WINDOW, 4, word));
    else
        assert_true(vdev_read(work[0], IOAPIC_BASE_DEFAULT + IOAPIC_WINDOW, 4, &word));
    return (uint32_t)word;
}

static uint32_t read_index(uint32_t index)
{
    return access_index(index, false, 0);
}

/* As Linux does: the upper half first. */
static void set_pin(uint32_t pin, uint32_t to, uint32_t low)
{
    access_index(HIGH(pin), true, to << 24);
    access_index(LOW(pin), true, low);
}

static uint32_t hardware(uint32_t pin)
{
    return cpu_model.ioapic[LOW(pin)];
}

static void pins_begin_masked(void **state)
{
    (void)state;
    for (uint32_t pin = 0; pin < 24; pin++) {
        assert_int_equal(read_index(LOW(pin)), IOAPIC_MASKED);
        assert_int_equal(read_index(HIGH(pin)), 0);
    }
}

static void an_edge_pin_uses_its_own_entry(void **state)
{
    (void)state;
    for (unsigned id = 0; id < CORES; id++) {
        set_pin(PIN, APIC_OF(cores[id]), 0x41 + id);
        assert_int_equal(ioapic_remap.entry[PIN], entry_to(id, 0x41 + id));
        assert_int_equal(hardware(PIN), PIN);
        assert_int_equal(read_index(LOW(PIN)), 0x41 + id);
        assert_int_equal(read_index(HIGH(PIN)), APIC_OF(cores[id]) << 24);
    }
    set_pin(LAST_PIN, 4, 0x2900 | 0x43); /* logical, lowest priority, active low */
    assert_int_equal(ioapic_remap.entry[LAST_PIN], entry_to(2, 0x43));
    assert_int_equal(hardware(LAST_PIN), 0x2000 | LAST_PIN);
    assert_int_equal(ioapic_remap.entry[PIN], entry_to(2, 0x43));
    access_index(LOW(PIN), true, IOAPIC_MASKED | 0x43);
    assert_int_equal(ioapic_remap.entry[PIN], 0);
    assert_true(hardware(PIN) & IOAPIC_MASKED);
    assert_int_equal(denied(), 0);
}

/* The EOI's vector finds the pin: its entry keeps it. */
static void a_level_pin_keeps_its_vector(void **state)
{
    (void)state;
    set_pin(LEVEL_PIN, APIC_OF(5), LEVEL | 0x51);
    assert_int_equal(hardware(LEVEL_PIN), LEVEL | 0x51);
    assert_int_equal(ioapic_remap.entry[0x51], entry_to(2, 0x51));
    cpu_model.ioapic[LOW(LEVEL_PIN)] |= 0x5000; /* sent, and not yet ended */
    assert_int_equal(read_index(LOW(LEVEL_PIN)), LEVEL | 0x5051);
    access_index(LOW(LEVEL_PIN), true, IOAPIC_MASKED | LEVEL | 0x51);
    assert_int_equal(hardware(LEVEL_PIN), IOAPIC_MASKED | LEVEL | 0x51);
    assert_int_equal(ioapic_remap.entry[0x51], 0);
    set_pin(LEVEL_PIN, APIC_OF(0), LEVEL | 0x52);
    assert_int_equal(hardware(LEVEL_PIN), LEVEL | 0x52);
    assert_int_equal(ioapic_remap.entry[0x51], 0);
    assert_int_equal(ioapic_remap.entry[0x52], entry_to(0, 0x52));
    set_pin(LEVEL_PIN, APIC_OF(2), 0x53); /* by edges, now */
    assert_int_equal(hardware(LEVEL_PIN), LEVEL_PIN);
    assert_int_equal(ioapic_remap.entry[0x52], 0);
    assert_int_equal(ioapic_remap.entry[LEVEL_PIN], entry_to(1, 0x53));
}

static void level_pins_share_a_vector_as_far_as_there_are_entries(void **state)
{
    (void)state;
    set_pin(LEVEL_PIN, APIC_OF(0), LEVEL | 0x51);
    set_pin(LAST_PIN, APIC_OF(0), LEVEL | 0x51); /* the same core: the same entry */
    assert_int_equal(hardware(LAST_PIN), LEVEL | 0x51);
    set_pin(LAST_PIN, APIC_OF(2), LEVEL | 0x51);
    assert_int_equal(hardware(LAST_PIN), LEVEL | 0x151);
    assert_int_equal(ioapic_remap.entry[0x51], entry_to(0, 0x51));
    assert_int_equal(ioapic_remap.entry[0x151], entry_to(1, 0x51));
    assert_int_equal(denied(), 0);
    set_pin(PIN, APIC_OF(5), LEVEL | 0x51); /* a third core has no entry left */
    assert_int_equal(hardware(PIN), IOAPIC_MASKED | LEVEL | 0x51);
    assert_int_not_equal(denied(), 0);
    assert_non_null(strstr(console_text, "work: denied ioapic-write at 0x16 (0x8051)"));
    access_index(LOW(LAST_PIN), true, IOAPIC_MASKED | LEVEL | 0x51);
    assert_int_equal(ioapic_remap.entry[0x51], entry_to(0, 0x51));
    assert_int_equal(ioapic_remap.entry[0x151], 0);
    access_index(LOW(PIN), true, LEVEL | 0x51);
    assert_int_equal(hardware(PIN), LEVEL | 0x151);
    assert_int_equal(ioapic_remap.entry[0x151], entry_to(2, 0x51));
}

static void hostile_entries_are_denied(void **state)
{
    static const struct {
        uint32_t to, low;
    } bad[] = {
        {APIC_OF(1), 0x41}, /* vault's */
        {0, 0x41},
        {8, 0x841},
        {0x10, 0x10}, /* nobody's; no vector */
        {0x10, 0xff},
        {0x10, 0x241},
        {0x10, 0x441}, /* SMI, NMI */
        {0x10, 0x541},
        {0x10, 0x741},
        {0x10, 0x341}, /* INIT, ExtINT */
        {APIC_OF(1), LEVEL | 0x41},
        {0x10, LEVEL | 0x1f},
        {0x10, LEVEL | 0x2441},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t before;

        set_pin(PIN, APIC_OF(0), 0x41);
        access_index(LOW(PIN), true, IOAPIC_MASKED);
        access_index(HIGH(PIN), true, bad[i].to << 24);
        before = denied();
        access_index(LOW(PIN), true, bad[i].low);
        assert_int_equal(denied(), before + 1);
        assert_true(hardware(PIN) & IOAPIC_MASKED);
        check_entries(&ioapic_remap);
        for (unsigned index = 0; index < 512; index++)
            assert_int_equal(ioapic_remap.entry[index], 0);
    }
}

static void foreign_pins_stay_foreign(void **state)
{
    (void)state;
    for (uint32_t pin = 0; pin < 24; pin++) {
        if (pin == PIN || pin == LEVEL_PIN || pin == LAST_PIN)
            continue;
        set_pin(pin, APIC_OF(0), 0x41);
        assert_int_equal(hardware(pin), IOAPIC_MASKED);
        assert_int_equal(read_index(LOW(pin)), IOAPIC_MASKED);
    }
    for (unsigned index = 0; index < 512; index++)
        assert_int_equal(ioapic_remap.entry[index], 0);
    assert_int_equal(denied(), 21);
}

static void logical_names_that_change_are_followed(void **state)
{
    (void)state;
    set_pin(PIN, 2, 0x841);
    set_pin(LEVEL_PIN, 2, LEVEL | 0x851);
    set_logical(1, 8);
    assert_int_equal(ioapic_remap.entry[PIN], 0);
    assert_true(hardware(PIN) & hardware(LEVEL_PIN) & IOAPIC_MASKED);
    set_logical(2, 2);
    assert_int_equal(ioapic_remap.entry[PIN], entry_to(2, 0x41));
    assert_int_equal(ioapic_remap.entry[0x51], entry_to(2, 0x51));
    assert_int_equal(hardware(PIN), PIN);
    assert_int_equal(denied(), 0);
}

static uint32_t entry_as_told;

static void look(uint16_t device)
{
    read_again(device);
    entry_as_told = hardware(PIN);
}

static void the_iommu_forgets_before_a_pin_is_unmasked(void **state)
{
    (void)state;
    model_on_forget = look;
    set_pin(PIN, APIC_OF(2), 0x41);
    assert_true(entry_as_told & IOAPIC_MASKED);
    assert_int_equal(hardware(PIN), PIN);
}

/* Three level-triggered pins of one vector, which has two entries: those that change leave theirs
 * to each other, and the one that doesn't change keeps a way. */
static void pins_that_change_together_find_an_entry_each(void **state)
{
    (void)state;
    set_logical(0, 3);
    set_logical(1, 4);
    set_logical(2, 0);
    set_pin(PIN, 1, LEVEL | 0x851);
    set_pin(LAST_PIN, 2, LEVEL | 0x851);
    set_pin(LEVEL_PIN, 4, LEVEL | 0x851);
    assert_int_equal(hardware(PIN), LEVEL | 0x51);
    assert_int_equal(hardware(LAST_PIN), LEVEL | 0x51);
    assert_int_equal(hardware(LEVEL_PIN), LEVEL | 0x151);
    set_logical(0, 1);
    assert_true(hardware(LAST_PIN) & IOAPIC_MASKED);
    assert_int_equal(hardware(PIN) & ~0x100u, LEVEL | 0x51);
    assert_int_equal(ioapic_remap.entry[hardware(PIN) & 0x1ff], entry_to(0, 0x51));
    assert_int_equal(hardware(LEVEL_PIN) & ~0x100u, LEVEL | 0x51);
    assert_int_equal(ioapic_remap.entry[hardware(LEVEL_PIN) & 0x1ff], entry_to(1, 0x51));
    check_entries(&ioapic_remap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOLD(pins_begin_masked),
        TOLD(an_edge_pin_uses_its_own_entry),
        TOLD(a_level_pin_keeps_its_vector),
        TOLD(level_pins_share_a_vector_as_far_as_there_are_entries),
        TOLD(hostile_entries_are_denied),
        TOLD(foreign_pins_stay_foreign),
        TOLD(logical_names_that_change_are_followed),
        TOLD(the_iommu_forgets_before_a_pin_is_unmasked),
        TOLD(pins_that_change_together_find_an_entry_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
