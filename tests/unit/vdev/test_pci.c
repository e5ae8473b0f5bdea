/* PCI configuration space as a domain sees it through ports CF8h to CFFh. */
#include <string.h>

#include "core/audit/audit.h"
#include "core/vdev/vdev.h"
#include "hw/pci.h"
#include "models/console_model.h"
#include "models/dma_model.h"
#include "models/pci_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define NIC     PCI_FUNCTION(0, 3, 0) /* work's */
#define BRIDGE  PCI_FUNCTION(0, 0, 0) /* work may look at it */
#define FOREIGN PCI_FUNCTION(0, 4, 0)
#define NOBODY  PCI_FUNCTION(0, 31, 7)

#define MSIX        0x40u
#define STATUS_BITS 0xf900u /* cleared by writing ones, PCI 3.0, 6.2.3 */

static struct vcpu *work;
static struct pci_model *nic, *bridge, *foreign;

/* No device here has BARs. */
static void behave(struct pci_model *model, uint16_t offset)
{
    (void)offset;
    memset(&model->config[PCI_BAR0], 0, 24);
}

static void add_rows(void)
{
    struct bh_pci_function *row = image_model.function;

    row[0] = (struct bh_pci_function){.bdf = FOREIGN, .domain = VAULT, .granted = 1};
    row[1] = (struct bh_pci_function){.bdf = BRIDGE, .domain = WORK};
    row[1].read_mask[0] = UINT32_MAX;
    row[1].read_mask[2] = UINT32_MAX;
    row[2] = (struct bh_pci_function){.bdf = NIC, .domain = WORK, .granted = 1};
    memset(row[2].read_mask, 0xff, sizeof(row[2].read_mask));
    row[2].read_mask[0x60 / 4] = 0x0000ffff;
    row[2].write_mask[PCI_COMMAND / 4] = 0x406;
    row[2].write_mask[MSIX / 4] = 0xc0000000;
    image_model.domain[WORK].functions = (struct bh_table){1, 2};
    image_model.domain[VAULT].functions = (struct bh_table){0, 1};
}

/* As core does: BARs are placed for all domains, then one begins. */
static struct vcpu *init_work(void)
{
    const struct bh_table *own = &image_model.domain[WORK].functions;

    image_model.header.functions.count = own->offset + own->count; /* work's rows are the last */
    vpci_place(&image_model.header);
    return vcpu_model_init(WORK);
}

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    pci_model_reset();
    bridge = pci_model_add(BRIDGE, 6);
    nic = pci_model_add(NIC, 2);
    foreign = pci_model_add(FOREIGN, 1);
    nic->on_write = foreign->on_write = behave;
    nic->clears[PCI_STATUS + 1] = STATUS_BITS >> 8;
    nic->config[PCI_COMMAND] = 0xff; /* as firmware left it */
    foreign->config[PCI_COMMAND] = 7;
    add_rows();
    work = init_work();
    console_clear();
    return 0;
}

static bool out(uint16_t port, unsigned size, uint32_t value)
{
    return vdev_port(work, port, size, false, &value);
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint32_t value = 0x5a5a5a5a;

    assert_true(vdev_port(work, port, size, true, &value));
    return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

static void select(uint16_t bdf, unsigned reg)
{
    assert_true(out(PCI_CONFIG_ADDRESS, 4, PCI_CONFIG_ENABLE | (uint32_t)bdf << 8 | reg));
}

static uint32_t read_config(uint16_t bdf, unsigned reg, unsigned size)
{
    select(bdf, reg & 0xfc);
    return in((uint16_t)(PCI_CONFIG_DATA + (reg & 3)), size);
}

static void write_config(uint16_t bdf, unsigned reg, unsigned size, uint32_t value)
{
    select(bdf, reg & 0xfc);
    assert_true(out((uint16_t)(PCI_CONFIG_DATA + (reg & 3)), size, value));
}

static uint64_t violations(void)
{
    return audit_count(WORK, VIOLATION_PCI_WRITE);
}

static uint32_t dword(const struct pci_model *model, unsigned reg)
{
    uint32_t value;

    memcpy(&value, &model->config[reg], 4);
    return value;
}

static void ids_are_shown_and_the_rest_by_masks(void **state)
{
    (void)state;
    nic->config[0x62] = 0x77;
    nic->config[0x60] = 0x66;
    bridge->config[0x60] = 0x55;
    bridge->config[PCI_COMMAND] = 7;
    assert_int_equal(read_config(NIC, 0, 4), dword(nic, 0));
    assert_int_equal(read_config(BRIDGE, 0, 4), dword(bridge, 0));
    assert_int_equal(read_config(BRIDGE, PCI_CLASS, 4), dword(bridge, PCI_CLASS));
    assert_int_equal(read_config(NIC, 0x60, 4), 0x66);
    assert_int_equal(read_config(NIC, 0x62, 2), 0);
    assert_int_equal(read_config(BRIDGE, 0x60, 4), 0);
    assert_int_equal(read_config(BRIDGE, PCI_COMMAND, 2), 0);
}

static void absent_and_foreign_functions_read_all_ones(void **state)
{
    static const uint16_t functions[] = {FOREIGN, NOBODY, NIC + 1, NIC | 1 << 8, 0xffff};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(read_config(functions[i], 0, 4), 0xffffffff);
        assert_int_equal(read_config(functions[i], PCI_BAR0, 4), 0xffffffff);
        assert_int_equal(read_config(functions[i], 3, 1), 0xff);
    }
    assert_string_equal(console_text, "");
}

static void foreign_functions_are_not_written(void **state)
{
    uint64_t before_count = violations();
    uint8_t before[256];

    (void)state;
    memcpy(before, foreign->config, 256);
    for (unsigned reg = 0; reg < 256; reg += 4)
        write_config(FOREIGN, reg, 4, 0xffffffff);
    assert_memory_equal(foreign->config, before, 256);
    assert_int_equal(violations(), before_count + 64);
}

static void the_command_register_is_written_through_its_mask(void **state)
{
    (void)state;
    write_config(NIC, PCI_COMMAND, 2, 0xffff);
    assert_int_equal(dword(nic, PCI_COMMAND), 0x406);
    write_config(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(dword(nic, PCI_COMMAND), 2);
    write_config(NIC, PCI_COMMAND + 1, 1, 0xff);
    assert_int_equal(dword(nic, PCI_COMMAND), 0x402);
    write_config(NIC, PCI_COMMAND, 4, 0);
    assert_int_equal(dword(nic, PCI_COMMAND), 0);
    nic->config[PCI_COMMAND] = 0x40; /* what isn't the domain's stays */
    write_config(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(dword(nic, PCI_COMMAND), 0x42);
    write_config(NIC, MSIX, 4, 0xffffffff);
    assert_int_equal(dword(nic, MSIX), 0xc0000000);
}

static void status_bits_are_not_cleared_by_the_way(void **state)
{
    (void)state;
    nic->config[PCI_STATUS + 1] = STATUS_BITS >> 8;
    write_config(NIC, PCI_COMMAND, 2, 0xffff);
    write_config(NIC, PCI_COMMAND, 4, 0xffffffff);
    write_config(NIC, PCI_STATUS, 2, 0xffff);
    assert_int_equal(nic->config[PCI_STATUS + 1], STATUS_BITS >> 8);
    assert_int_equal(read_config(NIC, PCI_STATUS, 2), STATUS_BITS);
}

/* BARs and ROM, the latency timer and a command that asks for nothing are no offence. */
static void other_registers_are_not_written(void **state)
{
    uint64_t before_count = violations();
    uint8_t before[256];

    (void)state;
    memcpy(before, nic->config, 256);
    for (unsigned reg = 0; reg < 256; reg++)
        if (reg != PCI_COMMAND && reg != PCI_COMMAND + 1 && reg != MSIX + 3)
            write_config(NIC, reg, 1, 0xff);
    assert_memory_equal(nic->config, before, 256);
    assert_int_equal(violations(), before_count + 256 - 3 - 24 - 4 - 1);
}

/* What every system does to each function that it finds says nothing about its intentions. */
static void probing_is_no_violation(void **state)
{
    uint8_t before[256];

    (void)state;
    memcpy(before, bridge->config, 256);
    for (unsigned reg = PCI_BAR0; reg < PCI_BAR0 + 24; reg += 4)
        write_config(BRIDGE, reg, 4, 0xffffffff);
    write_config(BRIDGE, PCI_ROM, 4, 0xfffff800);
    write_config(BRIDGE, PCI_LATENCY, 1, 0x40);
    write_config(BRIDGE, PCI_COMMAND, 2, 0x400);
    assert_string_equal(console_text, "");
    write_config(BRIDGE, PCI_COMMAND, 2, 4);
    write_config(BRIDGE, 0x60, 4, 0xb0000001); /* PCIEXBAR */
    assert_string_equal(console_text, "work: denied pci-write at 0x4 (0x4)\n"
                                      "work: denied pci-write at 0x60 (0xb0000001)\n");
    assert_memory_equal(bridge->config, before, 256);
}

static void parts_of_a_register_are_read_where_they_are(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        nic->config[0x50 + i] = (uint8_t)(0xa0 + i);
    select(NIC, 0x50);
    assert_int_equal(in(0xcfc, 4), 0xa3a2a1a0);
    assert_int_equal(in(0xcfc, 2), 0xa1a0);
    assert_int_equal(in(0xcfd, 2), 0xa2a1); /* unaligned, within the register */
    assert_int_equal(in(0xcfe, 2), 0xa3a2);
    assert_int_equal(in(0xcff, 1), 0xa3);
}

static void accesses_across_the_end_are_refused(void **state)
{
    static const struct {
        uint16_t port;
        unsigned size;
    } rows[] = {{0xcfd, 4}, {0xcfe, 4}, {0xcff, 4}, {0xcff, 2}, {0xcf6, 4}, {0xcf7, 2},
                {0xcf9, 4}, {0xcfa, 4}, {0xcfb, 2}, {0xcfb, 4}, {0xd00, 1}, {0xcf7, 1}};
    uint32_t value;

    (void)state;
    select(NIC, PCI_COMMAND);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        value = 0xffffffff;
        assert_false(vdev_port(work, rows[i].port, rows[i].size, false, &value));
        assert_false(vdev_port(work, rows[i].port, rows[i].size, true, &value));
    }
    assert_int_equal(dword(nic, PCI_COMMAND), 0);
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), PCI_CONFIG_ENABLE | NIC << 8 | PCI_COMMAND);
}

/* CF9h, of one byte, resets the machine. */
static void the_address_is_written_as_a_whole(void **state)
{
    uint32_t value = 0xff;

    (void)state;
    select(NIC, 0x50);
    for (uint16_t port = 0xcf8; port < 0xcfc; port++)
        for (unsigned size = 1; size <= 2; size++) {
            assert_false(vdev_port(work, port, size, false, &value));
            assert_false(vdev_port(work, port, size, true, &value));
        }
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), PCI_CONFIG_ENABLE | NIC << 8 | 0x50);
    assert_true(out(PCI_CONFIG_ADDRESS, 4, 0xffffffff));
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), 0x8ffffffc);
}

static void nothing_is_there_without_the_enable_bit(void **state)
{
    (void)state;
    assert_true(out(PCI_CONFIG_ADDRESS, 4, NIC << 8));
    assert_int_equal(in(PCI_CONFIG_DATA, 4), 0xffffffff);
    assert_true(out(PCI_CONFIG_DATA, 4, 0xffffffff));
    assert_true(out(PCI_CONFIG_ADDRESS, 4, NIC << 8 | PCI_COMMAND));
    assert_true(out(PCI_CONFIG_DATA, 4, 0xffffffff));
    assert_int_equal(dword(nic, PCI_COMMAND), 0);
}

/*
 * AMD's extended addresses: bits 27:24 are the register's bits 11:8. A domain is told that they are
 * in use (MSR NB_CFG), so register 104h must not be taken for the command register.
 */
static void extended_registers_are_absent(void **state)
{
    uint64_t before_count = violations();

    (void)state;
    for (uint32_t high = 1; high < 16; high++) {
        assert_true(
            out(PCI_CONFIG_ADDRESS, 4, PCI_CONFIG_ENABLE | high << 24 | NIC << 8 | PCI_COMMAND));
        assert_int_equal(in(PCI_CONFIG_DATA, 4), 0xffffffff);
        assert_true(out(PCI_CONFIG_DATA, 4, 0xffffffff));
        assert_int_equal(dword(nic, PCI_COMMAND), 0);
    }
    assert_int_equal(violations(), before_count + 15);
}

static void each_domain_has_an_address_of_its_own(void **state)
{
    struct vcpu *vault = vcpu_model_init(VAULT);
    uint32_t value = PCI_CONFIG_ENABLE | FOREIGN << 8;

    (void)state;
    select(NIC, 0x50);
    assert_true(vdev_port(vault, PCI_CONFIG_ADDRESS, 4, false, &value));
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), PCI_CONFIG_ENABLE | NIC << 8 | 0x50);
    assert_true(vdev_port(vault, PCI_CONFIG_DATA, 4, true, &value));
    assert_int_equal(value, 0xffffffff & image_model.function[0].read_mask[0]);
}

static void functions_are_quiet_at_first(void **state)
{
    (void)state;
    assert_int_equal(nic->config[PCI_COMMAND], 0);
    assert_int_equal(foreign->config[PCI_COMMAND], 0);
}

static void a_stopped_domains_devices_are_cut_off(void **state)
{
    (void)state;
    write_config(NIC, PCI_COMMAND, 2, 6);
    foreign->config[PCI_COMMAND] = 7; /* in use by its domain */
    model_revocations = 0;
    vdev_stop_domain(work);
    assert_int_equal(dword(nic, PCI_COMMAND), 0);
    assert_int_equal(foreign->config[PCI_COMMAND], 7);
    assert_int_equal(model_revocations, 1);
    assert_int_equal(model_revoked, WORK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(probing_is_no_violation, start),
        cmocka_unit_test_setup(ids_are_shown_and_the_rest_by_masks, start),
        cmocka_unit_test_setup(absent_and_foreign_functions_read_all_ones, start),
        cmocka_unit_test_setup(foreign_functions_are_not_written, start),
        cmocka_unit_test_setup(the_command_register_is_written_through_its_mask, start),
        cmocka_unit_test_setup(status_bits_are_not_cleared_by_the_way, start),
        cmocka_unit_test_setup(other_registers_are_not_written, start),
        cmocka_unit_test_setup(parts_of_a_register_are_read_where_they_are, start),
        cmocka_unit_test_setup(accesses_across_the_end_are_refused, start),
        cmocka_unit_test_setup(the_address_is_written_as_a_whole, start),
        cmocka_unit_test_setup(nothing_is_there_without_the_enable_bit, start),
        cmocka_unit_test_setup(extended_registers_are_absent, start),
        cmocka_unit_test_setup(each_domain_has_an_address_of_its_own, start),
        cmocka_unit_test_setup(functions_are_quiet_at_first, start),
        cmocka_unit_test_setup(a_stopped_domains_devices_are_cut_off, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
