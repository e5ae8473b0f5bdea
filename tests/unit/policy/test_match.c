/* match_memory and match_machine: a policy runs only where what it relies on is there. */
#include "testing.h"

#include <string.h>

#include "bulkhead/layout.h"
#include "core/policy/match.h"
#include "hw/amdvi.h"
#include "policy/sample.h"

static struct sample sample;
static struct boot_info info;
static struct policy_machine machine;

/* Two functions as the sample names them, nothing else. */
static uint32_t pci_id(uint16_t bdf)
{
    switch (bdf) {
    case 0:
        return 0x29c08086;
    case 0x18:
        return 0x10411af4;
    default:
        return UINT32_MAX;
    }
}

static int set_up(void **state)
{
    (void)state;
    sample_build(&sample);
    memset(&info, 0, sizeof info);
    info.regions[0] = (struct boot_region){0x100000, SAMPLE_RAM, MEMORY_USABLE};
    info.region_count = 1;
    info.modules[0] = (struct boot_module){CORE_END - 0x1000, CORE_END + 0x1000, "policy"};
    info.module_count = 1;
    machine = (struct policy_machine){.features = BH_FEATURE_NPT | BH_FEATURE_AMDVI,
                                      .asids = 16,
                                      .cpus = 2,
                                      .apic_id = {0, 1},
                                      .pci_id = pci_id};
    return 0;
}

static void compare(bool matched, struct policy_fault got, enum policy_check check, uint32_t row,
                    uint64_t value)
{
    assert_int_equal(matched, check == POLICY_OK);
    assert_int_equal(got.check, check);
    assert_int_equal(got.row, row);
    assert_int_equal(got.value, value);
}

static void memory_gives(enum policy_check check, uint32_t row, uint64_t value)
{
    struct policy_fault fault = {.check = POLICY_OK};
    bool matched = match_memory(&sample.header, &info, &fault);

    compare(matched, fault, check, row, value);
}

static void machine_gives(enum policy_check check, uint32_t row, uint64_t value)
{
    struct policy_fault fault = {.check = POLICY_OK};
    bool matched = match_machine(&sample.header, &machine, &fault);

    compare(matched, fault, check, row, value);
}

static void right_machine_matches(void **state)
{
    (void)state;
    memory_gives(POLICY_OK, 0, 0);
    machine_gives(POLICY_OK, 0, 0);
}

static void regions_need_usable_memory(void **state)
{
    (void)state;
    info.regions[0].end = CORE_END - 1; /* too little */
    memory_gives(POLICY_REGION_RAM, 4, CORE_BASE);
    info.regions[0].end = SAMPLE_VAULT + SAMPLE_VAULT_SIZE - 0x1000;
    memory_gives(POLICY_REGION_RAM, 1, SAMPLE_VAULT);
    info.regions[0].end = SAMPLE_RAM;
    info.regions[1] = (struct boot_region){SAMPLE_CHANNEL, SAMPLE_CHANNEL + 1, MEMORY_NVS};
    info.region_count = 2; /* usable by one entry, not by another */
    memory_gives(POLICY_REGION_RAM, 2, SAMPLE_CHANNEL);
    info.region_count = 1; /* RAM that core's page tables don't reach */
    info.regions[0].end = 0x200000000;
    sample.region[4].base = 0xfffff000;
    memory_gives(POLICY_REGION_RAM, 4, 0xfffff000);
}

static void modules_lie_in_no_region(void **state)
{
    (void)state;
    info.modules[0] = (struct boot_module){SAMPLE_VAULT - 1, SAMPLE_VAULT + 1, "initrd"};
    memory_gives(POLICY_REGION_MODULE, 0, SAMPLE_BASE);
    info.modules[0].start = SAMPLE_VAULT;
    memory_gives(POLICY_REGION_MODULE, 1, SAMPLE_VAULT);
}

static void features_are_required(void **state)
{
    (void)state;
    machine.features = BH_FEATURE_AMDVI;
    machine_gives(POLICY_NO_NPT, 0, 0);
    machine.features = BH_FEATURE_NPT;
    machine_gives(POLICY_NO_AMDVI, 0, 0);
    machine.features |= BH_FEATURE_AMDVI;
    sample.header.required_features |= BH_FEATURE_RDRAND;
    machine_gives(POLICY_NO_RDRAND, 0, 0);
    machine.features |= BH_FEATURE_RDRAND;
    machine_gives(POLICY_OK, 0, 0);
}

static void cpus_and_asids_are_counted(void **state)
{
    (void)state;
    machine.cpus = 1;
    machine_gives(POLICY_FEW_CPUS, SAMPLE_VAULT_DOMAIN, 1);
    machine.cpus = 2;
    machine.asids = 0;
    machine_gives(POLICY_NO_SVM, 0, 0);
    machine.asids = 1; /* the host's */
    machine_gives(POLICY_NO_SVM, 0, 0);
    machine.asids = 2;
    machine_gives(POLICY_OK, 0, 0);
}

static void devices_are_the_named_ones(void **state)
{
    (void)state;
    sample.function[1].device = 0x1000;
    machine_gives(POLICY_OTHER_DEVICE, 1, 0x10411af4);
    sample.function[1].bdf = 0x20;
    machine_gives(POLICY_OTHER_DEVICE, 1, UINT32_MAX);
    sample.function[0].vendor = 0x1022;
    machine_gives(POLICY_OTHER_DEVICE, 0, 0x29c08086);
}

static void interrupts_stay_on_their_domains_cores(void **state)
{
    uint32_t *entry = sample_at(&sample, sample.dte[1].dte[2] & AMDVI_DTE2_INTTABROOT);

    (void)state;
    entry[200] |= 1u << AMDVI_IRTE_DEST_SHIFT; /* vault's core */
    machine_gives(POLICY_DTE_CORE, 0, 1);
    entry[200] &= ~AMDVI_IRTE_REMAP_EN;
    machine_gives(POLICY_OK, 0, 0);
    machine.apic_id[0] = 4; /* core 0 has another APIC id than policyc supposed */
    machine_gives(POLICY_DTE_CORE, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(right_machine_matches, set_up),
        cmocka_unit_test_setup(regions_need_usable_memory, set_up),
        cmocka_unit_test_setup(modules_lie_in_no_region, set_up),
        cmocka_unit_test_setup(features_are_required, set_up),
        cmocka_unit_test_setup(cpus_and_asids_are_counted, set_up),
        cmocka_unit_test_setup(devices_are_the_named_ones, set_up),
        cmocka_unit_test_setup(interrupts_stay_on_their_domains_cores, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
