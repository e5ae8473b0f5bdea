/* Interrupt controllers: cores that aren't this domain's. */
#include "hw/apic.h"
#include "domains/intruder/attacks/attack.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/lib/cpu.h"
#include "hw/x86.h"

#define VECTOR 0xfe /* Linux leaves it alone */

static void send(uintptr_t apic, uint32_t destination, uint32_t low)
{
    mmio_write32(apic + APIC_ICR_HIGH, destination << APIC_ID_SHIFT);
    mmio_write32(apic + APIC_ICR_LOW, low);
}

/*
 * Every delivery mode to the other core: physical, logical, to all others. An INIT would
 * reset it under its domain, an SMI or NMI would stop it, a vector would be its domain's.
 * What came of it shows in the check of vault that follows, since vault runs there.
 */
static void icr(struct report *report)
{
    uint8_t *mapped = map_physical(report, APIC_BASE_DEFAULT, PAGE_SIZE);
    uintptr_t apic = (uintptr_t)mapped;

    if (!mapped)
        return;
    for (uint32_t mode = 0; mode < MODES; mode++) {
        uint32_t low = mode << APIC_ICR_MODE_SHIFT | APIC_ICR_ASSERT | VECTOR;

        send(apic, FOREIGN_APIC, low);
        send(apic, 1u << FOREIGN_APIC, low | APIC_ICR_LOGICAL);
        send(apic, 0, low | APIC_ICR_OTHERS);
    }
    unmap_physical(mapped, PAGE_SIZE);
    report_detail(report, "8 modes, physical, logical, to all others: nobody was hit");
}

/* SMI, INIT and ExtINT from its own local interrupts. The entry must not take the mode. */
static void lvt(struct report *report)
{
    static const uint32_t entries[] = {APIC_LVT_THERMAL, APIC_LVT_COUNTERS, APIC_LVT_LINT0,
                                       APIC_LVT_LINT1, APIC_LVT_ERROR};
    static const uint32_t modes[] = {MODE_SMI, MODE_INIT, MODE_EXTINT};
    uint8_t *mapped = map_physical(report, APIC_BASE_DEFAULT, PAGE_SIZE);
    uintptr_t apic = (uintptr_t)mapped;

    if (!mapped)
        return;
    for (size_t i = 0; i < 15; i++) {
        uint32_t entry = entries[i / 3], mode = modes[i % 3];
        uint32_t before = mmio_read32(apic + entry), after;

        mmio_write32(apic + entry, mode << APIC_ICR_MODE_SHIFT | VECTOR);
        after = mmio_read32(apic + entry);
        if (!(after & APIC_LVT_MASKED) && (after & APIC_ICR_MODE) == mode << APIC_ICR_MODE_SHIFT)
            report_breach(report, "LVT entry %x took mode %u", entry, mode);
        mmio_write32(apic + entry, before);
    }
    unmap_physical(mapped, PAGE_SIZE);
    report_detail(report, "5 entries took neither SMI nor INIT nor ExtINT");
}

/* With another core's id, interrupts meant for that core would come here. */
static void apic_id(struct report *report)
{
    uint8_t *mapped = map_physical(report, APIC_BASE_DEFAULT, PAGE_SIZE);
    uintptr_t apic = (uintptr_t)mapped;
    uint32_t before, after;

    if (!mapped)
        return;
    before = mmio_read32(apic + APIC_ID);
    mmio_write32(apic + APIC_ID, FOREIGN_APIC << APIC_ID_SHIFT);
    after = mmio_read32(apic + APIC_ID);
    if (after != before)
        report_breach(report, "the id was %x, became %x", before, after);
    unmap_physical(mapped, PAGE_SIZE);
    report_detail(report, "the id stays %x", before >> APIC_ID_SHIFT);
}

static uint32_t ioapic_read(uintptr_t ioapic, uint32_t reg)
{
    mmio_write32(ioapic + IOAPIC_SELECT, reg);
    return mmio_read32(ioapic + IOAPIC_WINDOW);
}

static void ioapic_write(uintptr_t ioapic, uint32_t reg, uint32_t value)
{
    mmio_write32(ioapic + IOAPIC_SELECT, reg);
    mmio_write32(ioapic + IOAPIC_WINDOW, value);
}

/* A redirection entry that sends SMI, NMI, INIT or ExtINT, to the other core. */
static void try_pin(struct report *report, uintptr_t ioapic, uint32_t pin)
{
    static const uint32_t modes[] = {MODE_SMI, MODE_NMI, MODE_INIT, MODE_EXTINT};
    uint32_t low_reg = IOAPIC_ENTRY + 2 * pin, high_reg = low_reg + 1;
    uint32_t low = ioapic_read(ioapic, low_reg), high = ioapic_read(ioapic, high_reg);

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        uint32_t after;

        ioapic_write(ioapic, high_reg, FOREIGN_APIC << APIC_ID_SHIFT);
        ioapic_write(ioapic, low_reg, modes[i] << APIC_ICR_MODE_SHIFT | VECTOR);
        after = ioapic_read(ioapic, low_reg);
        if (!(after & APIC_LVT_MASKED) && (after & APIC_ICR_MODE) > MODE_LOWEST
                                                                        << APIC_ICR_MODE_SHIFT)
            report_breach(report, "entry %u took mode %u", pin, modes[i]);
    }
    ioapic_write(ioapic, low_reg, low | APIC_LVT_MASKED);
    ioapic_write(ioapic, high_reg, high);
    ioapic_write(ioapic, low_reg, low);
}

static void ioapic(struct report *report)
{
    uint8_t *mapped = map_physical(report, IOAPIC_BASE_DEFAULT, PAGE_SIZE);

    if (!mapped)
        return;
    for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
        try_pin(report, (uintptr_t)mapped, pin);
    unmap_physical(mapped, PAGE_SIZE);
    report_detail(report, "24 entries took neither SMI nor NMI nor INIT nor ExtINT");
}

static const struct attack attacks[] = {
    {"icr", icr, "NMI, INIT, SIPI, SMI and vectors to the other core"},
    {"lvt", lvt, "SMI, INIT, ExtINT from its own local interrupts"},
    {"apic-id", apic_id, "take another core's APIC id"},
    {"ioapic", ioapic, "SMI, NMI, INIT, ExtINT by the I/O APIC"},
};
const struct subject apic_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
