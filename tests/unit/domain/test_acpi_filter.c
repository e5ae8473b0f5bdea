/*
 * acpi_filter: the tables that a primary gets are right to the byte by the ACPI specification,
 * have its own cores and nothing that was not copied on purpose; a MADT that lies is refused.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "core/domain/acpi_filter.h"
#include "hw/acpi.h"

#define ADDRESS 0x9000u
#define APIC    0xfee00000u

static uint8_t source[512];
static size_t source_size;
static uint8_t tables[ACPI_FILTER_ROOM];

static void add(const void *entry, size_t size)
{
    memcpy(source + source_size, entry, size);
    source_size += size;
}

static void add_cpu(uint8_t apic_id, uint32_t flags)
{
    struct acpi_madt_local_apic cpu = {{ACPI_MADT_LOCAL_APIC, sizeof cpu}, apic_id, apic_id, flags};

    add(&cpu, sizeof cpu);
}

/* A MADT of a machine with four CPUs, two I/O APICs, an override and an NMI line. */
static int set_up(void **state)
{
    struct acpi_madt madt = {.local_apic = APIC, .flags = 0xffffffff};
    struct acpi_madt_local_x2apic x2apic = {
        {ACPI_MADT_LOCAL_X2APIC, sizeof x2apic}, 0, 3, ACPI_MADT_CPU_ENABLED, 3};
    struct acpi_madt_ioapic ioapic = {{ACPI_MADT_IOAPIC, sizeof ioapic}, 0, 0, 0xfec00000, 0};
    struct acpi_madt_override timer = {{ACPI_MADT_OVERRIDE, sizeof timer}, 0, 0, 2, 0};
    static const uint8_t nmi[] = {4, 6, 0xff, 0, 0, 1};

    (void)state;
    memset(source, 0, sizeof source);
    source_size = 0;
    add(&madt, sizeof madt);
    add_cpu(0, 1);
    add_cpu(1, 1);
    add_cpu(2, 0);
    add(&x2apic, sizeof x2apic);
    add(&ioapic, sizeof ioapic);
    ioapic.id = 1;
    ioapic.address = 0xfec10000;
    ioapic.first_interrupt = 24;
    add(&ioapic, sizeof ioapic);
    add(&timer, sizeof timer);
    add(nmi, sizeof nmi);
    memset(tables, 0xee, sizeof tables);
    return 0;
}

static size_t filter(const uint8_t *apic_id, uint32_t cores)
{
    uint8_t *exact = malloc(source_size + 1); /* the sanitizer sees a read past its end */
    size_t size;

    memcpy(exact + 1, source, source_size);
    size = acpi_filter(exact + 1, source_size, apic_id, cores, ADDRESS, tables);
    free(exact);
    return size;
}

static void sums_to_zero(const void *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    assert_int_equal(sum, 0);
}

/* A table at an address that another table gives: inside of what was written, sum right. */
static const struct acpi_header *table_at(uint64_t address, size_t size)
{
    const struct acpi_header *table = (const void *)(tables + (address - ADDRESS));

    assert_in_range(address, ADDRESS, ADDRESS + size - sizeof *table);
    assert_in_range(address - ADDRESS + table->length, 0, size);
    sums_to_zero(table, table->length);
    return table;
}

static const struct acpi_madt *follow(size_t size)
{
    const struct acpi_rsdp *rsdp = (const void *)tables;
    uint64_t address;

    assert_memory_equal(rsdp->signature, "RSD PTR ", 8);
    assert_int_equal(rsdp->revision, 2);
    assert_int_equal(rsdp->length, 36);
    assert_int_equal(rsdp->rsdt, 0);
    sums_to_zero(rsdp, 20);
    sums_to_zero(rsdp, 36);
    const struct acpi_header *xsdt = table_at(rsdp->xsdt, size);
    assert_memory_equal(xsdt->signature, "XSDT", 4);
    assert_int_equal(xsdt->length, sizeof *xsdt + 8); /* one table */
    memcpy(&address, xsdt + 1, sizeof address);
    const struct acpi_header *madt = table_at(address, size);
    assert_memory_equal(madt->signature, "APIC", 4);
    return (const void *)madt;
}

static void one_core_is_left(void **state)
{
    static const uint8_t expected[] = {
        0, 8,  0, 1, 1,    0,    0,    0,                /* local APIC 1 */
        1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0, /* I/O APIC 0 */
        2, 10, 0, 0, 2,    0,    0,    0,    0, 0,       /* IRQ 0 is input 2 */
    };
    static const uint8_t cores[] = {1};
    size_t size = filter(cores, 1);
    const struct acpi_madt *madt = follow(size);

    (void)state;
    assert_int_equal(madt->local_apic, APIC);
    assert_int_equal(madt->flags, ACPI_MADT_PC_AT);
    assert_int_equal(madt->header.length, sizeof *madt + sizeof expected);
    assert_memory_equal(madt + 1, expected, sizeof expected);
    assert_int_equal(tables[size], 0xee);
}

static void cores_come_in_the_domains_order(void **state)
{
    static const uint8_t cores[] = {3, 0};
    const struct acpi_madt *madt = follow(filter(cores, 2));
    const struct acpi_madt_local_apic *cpu = (const void *)(madt + 1);

    (void)state;
    assert_int_equal(cpu[0].entry.type, ACPI_MADT_LOCAL_APIC);
    assert_int_equal(cpu[0].apic_id, 3);
    assert_int_equal(cpu[1].apic_id, 0);
    assert_int_equal(cpu[2].entry.type, ACPI_MADT_IOAPIC);
}

static void absent_cores_are_refused(void **state)
{
    static const uint8_t disabled[] = {2}, unknown[] = {0, 9};

    (void)state;
    assert_int_equal(filter(disabled, 1), 0);
    assert_int_equal(filter(unknown, 2), 0);
}

static void lying_madts_are_refused(void **state)
{
    static const uint8_t cores[] = {0};
    size_t first = sizeof(struct acpi_madt);

    source[source_size - 5] = 7; /* the last entry ends behind the table */
    assert_int_equal(filter(cores, 1), 0);
    set_up(state);
    source[source_size - 5] = 5; /* a byte is left behind it */
    assert_int_equal(filter(cores, 1), 0);
    set_up(state);
    source[first + 8 + 1] = 0; /* an entry of no length, behind the core that is looked for */
    assert_int_equal(filter(cores, 1), 0);
    set_up(state);
    source[first + 1] = 7; /* no local APIC entry has that length */
    assert_int_equal(filter(cores, 1), 0);
    set_up(state);
    source_size = first - 1;
    assert_int_equal(filter(cores, 1), 0);
    source_size = 0;
    assert_int_equal(filter(cores, 1), 0);
}

static void no_ioapic_is_refused(void **state)
{
    static const uint8_t cores[] = {0};

    (void)state;
    source_size = sizeof(struct acpi_madt) + 4 * 8; /* the CPUs alone, the last one cut */
    source_size -= 8;
    assert_int_equal(filter(cores, 1), 0);
}

static void odd_entries_are_left_out(void **state)
{
    static const uint8_t cores[] = {0}, odd[] = {ACPI_MADT_OVERRIDE, 6, 0, 0, 0, 0};
    size_t size = filter(cores, 1);

    (void)state;
    add(odd, sizeof odd); /* an override of a length that none has */
    assert_int_equal(filter(cores, 1), size);
}

/* As many overrides as the table wants: what doesn't fit is refused, not cut. */
static void endless_overrides_are_refused(void **state)
{
    static uint8_t big[0x4000];
    static const uint8_t cores[] = {0};
    size_t size = source_size;

    (void)state;
    memcpy(big, source, size);
    for (; size + 10 <= sizeof big; size += 10) {
        big[size] = ACPI_MADT_OVERRIDE;
        big[size + 1] = 10;
    }
    assert_int_equal(acpi_filter(big, size, cores, 1, ADDRESS, tables), 0);
}

static void random_bytes_are_survived(void **state)
{
    static const uint8_t cores[] = {0, 1};

    srand(5);
    for (uint32_t round = 0; round < 20000; round++) {
        set_up(state);
        for (uint32_t i = 0; i < 1 + round % 4; i++)
            source[(size_t)rand() % source_size] = (uint8_t)rand();
        size_t size = filter(cores, 1 + round % 2);
        if (size != 0)
            follow(size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_core_is_left, set_up),
        cmocka_unit_test_setup(cores_come_in_the_domains_order, set_up),
        cmocka_unit_test_setup(absent_cores_are_refused, set_up),
        cmocka_unit_test_setup(lying_madts_are_refused, set_up),
        cmocka_unit_test_setup(no_ioapic_is_refused, set_up),
        cmocka_unit_test_setup(odd_entries_are_left_out, set_up),
        cmocka_unit_test_setup(endless_overrides_are_refused, set_up),
        cmocka_unit_test_setup(random_bytes_are_survived, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
