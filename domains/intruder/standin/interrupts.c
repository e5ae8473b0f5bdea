/* Interrupts that would hit another core, or this one in a way that only core may use. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

#define VECTOR       0x71u
#define TIMER_SOON   1000u
#define PIT_CHANNEL0 0x40
#define PIT_COMMAND  0x43
#define PIT_SQUARE   0x36 /* channel 0, both bytes, mode 3 */
#define PIT_DIVISOR  1193 /* 1 ms */
#define PIT_PIN      2u
#define SOME_TIME    3000000u /* of the TSC: PIT ticks and APIC timer have come meanwhile */

static const uintptr_t apic = APIC_BASE_DEFAULT;
static const uintptr_t ioapic = IOAPIC_BASE_DEFAULT;

static void let_time_pass(void)
{
    uint64_t start = read_tsc();

    while (read_tsc() - start < SOME_TIME)
        __asm__ volatile("pause");
    let_interrupts_in();
}

/* A destination of an IPI, in ICR_HIGH and ICR_LOW. */
static const struct {
    const char *name;
    uint32_t high, low;
} destinations[] = {
    {"physical", FOREIGN_APIC, 0},
    {"physical broadcast", 0xff, 0},
    {"physical, id 0Fh", 0x0f, 0},
    {"logical", 1u << FOREIGN_APIC, APIC_ICR_LOGICAL},
    {"logical broadcast", 0xff, APIC_ICR_LOGICAL},
    {"shorthand all", 0, APIC_ICR_ALL},
    {"shorthand others", 0, APIC_ICR_OTHERS},
};

/*
 * Each delivery mode to each destination, asserted and not. INIT resets a core whatever GIF
 * and intercepts say; vault is asked each time, since it lives on the other core.
 */
static void ipi(struct report *report)
{
    unsigned tried = 0;

    for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
        for (uint32_t mode = 0; mode < MODES; mode++) {
            unsigned breaches = report->breaches;

            mmio_write32(apic + APIC_ICR_HIGH, destinations[i].high << APIC_ID_SHIFT);
            mmio_write32(apic + APIC_ICR_LOW, destinations[i].low | APIC_ICR_ASSERT |
                                                  mode << APIC_ICR_MODE_SHIFT | VECTOR);
            mmio_write32(apic + APIC_ICR_LOW,
                         destinations[i].low | mode << APIC_ICR_MODE_SHIFT | VECTOR);
            let_interrupts_in();
            victim_check(report);
            tried++;
            if (report->breaches > breaches)
                report_breach(report, "after mode %u to %s", mode, destinations[i].name);
        }
    }
    report_detail(report, "%u forms: vault answered after each", tried);
}

/* Only modes that nobody may send to himself: an INIT or SIPI would restart this core. */
static void ipi_self(struct report *report)
{
    static const uint32_t modes[] = {MODE_SMI, MODE_RESERVED, MODE_INIT, MODE_STARTUP, MODE_EXTINT};
    uint32_t own = mmio_read32(apic + APIC_ID);

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        uint32_t low = APIC_ICR_ASSERT | modes[i] << APIC_ICR_MODE_SHIFT | VECTOR;

        mmio_write32(apic + APIC_ICR_HIGH, own);
        mmio_write32(apic + APIC_ICR_LOW, low);
        mmio_write32(apic + APIC_ICR_LOW, low | APIC_ICR_SELF);
        let_interrupts_in();
    }
    report_detail(report, "SMI, INIT, SIPI, ExtINT to its own core: nothing came");
}

static void expect_no_nmi(struct report *report, uint32_t before, const char *what, uint32_t mode)
{
    if (flat_arrived[VECTOR_NMI] != before)
        report_breach(report, "%s with mode %u brought an NMI", what, mode);
}

/* The timer's entry has no delivery mode, but CPUs that look at those bits exist. */
static void lvt_timer(struct report *report)
{
    uint32_t before = mmio_read32(apic + APIC_LVT_TIMER);

    for (uint32_t mode = MODE_SMI; mode < MODES; mode++) {
        uint32_t nmis = flat_arrived[VECTOR_NMI];

        mmio_write32(apic + APIC_LVT_TIMER, mode << APIC_ICR_MODE_SHIFT | VECTOR);
        if (mmio_read32(apic + APIC_LVT_TIMER) & APIC_ICR_MODE)
            report_breach(report, "the timer's entry took mode %u", mode);
        mmio_write32(apic + APIC_TIMER_COUNT, TIMER_SOON);
        let_time_pass();
        expect_no_nmi(report, nmis, "the timer", mode);
    }
    mmio_write32(apic + APIC_LVT_TIMER, before | APIC_LVT_MASKED);
    report_detail(report, "the timer's entry keeps no delivery mode, and it fired in each");
}

/* Its own pin fires all the time (PIT), so an entry that is let through has its effect. */
static void ioapic_fire(struct report *report)
{
    uint32_t low = IOAPIC_ENTRY + 2 * PIT_PIN, high = low + 1;

    out8(PIT_COMMAND, PIT_SQUARE);
    out8(PIT_CHANNEL0, PIT_DIVISOR & 0xff);
    out8(PIT_CHANNEL0, PIT_DIVISOR >> 8);
    for (uint32_t destination = 0; destination <= FOREIGN_APIC; destination++) {
        for (uint32_t mode = MODE_FIXED; mode < MODES; mode++) {
            uint32_t nmis = flat_arrived[VECTOR_NMI];

            mmio_write32(ioapic + IOAPIC_SELECT, high);
            mmio_write32(ioapic + IOAPIC_WINDOW, destination << APIC_ID_SHIFT);
            mmio_write32(ioapic + IOAPIC_SELECT, low);
            mmio_write32(ioapic + IOAPIC_WINDOW, mode << APIC_ICR_MODE_SHIFT | VECTOR);
            let_time_pass();
            expect_no_nmi(report, nmis, "the PIT's pin", mode);
            victim_check(report);
        }
    }
    mmio_write32(ioapic + IOAPIC_WINDOW, APIC_LVT_MASKED);
    report_detail(report, "the PIT's pin in 8 modes, to both cores: no NMI, vault goes on");
}

/* Registers of the APIC that are not the domain's, and odd sizes and places. */
static void apic_registers(struct report *report)
{
    uint32_t id = mmio_read32(apic + APIC_ID);

    for (uint32_t offset = 0x400; offset < PAGE_SIZE; offset += 4)
        mmio_write32(apic + offset, 0xffffffff);
    mmio_write32(apic + APIC_ID, 0xff000000);
    mmio_write64(apic + APIC_ICR_LOW, (uint64_t)MODE_INIT << APIC_ICR_MODE_SHIFT);
    mmio_write32(apic + APIC_ICR_LOW + 2, MODE_INIT << APIC_ICR_MODE_SHIFT);
    if (mmio_read32(apic + APIC_ID) != id)
        report_breach(report, "its id became %x", mmio_read32(apic + APIC_ID));
    report_detail(report, "id, reserved registers, 8-byte and unaligned writes: dropped");
}

static const struct attack attacks[] = {
    {"ipi", ipi, "every delivery mode to every destination that isn't its own core"},
    {"ipi-self", ipi_self, "SMI, INIT, SIPI, ExtINT to its own core"},
    {"lvt-timer", lvt_timer, "delivery modes in the APIC timer's entry, with the timer running"},
    {"ioapic-fire", ioapic_fire, "delivery modes at a pin of its own that fires"},
    {"apic-registers", apic_registers, "reserved registers, odd sizes"},
};
const struct subject interrupt_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
