#include "domains/intruder/standin/edu.h"

#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "hw/pci.h"
#include "hw/x86.h"

#define BAR         0xd0100000u /* where the machine description places it */
#define ID          0x00u
#define RAISE       0x60u
#define ACKNOWLEDGE 0x64u
#define DMA_FROM    0x80u
#define DMA_TO      0x88u
#define DMA_LENGTH  0x90u
#define DMA_START   0x98u
#define BUFFER      0x40000u

#define ID_VALUE  0x010000edu
#define RUN       1u
#define TO_MEMORY 2u

/* BAR 0, where the policy or the firmware has placed it. */
static uintptr_t bar;

static _Alignas(PAGE_SIZE) volatile uint8_t own[EDU_BUFFER_SIZE];

uint32_t edu_read_config(uint8_t reg)
{
    out32(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | EDU_BDF << 8 | reg);
    return in32(PCI_CONFIG_DATA);
}

void edu_write_config(uint8_t reg, uint32_t value)
{
    out32(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | EDU_BDF << 8 | reg);
    out32(PCI_CONFIG_DATA, value);
}

static bool is_idle(void *unused)
{
    (void)unused;
    return !(mmio_read32(bar + DMA_START) & RUN);
}

static bool dma(struct report *report, uint64_t from, uint64_t to, uint32_t length, uint32_t how)
{
    mmio_write64(bar + DMA_FROM, from);
    mmio_write64(bar + DMA_TO, to);
    mmio_write64(bar + DMA_LENGTH, length);
    mmio_write64(bar + DMA_START, how | RUN);
    if (wait_until(is_idle, NULL))
        return true;
    report_breach(report, "not tried: edu's DMA at %lx doesn't end", how ? to : from);
    return false;
}

bool edu_read_memory(struct report *report, uint64_t from, uint32_t offset, uint32_t length)
{
    return dma(report, from, BUFFER + offset, length, 0);
}

bool edu_write_memory(struct report *report, uint64_t to, uint32_t offset, uint32_t length)
{
    return dma(report, BUFFER + offset, to, length, TO_MEMORY);
}

void edu_interrupt(void)
{
    mmio_write32(bar + RAISE, 1);
    mmio_write32(bar + ACKNOWLEDGE, 1);
}

bool edu_ready(struct report *report)
{
    bar = edu_read_config(PCI_BAR0) & ~0xfu;
    edu_write_config(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    if (mmio_read32(bar + ID) != ID_VALUE) {
        report_breach(report, "not tried: no edu device answers at %lx", bar);
        return false;
    }
    for (uint32_t i = 0; i < EDU_BUFFER_SIZE; i++)
        own[i] = (uint8_t)(i * 13 + 5);
    if (!edu_read_memory(report, (uintptr_t)own, 0, EDU_BUFFER_SIZE))
        return false;
    for (uint32_t i = 0; i < EDU_BUFFER_SIZE; i++)
        own[i] = 0;
    if (!edu_write_memory(report, (uintptr_t)own, 0, EDU_BUFFER_SIZE))
        return false;
    for (uint32_t i = 0; i < EDU_BUFFER_SIZE; i++) {
        if (own[i] != (uint8_t)(i * 13 + 5)) {
            report_breach(report, "not tried: edu's DMA doesn't reach this domain's own memory");
            return false;
        }
    }
    return true;
}
