/* Interrupt remapping at run time, on a model of AMD-Vi that caches entries until told otherwise.
 */
#include <string.h>

#include "core/iommu_dev/dma.h"
#include "core/iommu_dev/remap.h"
#include "core/platform/cpu.h"
#include "iommu_dev/machine.h"
#include "models/console_model.h"
#include "testing.h"

#define APIC_OF(core) (0x30u + (core))

struct cpu_area cpu_areas[CPU_MAX];
static _Alignas(BH_PAGE) struct bh_remap network, ioapic;
static struct remap source;

static void give(unsigned row, uint16_t device, struct bh_remap *remap)
{
    uint64_t *dte = machine_policy.dtes[row].dte;

    machine_policy.dtes[row].device_id = device;
    machine_policy.dtes[row].domain = WORK;
    dte[2] = (dte[2] & ~AMDVI_DTE2_INTTABROOT) | (uint64_t)remap;
    memset(remap, 0, sizeof(*remap));
}

/* work has cores 3 and 1, the network card, and the I/O APIC in place of the disk. */
static int make_remapped(void **state)
{
    (void)state;
    machine_make(2);
    for (unsigned n = 0; n < CPU_MAX; n++)
        cpu_areas[n].cpu.apic_id = APIC_OF(n);
    machine_policy.domains[WORK].ncores = 2;
    machine_policy.domains[WORK].core[0] = 3;
    machine_policy.domains[WORK].core[1] = 1;
    machine_policy.domains[WORK].interrupts = BH_DIRECT;
    give(0, NETWORK, &network);
    give(1, AMDVI_IOAPIC_DEVICE, &ioapic);
    machine_policy.dtes[1].dte[0] = AMDVI_DTE0_V | AMDVI_DTE0_TV;
    machine_policy.dtes[1].dte[1] = 1;
    dma_close();
    dma_apply(&machine_policy.header);
    source = remap_find(&machine_policy.header, WORK, NETWORK);
    return 0;
}

/* What a device's interrupt becomes, by either IOMMU; 0: nothing. */
static uint32_t interrupt(uint16_t device, uint32_t data)
{
    uint32_t first, second;
    bool passes = model_interrupt(machine_unit(0), device, data, &first);

    assert_int_equal(passes, model_interrupt(machine_unit(1), device, data, &second));
    assert_int_equal(first, second);
    return passes ? first : 0;
}

static uint32_t entry_to(unsigned core, uint32_t vector)
{
    return AMDVI_IRTE_REMAP_EN | APIC_OF(core) << 8 | vector << 16;
}

static void nothing_passes_at_first(void **state)
{
    (void)state;
    for (uint32_t data = 0; data < 2048; data++)
        assert_int_equal(interrupt(NETWORK, data) | interrupt(AMDVI_IOAPIC_DEVICE, data), 0);
}

static void changes_are_seen_once_they_are_committed(void **state)
{
    (void)state;
    for (uint32_t index = 0; index < BH_REMAP_INDEXES; index += 73) {
        assert_int_equal(interrupt(NETWORK, index), 0); /* now it is cached */
        assert_true(remap_point(&source, index, 1, 0x41));
        assert_int_equal(interrupt(NETWORK, index), 0);
        remap_commit(&source);
        assert_int_equal(interrupt(NETWORK, index), entry_to(1, 0x41));
        assert_true(remap_point(&source, index, 0, 0xfe));
        remap_commit(&source);
        assert_int_equal(interrupt(NETWORK, index), entry_to(3, 0xfe));
        remap_close(&source, index);
        remap_commit(&source);
        assert_int_equal(interrupt(NETWORK, index), 0);
    }
}

static void what_does_not_change_costs_no_command(void **state)
{
    uint32_t before;

    (void)state;
    remap_point(&source, 7, 1, 0x41);
    remap_commit(&source);
    before = machine_unit(0)->commands;
    remap_point(&source, 7, 1, 0x41);
    remap_close(&source, 8);
    remap_commit(&source);
    assert_int_equal(machine_unit(0)->commands, before);
}

static void each_source_has_entries_of_its_own(void **state)
{
    struct remap pins = remap_find_ioapic(&machine_policy.header, WORK);

    (void)state;
    assert_ptr_equal(pins.table, &ioapic);
    assert_int_equal(pins.device, AMDVI_IOAPIC_DEVICE);
    remap_point(&pins, 3, 1, 0x51);
    remap_commit(&pins);
    assert_int_equal(interrupt(AMDVI_IOAPIC_DEVICE, 3), entry_to(1, 0x51));
    assert_int_equal(interrupt(NETWORK, 3), 0);
}

/* An entry that stood there is closed, too. */
static void what_is_denied_is_closed(void **state)
{
    static const struct {
        uint32_t id, vector;
    } bad[] = {{2, 0x41}, {255, 0x41}, {UINT32_MAX, 0x41}, {0, 0},         {0, 0x1f},
               {1, 0xff}, {0, 0x100},  {0, 0x141},         {0, UINT32_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(remap_point(&source, 9, 0, 0x41));
        assert_false(remap_point(&source, 9, bad[i].id, bad[i].vector));
        assert_int_equal(network.entry[9], 0);
    }
}

static void there_is_nothing_behind_the_table(void **state)
{
    static const uint8_t zero[sizeof(network)];

    (void)state;
    assert_false(remap_point(&source, BH_REMAP_INDEXES, 0, 0x41));
    assert_false(remap_point(&source, 2047, 0, 0x41));
    assert_false(remap_point(&source, UINT32_MAX, 0, 0x41));
    remap_close(&source, UINT32_MAX);
    assert_memory_equal(&network, zero, sizeof(zero));
}

/* Other domains' devices, and domains whose interrupts are compiled or virtual. */
static void only_own_sources_are_found(void **state)
{
    const struct bh_header *h = &machine_policy.header;

    (void)state;
    assert_ptr_equal(remap_find(h, WORK, NETWORK).table, &network);
    assert_null(remap_find(h, VAULT, NETWORK).table);
    assert_null(remap_find(h, WORK, FOREIGN).table);
    assert_null(remap_find_ioapic(h, VAULT).table);
    machine_policy.domains[WORK].ncores = 1;
    assert_null(remap_find(h, WORK, NETWORK).table);
    machine_policy.domains[WORK].ncores = 2;
    machine_policy.domains[WORK].interrupts = BH_VIRTUAL;
    source = remap_find(h, WORK, NETWORK);
    assert_null(source.table);
    assert_false(remap_point(&source, 0, 0, 0x41));
    remap_close(&source, 0);
    remap_commit(&source);
}

static void stopped_domains_entries_lead_nowhere(void **state)
{
    (void)state;
    remap_point(&source, 5, 0, 0x41);
    remap_commit(&source);
    assert_int_equal(interrupt(NETWORK, 5), entry_to(3, 0x41));
    dma_revoke(WORK);
    assert_int_equal(interrupt(NETWORK, 5), 0);
}

static void commit(void *argument)
{
    (void)argument;
    remap_commit(&source);
}

static void a_unit_that_does_not_forget_stops_the_machine(void **state)
{
    (void)state;
    machine_unit(1)->ignores_commands = true;
    remap_point(&source, 5, 0, 0x41);
    expect_fatal(commit, NULL, "IOMMU 1 at fec80000: it doesn't carry out commands");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_remapped, machine_check_units)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_passes_at_first),
        TEST(changes_are_seen_once_they_are_committed),
        TEST(what_does_not_change_costs_no_command),
        TEST(each_source_has_entries_of_its_own),
        TEST(what_is_denied_is_closed),
        TEST(there_is_nothing_behind_the_table),
        TEST(only_own_sources_are_found),
        TEST(stopped_domains_entries_lead_nowhere),
        TEST(a_unit_that_does_not_forget_stops_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
