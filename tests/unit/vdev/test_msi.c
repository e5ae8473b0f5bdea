/* Message signalled interrupts of a domain with several cores (PCI 3.0, 6.8). */
#include "vdev/remap_case.h"

#define FIRST 32u /* entry of core's for MSI-X vector 0 */

static uint64_t table_at(unsigned entry, unsigned dword)
{
    return (uint64_t)bar + MSIX_TABLE + 16 * entry + 4 * dword;
}

static void write_table(unsigned entry, unsigned dword, uint32_t value)
{
    assert_true(vdev_write(work[0], table_at(entry, dword), 4, value));
}

static uint64_t read_table(unsigned entry, unsigned dword, unsigned size)
{
    uint64_t value = 0x5a5a5a5a5a5a5a5a;

    assert_true(vdev_read(work[0], table_at(entry, dword), size, &value));
    return value;
}

static void set_entry(unsigned entry, uint32_t address, uint32_t data, uint32_t control)
{
    write_table(entry, 0, address);
    write_table(entry, 1, 0);
    write_table(entry, 2, data);
    write_table(entry, 3, control);
}

static uint32_t device_dword(unsigned entry, unsigned dword)
{
    return bar[MSIX_TABLE / 4 + 4 * entry + dword];
}

static void check_device(unsigned entry, bool is_masked)
{
    assert_int_equal(device_dword(entry, 0), 0xfee00000);
    assert_int_equal(device_dword(entry, 1), 0);
    assert_int_equal(device_dword(entry, 2), FIRST + entry);
    assert_int_equal(device_dword(entry, 3), is_masked);
}

static uint64_t denied_before;

/* Of this test. */
static uint64_t denied(void)
{
    return audit_count(WORK, VIOLATION_MSI) - denied_before;
}

static int start(void **state)
{
    denied_before = audit_count(WORK, VIOLATION_MSI);
    return start_remap(state);
}

/* ---- before the domain runs ---- */

static void devices_begin_with_cores_messages_masked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MSIX_COUNT; i++) {
        check_device(i, true);
        assert_int_equal(read_table(i, 0, 8), 0);
        assert_int_equal(read_table(i, 2, 8), 1ull << 32);
    }
    assert_int_equal(device_dword(0, 0) & bar[MSIX_TABLE / 4 - 1], 0xfee00000); /* no further */
    assert_int_equal(bar[MSIX_TABLE / 4 + 4 * MSIX_COUNT], 0xffffffff);
    assert_int_equal(nic->config[NIC_MSIX + 3] & 0xc0, 0);
    assert_int_equal(nic->config[PCI_COMMAND], 0);
    assert_int_equal(edu->config[EDU_MSI + 2] & 1, 0);
    assert_int_equal(edu->config[EDU_MSI + 7], 0xfe);
    check_entries(&nic_remap);
    check_entries(&edu_remap);
}

static void place(void *argument)
{
    (void)argument;
    vpci_place(&image_model.header);
}

static void another_table_than_described_stops_the_machine(void **state)
{
    (void)state;
    image_model.function[0].msix_count++;
    expect_fatal(place, NULL, "PCI device 0:3.0 has another number of MSI-X vectors");
    start_remap(NULL);
    image_model.function[0].msix_table += 8;
    expect_fatal(place, NULL, "PCI device 0:3.0 has its MSI-X table elsewhere");
    start_remap(NULL);
    image_model.function[0].msix_bar = 2;
    expect_fatal(place, NULL, "PCI device 0:3.0 has its MSI-X table elsewhere");
    start_remap(NULL);
    image_model.function[0].msix = 0x40;
    expect_fatal(place, NULL, "PCI device 0:3.0 has another number of MSI-X vectors");
    start_remap(NULL);
    image_model.function[1].write_mask[EDU_MSI / 4 + 2] = 0xffff;
    expect_fatal(place, NULL, "PCI device 0:4.0 has another MSI capability");
}

/* ---- MSI-X ---- */

static void an_entry_leads_to_the_core_that_was_asked_for(void **state)
{
    (void)state;
    for (unsigned id = 0; id < CORES; id++) {
        set_entry(id, message_to(APIC_OF(cores[id])), 0x41 + id, 0);
        assert_int_equal(nic_remap.entry[FIRST + id], entry_to(id, 0x41 + id));
        check_device(id, false);
        assert_int_equal(read_table(id, 0, 8), message_to(APIC_OF(cores[id])));
        assert_int_equal(read_table(id, 2, 8), 0x41 + id);
    }
    set_entry(4, 0xfee00000 | 4 << 12 | 4, 0x150, 0); /* logical, lowest priority */
    assert_int_equal(nic_remap.entry[FIRST + 4], entry_to(2, 0x50));
    set_entry(4, 0xfee00000 | 6 << 12 | 0xc, 0x151, 1); /* two of them: the first */
    assert_int_equal(nic_remap.entry[FIRST + 4], entry_to(1, 0x51));
    check_device(4, true);
    set_entry(4, message_to(0xff), 0x52, 0);
    assert_int_equal(nic_remap.entry[FIRST + 4], entry_to(0, 0x52));
    assert_int_equal(nic_remap.entry[FIRST + 3], 0);
    assert_int_equal(denied(), 0);
    assert_string_equal(console_text, "");
}

static void whole_quadwords_are_written(void **state)
{
    (void)state;
    assert_true(vdev_write(work[1], table_at(2, 0), 8, message_to(APIC_OF(5))));
    assert_true(vdev_write(work[1], table_at(2, 2), 8, 0x77));
    assert_int_equal(nic_remap.entry[FIRST + 2], entry_to(2, 0x77));
    check_device(2, false);
    assert_true(vdev_write(work[1], table_at(2, 2), 8, 0x78 | 1ull << 32));
    assert_int_equal(nic_remap.entry[FIRST + 2], entry_to(2, 0x78));
    check_device(2, true);
}

/* Each with what is wrong about it; the entry that stood there is closed. */
static void what_a_domain_may_not_have_is_closed(void **state)
{
    static const struct {
        uint32_t address, upper, data;
    } bad[] = {
        {0xfee00000 | 0x11u << 12, 0, 0x41},         /* vault's core */
        {0xfee00000, 0, 0x41},                       /* nobody's */
        {0xfee00000 | 0x10u << 12 | 0x20, 0, 0x41},  /* more bits of an id */
        {0xfee00000 | 0x10u << 12 | 0x800, 0, 0x41}, /* likewise */
        {0xfee00000 | 8u << 12 | 4, 0, 0x41},        /* logical: none */
        {0xfef00000 | 0x10u << 12, 0, 0x41},         /* no message */
        {0x00100000, 0, 0x41},                       /* memory */
        {0xfee00000 | 0x10u << 12, 1, 0x41},         /* memory */
        {0xfee00000 | 0x10u << 12, 0, 0x00},
        {0xfee00000 | 0x10u << 12, 0, 0x1f},
        {0xfee00000 | 0x10u << 12, 0, 0xff},
        {0xfee00000 | 0x10u << 12, 0, 0x0241}, /* SMI */
        {0xfee00000 | 0x10u << 12, 0, 0x0341},
        {0xfee00000 | 0x10u << 12, 0, 0x0441}, /* NMI */
        {0xfee00000 | 0x10u << 12, 0, 0x0541}, /* INIT */
        {0xfee00000 | 0x10u << 12, 0, 0x0641},
        {0xfee00000 | 0x10u << 12, 0, 0x0741}, /* ExtINT */
        {0xfee00000 | 0x10u << 12, 0, 0xc041}, /* level */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t before;

        set_entry(1, message_to(APIC_OF(0)), 0x41, 0);
        assert_int_equal(nic_remap.entry[FIRST + 1], entry_to(0, 0x41));
        write_table(1, 3, 1);
        before = denied();
        write_table(1, 0, bad[i].address);
        write_table(1, 1, bad[i].upper);
        write_table(1, 2, bad[i].data);
        assert_int_equal(nic_remap.entry[FIRST + 1], 0);
        assert_int_equal(denied(), before); /* masked: not yet */
        write_table(1, 3, 0);
        assert_int_equal(denied(), before + 1);
        check_device(1, false);
        assert_int_equal(read_table(1, 0, 4), bad[i].address);
        assert_int_equal(read_table(1, 1, 4), bad[i].upper);
        assert_int_equal(read_table(1, 2, 4), bad[i].data);
    }
    assert_non_null(
        strstr(console_text, "work: denied msi-write at 0x180021 (0xfee1100000000041)"));
}

static void only_whole_aligned_dwords_of_the_table_are_answered(void **state)
{
    struct bh_remap before;
    uint64_t value;

    (void)state;
    set_entry(0, message_to(APIC_OF(2)), 0x60, 0);
    before = nic_remap;
    for (unsigned offset = 0; offset < 16 * MSIX_COUNT; offset++)
        for (unsigned size = 1; size <= 8; size *= 2) {
            if (size >= 4 && (MSIX_TABLE + offset) % size == 0)
                continue;
            assert_false(vdev_write(work[0], table_at(0, 0) + offset, size, 0x41));
            assert_false(vdev_read(work[0], table_at(0, 0) + offset, size, &value));
        }
    assert_false(vdev_write(work[0], table_at(MSIX_COUNT, 0) - 4, 8, 0)); /* across the end */
    assert_false(vdev_write(work[0], table_at(0, 0) - 4, 8, 0));
    assert_memory_equal(&nic_remap, &before, sizeof(before));
}

static void the_rest_of_the_page_is_the_devices(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(vdev_write(work[0], (uint64_t)bar, 8, 0x1122334455667788));
    assert_int_equal(bar[0], 0x55667788);
    assert_int_equal(bar[1], 0x11223344);
    assert_true(vdev_write(work[0], (uint64_t)bar + 2, 2, 0xffff99aa));
    assert_true(vdev_write(work[0], (uint64_t)bar + 1, 1, 0xffffffbb));
    assert_int_equal(bar[0], 0x99aabb88);
    assert_true(vdev_write(work[0], table_at(MSIX_COUNT, 0), 4, 0x12345678)); /* just behind */
    assert_int_equal(bar[MSIX_TABLE / 4 + 4 * MSIX_COUNT], 0x12345678);
    assert_true(vdev_read(work[0], (uint64_t)bar, 8, &value));
    assert_int_equal(value, 0x1122334499aabb88);
    assert_true(vdev_read(work[0], (uint64_t)bar + 3, 1, &value));
    assert_int_equal(value, 0x99);
    assert_true(vdev_read(work[0], (uint64_t)bar + 2, 2, &value));
    assert_int_equal(value, 0x99aa);
    assert_false(vdev_read(work[0], (uint64_t)bar + BH_PAGE, 4, &value)); /* the CPU's own way */
    assert_false(vdev_write(work[0], (uint64_t)bar - 4, 4, 1));
}

static bool is_way_told; /* before it is used */

static void look(uint16_t device)
{
    read_again(device);
    assert_int_equal(device, NIC);
    is_way_told = device_dword(1, 3) == 1 && nic_remap.entry[FIRST + 1] == entry_to(1, 0x43);
}

static void the_iommu_forgets_before_the_device_is_unmasked(void **state)
{
    unsigned before;

    (void)state;
    model_on_forget = look;
    set_entry(1, message_to(APIC_OF(2)), 0x43, 1);
    assert_true(is_way_told);
    before = model_forgotten;
    write_table(1, 3, 0);
    write_table(1, 3, 1); /* the way is the same */
    assert_int_equal(model_forgotten, before);
}

static void logical_names_that_change_are_followed(void **state)
{
    (void)state;
    set_entry(0, 0xfee00000 | 2u << 12 | 4, 0x61, 0);
    set_entry(1, message_to(APIC_OF(5)), 0x62, 0);
    set_logical(1, 8);
    assert_int_equal(nic_remap.entry[FIRST], 0);
    set_logical(2, 2);
    assert_int_equal(nic_remap.entry[FIRST], entry_to(2, 0x61));
    assert_int_equal(nic_remap.entry[FIRST + 1], entry_to(2, 0x62));
    assert_int_equal(denied(), 0);
}

/* ---- MSI ---- */

static void config(unsigned reg, unsigned size, bool in, uint32_t *value)
{
    uint32_t address = PCI_CONFIG_ENABLE | (uint32_t)EDU << 8 | (reg & 0xfc);

    assert_true(vdev_port(work[0], PCI_CONFIG_ADDRESS, 4, false, &address));
    assert_true(vdev_port(work[0], (uint16_t)(PCI_CONFIG_DATA + (reg & 3)), size, in, value));
}

static void write_config(unsigned reg, unsigned size, uint32_t value)
{
    config(reg, size, false, &value);
}

static uint32_t read_config(unsigned reg)
{
    uint32_t value = 0;

    config(reg, 4, true, &value);
    return value;
}

static void check_capability(void)
{
    static const uint8_t message[] = {0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0, 0};

    assert_memory_equal(&edu->config[EDU_MSI + 4], message, sizeof(message));
}

static void a_message_leads_to_the_core_that_was_asked_for(void **state)
{
    (void)state;
    write_config(EDU_MSI + 4, 4, message_to(APIC_OF(5)) | 3);
    write_config(EDU_MSI + 8, 4, 0);
    write_config(EDU_MSI + 12, 2, 0x4071);
    write_config(EDU_MSI + 2, 2, 1);
    assert_int_equal(edu_remap.entry[0], entry_to(2, 0x71));
    assert_int_equal(edu_remap.entry[1], 0);
    assert_int_equal(read_config(EDU_MSI + 4), message_to(APIC_OF(5)));
    assert_int_equal(read_config(EDU_MSI + 12), 0x4071);
    write_config(EDU_MSI + 5, 1, APIC_OF(0) << 4 & 0xff); /* byte by byte */
    write_config(EDU_MSI + 6, 1, 0xe0 | APIC_OF(0) >> 4);
    write_config(EDU_MSI + 12, 1, 0x72);
    assert_int_equal(edu_remap.entry[0], entry_to(0, 0x72));
    check_capability();
    assert_int_equal(edu->config[EDU_MSI + 2] & 1, 1);
    assert_int_equal(denied(), 0);
}

static void several_messages_have_an_entry_each(void **state)
{
    (void)state;
    write_config(EDU_MSI + 4, 4, message_to(APIC_OF(2)));
    write_config(EDU_MSI + 12, 2, 0x83); /* low bits are the device's */
    write_config(EDU_MSI + 2, 2, 0x21);  /* four */
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(edu_remap.entry[i], i < 4 ? entry_to(1, 0x80 + i) : 0);
    write_config(EDU_MSI + 2, 2, 0x71); /* more than there can be */
    check_entries(&edu_remap);
    write_config(EDU_MSI + 2, 2, 0x01);
    assert_int_equal(edu_remap.entry[0], entry_to(1, 0x83));
    assert_int_equal(edu_remap.entry[1], 0);
    check_capability();
}

static void hostile_messages_are_denied(void **state)
{
    static const uint32_t data[] = {0x00, 0x1f, 0xff, 0x241, 0x441, 0x541, 0x741, 0x8041};
    uint64_t before = denied();

    (void)state;
    write_config(EDU_MSI + 4, 4, message_to(APIC_OF(2)));
    write_config(EDU_MSI + 2, 2, 1);
    for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
        before = denied();
        write_config(EDU_MSI + 12, 2, data[i]);
        assert_int_equal(edu_remap.entry[0], 0);
        assert_int_equal(denied(), before + 1);
    }
    write_config(EDU_MSI + 12, 2, 0x41);
    assert_int_equal(edu_remap.entry[0], entry_to(1, 0x41));
    write_config(EDU_MSI + 4, 4, message_to(APIC_OF(1))); /* vault's */
    assert_int_equal(edu_remap.entry[0], 0);
    write_config(EDU_MSI + 4, 4, message_to(APIC_OF(2)));
    write_config(EDU_MSI + 8, 4, 1);
    assert_int_equal(edu_remap.entry[0], 0);
    check_capability();
}

static uint8_t enabled_as_told;

static void look_at_control(uint16_t device)
{
    read_again(device);
    enabled_as_told = edu->config[EDU_MSI + 2];
}

static void the_iommu_forgets_before_messages_are_enabled(void **state)
{
    (void)state;
    write_config(EDU_MSI + 4, 4, message_to(APIC_OF(2)));
    write_config(EDU_MSI + 12, 2, 0x80);
    model_on_forget = look_at_control;
    enabled_as_told = 0xff;
    write_config(EDU_MSI + 2, 2, 0x21); /* four */
    assert_int_equal(enabled_as_told & 0x71, 0);
    assert_int_equal(edu->config[EDU_MSI + 2] & 0x71, 0x21);
}

/* Also those of a capability; to lose a name is no attempt to send to one. */
static void a_message_follows_logical_names(void **state)
{
    (void)state;
    write_config(EDU_MSI + 4, 4, 0xfee00000 | 2u << 12 | 4);
    write_config(EDU_MSI + 12, 2, 0x61);
    write_config(EDU_MSI + 2, 2, 1);
    assert_int_equal(edu_remap.entry[0], entry_to(1, 0x61));
    set_logical(1, 8);
    assert_int_equal(edu_remap.entry[0], 0);
    set_logical(2, 2);
    assert_int_equal(edu_remap.entry[0], entry_to(2, 0x61));
    assert_int_equal(denied(), 0);
    assert_string_equal(console_text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOLD(devices_begin_with_cores_messages_masked),
        TOLD(another_table_than_described_stops_the_machine),
        TOLD(an_entry_leads_to_the_core_that_was_asked_for),
        TOLD(whole_quadwords_are_written),
        TOLD(what_a_domain_may_not_have_is_closed),
        TOLD(only_whole_aligned_dwords_of_the_table_are_answered),
        TOLD(the_rest_of_the_page_is_the_devices),
        TOLD(the_iommu_forgets_before_the_device_is_unmasked),
        TOLD(logical_names_that_change_are_followed),
        TOLD(a_message_leads_to_the_core_that_was_asked_for),
        TOLD(several_messages_have_an_entry_each),
        TOLD(hostile_messages_are_denied),
        TOLD(the_iommu_forgets_before_messages_are_enabled),
        TOLD(a_message_follows_logical_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
