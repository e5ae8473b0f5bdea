/* Code of its own in system management mode: SMBASE 30000h lies in its RAM. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "hw/pci.h"
#include "lib/memory.h"

#define SMBASE     0x30000u
#define HANDLER    (SMBASE + 0x8000u) /* APM vol. 2, 10.3 */
#define MARK       (SMBASE + 0x9000u)
#define MARK_VALUE 0x600d
#define SMI_EN_ALL 0x00000021u /* GBL_SMI_EN, APMC_EN */

/* In 16-bit code, CS base SMBASE: movw $MARK_VALUE, %cs:0x9000; rsm */
static const uint8_t handler[] = {0x2e, 0xc7, 0x06, 0x00, 0x90, 0x0d, 0x60, 0x0f, 0xaa};

/* Opens SMRAM in the host bridge (Q35 data sheet, 5.1.21), which is not this domain's. */
static void plant(void)
{
    out32(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | BDF_HOST_BRIDGE << 8 | 0x9c);
    out8(PCI_CONFIG_DATA + 1, 0x4a);
    memcpy((void *)(uintptr_t)HANDLER, handler, sizeof(handler));
}

static void trigger(void)
{
    out32(PORT_SMI_EN, SMI_EN_ALL);
    out8(PORT_APM, 0);
    mmio_write32(APIC_BASE_DEFAULT + APIC_ICR_HIGH, mmio_read32(APIC_BASE_DEFAULT + APIC_ID));
    mmio_write32(APIC_BASE_DEFAULT + APIC_ICR_LOW,
                 APIC_ICR_ASSERT | MODE_SMI << APIC_ICR_MODE_SHIFT);
    mmio_write32(APIC_BASE_DEFAULT + APIC_ICR_HIGH, FOREIGN_APIC << APIC_ID_SHIFT);
    mmio_write32(APIC_BASE_DEFAULT + APIC_ICR_LOW,
                 APIC_ICR_ASSERT | MODE_SMI << APIC_ICR_MODE_SHIFT);
    let_interrupts_in();
}

static void smi_handler(struct report *report)
{
    volatile uint16_t *mark = (volatile uint16_t *)(uintptr_t)MARK;

    *mark = 0;
    plant();
    for (int i = 0; i < 16; i++)
        trigger();
    victim_check(report);
    if (*mark == MARK_VALUE)
        report_breach(report, "a handler planted at 38000h ran in SMM");
    if (in32(PORT_SMI_EN) != UINT32_MAX)
        report_breach(report, "SMI_EN can be read");
    report_detail(report, "handler planted at 38000h, 16 times B2h and SMIs by ICR: never ran");
}

static const struct attack attacks[] = {
    {"smi-handler", smi_handler, "plant an SMI handler at 38000h and raise SMIs"},
};
const struct subject smm_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
