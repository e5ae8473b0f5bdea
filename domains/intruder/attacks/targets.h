/* Where the intruder finds what isn't its own: places that policy and machine fix. */
#ifndef DOMAINS_INTRUDER_ATTACKS_TARGETS_H
#define DOMAINS_INTRUDER_ATTACKS_TARGETS_H

#include "bulkhead/layout.h"
#include "hw/apic.h"
#include "hw/x86.h"

/* The hole in a primary's memory: policy image, other domains, channels, then core. */
#define POOL_BASE 0x10000000u
#define HOLE_END  ((unsigned)CORE_END)

/* PC devices of class platform (Intel ICH9 and Q35 data sheets; AMD IOMMU spec, 3). */
#define VGA_WINDOW       0x000a0000u /* over SMRAM */
#define MMCONFIG_SEABIOS 0xb0000000u
#define MMCONFIG_OVMF    0xe0000000u
#define HPET_BASE        0xfed00000u
#define RCBA_BASE        0xfed1c000u
#define TPM_BASE         0xfed40000u
#define IOMMU_BASE       0xfed80000u
#define FLASH_BASE       0xff000000u

#define PORT_FW_CFG_SELECT 0x510
#define PORT_FW_CFG_DATA   0x511
#define PORT_FW_CFG_DMA    0x514
#define PORT_PM1_CONTROL   0x604
#define PORT_SMI_EN        0x630
#define PORT_TCO_CONTROL   0x668
#define PORT_APM           0xb2
#define PORT_92            0x92
#define PORT_KBC_DATA      0x60
#define PORT_KBC           0x64
#define PORT_CMOS          0x70
#define PORT_RESET         0xcf9
#define PORT_COM1          0x3f8

/* PCI functions, as bus << 8 | device << 3 | function. */
#define BDF_HOST_BRIDGE 0x0000
#define BDF_IOMMU       0x0008
#define BDF_LPC         0x00f8
#define BDF_AHCI        0x00fa

/* Local APIC (APM vol. 2, 16.3.1), fields of ICR and LVT entries (16.4, 16.5). */
#define APIC_LVT_THERMAL  0x330u
#define APIC_LVT_COUNTERS 0x340u
#define APIC_LVT_LINT1    0x360u
#define APIC_LVT_ERROR    0x370u
#define APIC_TIMER_COUNT  0x380u
#define APIC_ICR_ALL      0x00080000u

enum delivery_mode {
    MODE_FIXED,
    MODE_LOWEST,
    MODE_SMI,
    MODE_RESERVED,
    MODE_NMI,
    MODE_INIT,
    MODE_STARTUP,
    MODE_EXTINT,
    MODES
};

/* Core 0 is the intruder's; this one runs another domain. */
#define FOREIGN_APIC 1u

/* I/O APIC (82093AA data sheet, 3): two registers an entry, low half first. */
#define IOAPIC_PINS 24u

/* MSRs that reach the machine (APM vol. 2, appendix A; BKDG of families 0Fh-17h). */
#define MSR_SMI_ON_IO    0xc0010050u
#define MSR_MMIO_CONF    0xc0010058u
#define MSR_SYSCFG       0xc0010010u
#define MSR_HWCR         0xc0010015u
#define MSR_IORR_BASE    0xc0010016u
#define MSR_IORR_MASK    0xc0010017u
#define MSR_TOP_MEM      0xc001001au
#define MSR_TOP_MEM2     0xc001001du
#define MSR_PATCH_LOADER 0xc0010020u
#define MSR_SMM_BASE     0xc0010111u
#define MSR_SMM_ADDR     0xc0010112u
#define MSR_SMM_MASK     0xc0010113u
#define MSR_SMM_CTL      0xc0010116u
#define MSR_VM_HSAVE_PA  0xc0010117u
#define MSR_MTRR_DEFAULT 0x000002ffu
#define MSR_DEBUGCTL     0x000001d9u

#endif
