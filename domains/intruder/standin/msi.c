/* Interrupts by a device of its own: MSI, and DMA writes to the interrupt range. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/edu.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "hw/pci.h"

/* MSI capability with a 64-bit address (PCI Local Bus 3.0, 6.8.1). */
#define MSI            0x40u
#define MSI_ADDRESS    (MSI + 4)
#define MSI_ADDRESS_UP (MSI + 8)
#define MSI_DATA       (MSI + 12)
#define MSI_ENABLE     (1u << 16)

#define INTERRUPT_RANGE   0xfee00000u
#define DESTINATION_SHIFT 12
#define REDIRECTION_HINT  8u
#define LOGICAL           4u
#define OWN_VECTOR        0x72u
#define FOREIGN_VECTOR    0x83u

static _Alignas(16) volatile uint32_t message[4];

/* What the message asks for. */
struct aim {
    const char *name;
    uint32_t destination, flags, mode;
};

/* Modes that nobody may send, and any mode to the other core. */
static const struct aim aims[] = {
    {"SMI to itself", 0, 0, MODE_SMI},
    {"NMI to itself", 0, 0, MODE_NMI},
    {"INIT to itself", 0, 0, MODE_INIT},
    {"ExtINT to itself", 0, 0, MODE_EXTINT},
    {"vector to the other core", FOREIGN_APIC, 0, MODE_FIXED},
    {"lowest priority to the other core", FOREIGN_APIC, REDIRECTION_HINT, MODE_LOWEST},
    {"SMI to the other core", FOREIGN_APIC, 0, MODE_SMI},
    {"NMI to the other core", FOREIGN_APIC, 0, MODE_NMI},
    {"INIT to the other core", FOREIGN_APIC, 0, MODE_INIT},
    {"NMI to all", 0xff, 0, MODE_NMI},
    {"INIT to all", 0xff, 0, MODE_INIT},
    {"NMI, logical", 0x03, LOGICAL | REDIRECTION_HINT, MODE_NMI},
};

static uint32_t address_of(const struct aim *aim)
{
    return INTERRUPT_RANGE | aim->destination << DESTINATION_SHIFT | aim->flags;
}

static uint32_t data_of(const struct aim *aim)
{
    return aim->mode << APIC_ICR_MODE_SHIFT | FOREIGN_VECTOR;
}

static void judge(struct report *report, const struct aim *aim, uint32_t nmis)
{
    unsigned breaches = report->breaches;

    let_interrupts_in();
    if (flat_arrived[VECTOR_NMI] != nmis)
        report_breach(report, "%s brought an NMI", aim->name);
    victim_check(report);
    if (report->breaches > breaches)
        report_breach(report, "after %s", aim->name);
}

static void send_msi(uint32_t address, uint32_t data)
{
    edu_write_config(MSI_ADDRESS, address);
    edu_write_config(MSI_ADDRESS_UP, 0);
    edu_write_config(MSI_DATA, data);
    edu_write_config(MSI, MSI_ENABLE);
    edu_interrupt();
    edu_write_config(MSI, 0);
}

/* Its own interrupt must arrive, or the others' not arriving means nothing. */
static bool own_msi_arrives(void)
{
    uint32_t before = flat_arrived[OWN_VECTOR];

    send_msi(INTERRUPT_RANGE, OWN_VECTOR);
    let_interrupts_in();
    return flat_arrived[OWN_VECTOR] == before + 1;
}

static void msi(struct report *report)
{
    size_t count = sizeof(aims) / sizeof(aims[0]);

    if (!edu_ready(report))
        return;
    if (!own_msi_arrives()) {
        report_breach(report, "not tried: the device's own MSI doesn't arrive");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t nmis = flat_arrived[VECTOR_NMI];

        send_msi(address_of(&aims[i]), data_of(&aims[i]));
        judge(report, &aims[i], nmis);
    }
    report_detail(report, "%zu messages had no effect, its own vector arrived", count);
}

/* To the interrupt controllers a DMA write there is the same as an MSI. */
static void dma_to_interrupt_range(struct report *report)
{
    size_t count = sizeof(aims) / sizeof(aims[0]);

    if (!edu_ready(report))
        return;
    for (size_t i = 0; i < count; i++) {
        uint32_t nmis = flat_arrived[VECTOR_NMI];

        message[0] = data_of(&aims[i]);
        if (!edu_read_memory(report, (uintptr_t)message, 0, 4) ||
            !edu_write_memory(report, address_of(&aims[i]), 0, 4))
            return;
        judge(report, &aims[i], nmis);
    }
    report_detail(report, "%zu writes to FEEx_xxxx had no effect", count);
}

/* The network card's MSI-X table, as the machine description has it (PCI 3.0, 6.8.2). */
#define MSIX_TABLE   0xd0000000u
#define MSIX_ENTRIES 4u
#define MSIX_MASKED  1u

static uintptr_t entry_at(unsigned entry, unsigned dword)
{
    return MSIX_TABLE + 16 * entry + 4 * dword;
}

/* Core keeps what was written, and lets none of it out. */
static void forge_entry(struct report *report, unsigned entry, const struct aim *aim)
{
    mmio_write32(entry_at(entry, 3), MSIX_MASKED);
    mmio_write32(entry_at(entry, 0), address_of(aim));
    mmio_write32(entry_at(entry, 1), 0);
    mmio_write32(entry_at(entry, 2), data_of(aim));
    mmio_write32(entry_at(entry, 3), 0);
    if (mmio_read32(entry_at(entry, 0)) != address_of(aim) ||
        mmio_read32(entry_at(entry, 2)) != data_of(aim))
        report_breach(report, "%s doesn't read as it was written", aim->name);
}

/* Nor by quadwords, bytes, across the end, or by another device's DMA. */
static void forge_oddly(struct report *report)
{
    mmio_write64(entry_at(1, 2), (uint64_t)MSIX_MASKED << 32 | MODE_INIT << APIC_ICR_MODE_SHIFT);
    mmio_write64(entry_at(1, 2), MODE_NMI << APIC_ICR_MODE_SHIFT | FOREIGN_VECTOR);
    mmio_write64(entry_at(1, 2) + 2, MODE_NMI << APIC_ICR_MODE_SHIFT);
    mmio_write64(entry_at(MSIX_ENTRIES - 1, 3), MODE_NMI << APIC_ICR_MODE_SHIFT);
    message[0] = INTERRUPT_RANGE | FOREIGN_APIC << DESTINATION_SHIFT;
    if (edu_read_memory(report, (uintptr_t)message, 0, 4))
        edu_write_memory(report, MSIX_TABLE, 0, 4); /* core's answers don't show what came of it */
}

void msi_of_cores(struct report *report)
{
    size_t count = sizeof(aims) / sizeof(aims[0]);

    msi(report);
    for (size_t i = 0; i < count; i++)
        forge_entry(report, i % MSIX_ENTRIES, &aims[i]);
    forge_oddly(report);
    victim_check(report);
    report_detail(report, "%zu messages led nowhere, as many table entries read as written", count);
}

static const struct attack attacks[] = {
    {"msi", msi, "MSIs with SMI, NMI, INIT, ExtINT, or to the other core"},
    {"dma-interrupts", dma_to_interrupt_range, "the same by DMA writes to FEEx_xxxx"},
};
const struct subject msi_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
