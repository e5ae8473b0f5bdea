/* ACPI tables: what firmware describes is found, what is malformed is refused and never overrun. */
#include "testing.h"

#include "core/platform/acpi_tables.h"
#include "foreign.h"
#include "hw/acpi.h"

#define XSDT_ENTRIES 3

/* The tables of a machine, one behind the other. */
struct sample {
    struct acpi_rsdp rsdp;
    struct acpi_header xsdt;
    uint64_t xsdt_entries[XSDT_ENTRIES];
    struct acpi_header rsdt;
    uint32_t rsdt_entries[2];
    struct acpi_madt madt;
    struct acpi_madt_local_apic cpus[3];
    struct acpi_madt_ioapic ioapics[2];
    struct acpi_madt_local_x2apic x2;
    struct acpi_header second;
} __attribute__((packed));

#define AT(field) ((uint32_t)(FOREIGN_BASE + offsetof(struct sample, field)))
#define MADT_SIZE (offsetof(struct sample, second) - offsetof(struct sample, madt))
#define HEADER(name, len)                                                  \
    {                                                                      \
        .signature = {name[0], name[1], name[2], name[3]}, .length = (len) \
    }

static struct sample s;
static struct acpi_tables tables;

static uint8_t missing_to_zero(const void *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    return (uint8_t)-sum;
}

static void seal(struct acpi_header *header, size_t size)
{
    header->checksum = 0;
    header->checksum = missing_to_zero(header, size);
}

static void seal_rsdp(void)
{
    s.rsdp.checksum = s.rsdp.extended_checksum = 0;
    s.rsdp.checksum = missing_to_zero(&s.rsdp, ACPI_RSDP_1_SIZE);
    s.rsdp.extended_checksum = missing_to_zero(&s.rsdp, sizeof(s.rsdp));
}

static void seal_all(void)
{
    seal_rsdp();
    seal(&s.xsdt, sizeof(s.xsdt) + sizeof(s.xsdt_entries));
    seal(&s.rsdt, sizeof(s.rsdt) + sizeof(s.rsdt_entries));
    seal(&s.madt.header, MADT_SIZE);
    seal(&s.second, sizeof(s.second));
}

static int make_sample(void **state)
{
    (void)state;
    s = (struct sample){
        .rsdp = {.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
                 .revision = 2,
                 .length = 36,
                 .rsdt = AT(rsdt),
                 .xsdt = AT(xsdt)},
        .xsdt = HEADER("XSDT", sizeof(s.xsdt) + sizeof(s.xsdt_entries)),
        .xsdt_entries = {0x1000, AT(second), AT(madt)}, /* the first one can't be read */
        .rsdt = HEADER("RSDT", sizeof(s.rsdt) + sizeof(s.rsdt_entries)),
        .rsdt_entries = {AT(madt), AT(second)},
        .madt = {.header = HEADER("APIC", MADT_SIZE), .local_apic = 0xfee00000},
        .cpus = {{{ACPI_MADT_LOCAL_APIC, 8}, 0, 4, 1},
                 {{ACPI_MADT_LOCAL_APIC, 8}, 1, 5, 0},
                 {{ACPI_MADT_LOCAL_APIC, 8}, 2, 6, 3}},
        .ioapics = {{{ACPI_MADT_IOAPIC, 12}, 7, 0, 0xfec00000, 0},
                    {{ACPI_MADT_IOAPIC, 12}, 8, 0, 0xfec10000, 24}},
        .x2 = {{ACPI_MADT_LOCAL_X2APIC, 16}, 0, 9, 1, 3},
        .second = HEADER("IVRS", sizeof(s.second)),
    };
    seal_all();
    return 0;
}

static enum acpi_error list(size_t rsdp_size)
{
    foreign_set(&s, sizeof(s));
    return acpi_list(&tables, foreign_read, &s.rsdp, rsdp_size);
}

static enum acpi_error look_up(const char *signature, size_t *size)
{
    const void *table = NULL;
    enum acpi_error error = list(sizeof(s.rsdp));

    return error ? error : acpi_look_up(&tables, signature, &table, size);
}

static void tables_are_found_by_signature(void **state)
{
    const void *table = NULL;
    size_t size = 0;

    (void)state;
    assert_int_equal(list(sizeof(s.rsdp)), ACPI_OK);
    assert_int_equal(tables.count, XSDT_ENTRIES);
    assert_int_equal(acpi_look_up(&tables, "APIC", &table, &size), ACPI_OK);
    assert_int_equal(size, MADT_SIZE);
    assert_memory_equal(table, &s.madt, MADT_SIZE);
    assert_int_equal(acpi_look_up(&tables, "IVRS", &table, &size), ACPI_OK);
    assert_int_equal(size, sizeof(struct acpi_header));
    assert_int_equal(acpi_look_up(&tables, "MCFG", &table, &size), ACPI_ABSENT);
}

static void acpi_1_uses_the_rsdt(void **state)
{
    (void)state;
    s.rsdp.revision = 0;
    s.rsdp.xsdt = 0xffffffffffffffff; /* not part of it */
    seal_rsdp();
    assert_int_equal(list(ACPI_RSDP_1_SIZE), ACPI_OK);
    assert_int_equal(tables.count, 2);
    assert_int_equal(tables.address[0], AT(madt));
    make_sample(NULL);
    s.rsdp.xsdt = 0;
    seal_rsdp();
    assert_int_equal(list(sizeof(s.rsdp)), ACPI_OK);
    assert_int_equal(tables.count, 2);
}

static void a_bad_rsdp_is_refused(void **state)
{
    (void)state;
    assert_int_equal(list(0), ACPI_RSDP_MISSING);
    assert_int_equal(list(19), ACPI_RSDP_INVALID);
    assert_int_equal(list(ACPI_RSDP_1_SIZE), ACPI_RSDP_INVALID); /* revision 2 has 36 bytes */
    s.rsdp.extended_checksum++;
    assert_int_equal(list(sizeof(s.rsdp)), ACPI_RSDP_INVALID);
    seal_rsdp();
    s.rsdp.checksum++;
    assert_int_equal(list(sizeof(s.rsdp)), ACPI_RSDP_INVALID);
    s.rsdp.signature[7] = 'x';
    seal_rsdp();
    assert_int_equal(list(sizeof(s.rsdp)), ACPI_RSDP_INVALID);
}

static void a_bad_root_table_is_refused(void **state)
{
    const uint64_t bad[] = {0, FOREIGN_BASE - 1, 0xfffffffffffffff0, FOREIGN_BASE + sizeof(s) - 4};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s.rsdp.xsdt = bad[i] ? bad[i] : AT(xsdt);
        s.xsdt.checksum = (uint8_t)(s.xsdt.checksum + (bad[i] == 0));
        seal_rsdp();
        assert_int_equal(list(sizeof(s.rsdp)), bad[i] ? ACPI_UNREADABLE : ACPI_CHECKSUM);
        make_sample(NULL);
    }
}

static void lengths_are_checked(void **state)
{
    const struct {
        uint32_t length;
        enum acpi_error error;
    } cases[] = {{0, ACPI_LENGTH},
                 {35, ACPI_LENGTH},
                 {37, ACPI_UNREADABLE}, /* past the end of memory */
                 {0xffffffff, ACPI_UNREADABLE}};
    size_t size = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s.second.length = cases[i].length;
        seal(&s.second, sizeof(s.second));
        assert_int_equal(look_up("IVRS", &size), cases[i].error);
        assert_int_equal(tables.fault, AT(second));
    }
}

static void a_wrong_checksum_is_refused(void **state)
{
    size_t size = 0;

    (void)state;
    s.madt.flags ^= 1;
    assert_int_equal(look_up("APIC", &size), ACPI_CHECKSUM);
    assert_int_equal(look_up("IVRS", &size), ACPI_OK);
}

static void too_many_tables_are_refused(void **state)
{
    struct {
        struct acpi_header xsdt;
        uint64_t entries[ACPI_TABLES + 1];
    } __attribute__((packed)) big = {.xsdt = HEADER("XSDT", sizeof(big))};

    (void)state;
    s.rsdp.xsdt = FOREIGN_BASE;
    seal_rsdp();
    seal(&big.xsdt, sizeof(big));
    foreign_set(&big, sizeof(big));
    assert_int_equal(acpi_list(&tables, foreign_read, &s.rsdp, sizeof(s.rsdp)), ACPI_TOO_MANY);
    big.xsdt.length -= 8;
    seal(&big.xsdt, sizeof(big) - 8);
    foreign_set(&big, sizeof(big));
    assert_int_equal(acpi_list(&tables, foreign_read, &s.rsdp, sizeof(s.rsdp)), ACPI_OK);
    assert_int_equal(tables.count, ACPI_TABLES);
}

static void the_rsdp_is_found_in_bios_memory(void **state)
{
    uint8_t area[128] = {0};

    (void)state;
    memcpy(area + 40, &s.rsdp, sizeof(s.rsdp)); /* not on a 16-byte boundary */
    assert_null(acpi_scan_rsdp(area, sizeof(area)));
    memcpy(area + 80, &s.rsdp, sizeof(s.rsdp));
    assert_ptr_equal(acpi_scan_rsdp(area, sizeof(area)), area + 80);
    assert_null(acpi_scan_rsdp(area, 80 + 35)); /* cut */
    area[80 + 9]++;
    assert_null(acpi_scan_rsdp(area, sizeof(area)));
    assert_null(acpi_scan_rsdp(area, 0));
}

static enum acpi_error read_madt(struct acpi_cpus *cpus, size_t size)
{
    foreign_set(&s.madt, size); /* on the heap, so that an overrun is caught */
    return acpi_read_madt(foreign, size, cpus);
}

static void enabled_cpus_are_listed(void **state)
{
    struct acpi_cpus cpus;

    (void)state;
    assert_int_equal(read_madt(&cpus, MADT_SIZE), ACPI_OK);
    assert_int_equal(cpus.count, 3);
    assert_int_equal(cpus.apic_id[0], 4);
    assert_int_equal(cpus.apic_id[1], 6);
    assert_int_equal(cpus.apic_id[2], 9);
    assert_int_equal(cpus.ioapic_count, 2);
    assert_int_equal(cpus.ioapic, 0xfec00000);
}

static void madt_entries_are_bounded(void **state)
{
    const uint8_t bad[] = {0, 1, 7, 255};
    struct acpi_cpus cpus;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad); i++) {
        s.cpus[1].entry.length = bad[i];
        assert_int_equal(read_madt(&cpus, MADT_SIZE), ACPI_MADT_ENTRY);
    }
    make_sample(NULL);
    s.ioapics[0].entry.length = 11;
    assert_int_equal(read_madt(&cpus, MADT_SIZE), ACPI_MADT_ENTRY);
    make_sample(NULL);
    assert_int_equal(read_madt(&cpus, 43), ACPI_LENGTH);
    for (size_t size = 44; size < MADT_SIZE; size++) {
        enum acpi_error error = read_madt(&cpus, size);

        /* A cut at an entry's end can't be noticed here: the table's checksum shows it. */
        assert_true(error == ACPI_OK || error == ACPI_MADT_ENTRY || error == ACPI_MADT_NO_CPU);
    }
}

static void impossible_cpus_are_refused(void **state)
{
    struct {
        struct acpi_madt madt;
        struct acpi_madt_local_apic cpus[CPU_MAX + 1];
    } __attribute__((packed)) many = {0};
    struct acpi_cpus cpus;

    (void)state;
    s.x2.apic_id = 255;
    assert_int_equal(read_madt(&cpus, MADT_SIZE), ACPI_MADT_APIC_ID);
    s.x2.apic_id = 4;
    assert_int_equal(read_madt(&cpus, MADT_SIZE), ACPI_MADT_NO_CPU);
    s.cpus[0].flags = s.cpus[2].flags = s.x2.flags = 0;
    assert_int_equal(read_madt(&cpus, MADT_SIZE), ACPI_MADT_NO_CPU);
    for (uint8_t i = 0; i <= CPU_MAX; i++)
        many.cpus[i] = (struct acpi_madt_local_apic){{ACPI_MADT_LOCAL_APIC, 8}, i, i, 1};
    assert_int_equal(acpi_read_madt(&many, sizeof(many), &cpus), ACPI_MADT_TOO_MANY);
    assert_int_equal(acpi_read_madt(&many, sizeof(many) - 8, &cpus), ACPI_OK);
    assert_int_equal(cpus.count, CPU_MAX);
}

static void every_error_has_cause_and_remedy(void **state)
{
    (void)state;
    for (unsigned e = ACPI_OK; e <= ACPI_MADT_APIC_ID; e++) {
        assert_true(strlen(acpi_error_cause((enum acpi_error)e)) > 5);
        assert_true(strlen(acpi_error_remedy((enum acpi_error)e)) > 5);
    }
}

static int release(void **state)
{
    (void)state;
    foreign_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tables_are_found_by_signature, make_sample),
        cmocka_unit_test_setup(acpi_1_uses_the_rsdt, make_sample),
        cmocka_unit_test_setup(a_bad_rsdp_is_refused, make_sample),
        cmocka_unit_test_setup(a_bad_root_table_is_refused, make_sample),
        cmocka_unit_test_setup(lengths_are_checked, make_sample),
        cmocka_unit_test_setup(a_wrong_checksum_is_refused, make_sample),
        cmocka_unit_test_setup(too_many_tables_are_refused, make_sample),
        cmocka_unit_test_setup(the_rsdp_is_found_in_bios_memory, make_sample),
        cmocka_unit_test_setup(enabled_cpus_are_listed, make_sample),
        cmocka_unit_test_setup(madt_entries_are_bounded, make_sample),
        cmocka_unit_test_setup(impossible_cpus_are_refused, make_sample),
        cmocka_unit_test_setup(every_error_has_cause_and_remedy, make_sample),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
