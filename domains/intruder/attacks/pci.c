/* PCI configuration space by CF8h and CFCh: functions that aren't this domain's. */
#include "hw/pci.h"
#include "domains/intruder/attacks/attack.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/lib/cpu.h"

static void select_register(uint16_t bdf, uint8_t reg)
{
    out32(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | (uint32_t)bdf << 8 | (reg & 0xfc));
}

static uint32_t read_config(uint16_t bdf, uint8_t reg)
{
    select_register(bdf, reg);
    return in32(PCI_CONFIG_DATA);
}

/* Writes every bit the other way round, as a dword and byte by byte: nothing may change. */
static void try_register(struct report *report, uint16_t bdf, uint8_t reg)
{
    uint32_t before = read_config(bdf, reg), after;

    select_register(bdf, reg);
    out32(PCI_CONFIG_DATA, ~before);
    for (uint16_t byte = 0; byte < 4; byte++)
        out8((uint16_t)(PCI_CONFIG_DATA + byte), (uint8_t)(~before >> (8 * byte)));
    after = read_config(bdf, reg);
    if (after != before)
        report_breach(report, "register %x of function %x was %x, became %x", reg, bdf, before,
                      after);
}

/* PCIEXBAR, PAM, SMRAM, TSEG, remapping: who hears which address. */
static void host_bridge(struct report *report)
{
    for (unsigned reg = 0; reg < 0x100; reg += 4)
        try_register(report, BDF_HOST_BRIDGE, (uint8_t)reg);
    report_detail(report, "64 registers, PAM and SMRAM among them, keep their values");
}

static void expect_absent(struct report *report, uint16_t bdf)
{
    uint32_t id = read_config(bdf, 0);

    if (id != 0xffffffff)
        report_breach(report, "function %x shows its id %x", bdf, id);
    for (unsigned reg = 0; reg < 0x100; reg += 4)
        try_register(report, bdf, (uint8_t)reg);
}

/* LPC bridge: PMBASE, RCBA, BIOS_CNTL. AHCI, SMBus, IOMMU: bus masters and capabilities. */
static void foreign_functions(struct report *report)
{
    static const uint16_t functions[] = {BDF_IOMMU, BDF_LPC, BDF_AHCI, 0x00fb, 0x00a0, 0x0100};
    size_t count = sizeof(functions) / sizeof(functions[0]);

    for (size_t i = 0; i < count; i++)
        expect_absent(report, functions[i]);
    report_detail(report, "LPC bridge, AHCI, SMBus, IOMMU and others read as absent");
}

/* Parts of CF8h written alone must not become an address. */
static void address_in_parts(struct report *report)
{
    out32(PCI_CONFIG_ADDRESS, 0);
    for (uint16_t byte = 0; byte < 4; byte++)
        if (PCI_CONFIG_ADDRESS + byte != PORT_RESET)
            out8((uint16_t)(PCI_CONFIG_ADDRESS + byte), byte == 3 ? 0x80 : 0);
    if (in32(PCI_CONFIG_ADDRESS) != 0)
        report_breach(report, "CF8h took single bytes: %x", in32(PCI_CONFIG_ADDRESS));
    if (in32(PCI_CONFIG_DATA) != 0xffffffff)
        report_breach(report, "CFCh answers without an address");
    report_detail(report, "CF8h takes no single bytes");
}

static const struct attack attacks[] = {
    {"host-bridge", host_bridge, "rewrite PAM, SMRAM, PCIEXBAR of the host bridge"},
    {"foreign-functions", foreign_functions, "find and rewrite functions of others"},
    {"address-in-parts", address_in_parts, "byte-wise writes of CF8h"},
};
const struct subject pci_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
