/* Local APIC (APM vol. 2, chapter 16) and I/O APIC (Intel 82093AA data sheet). */
#ifndef HW_APIC_H
#define HW_APIC_H

/* APM vol. 2, 16.3.1 and 16.9 */
#define APIC_BASE_DEFAULT 0xfee00000u
#define APIC_BASE_BSP     0x00000100u /* this CPU booted */
#define APIC_BASE_X2APIC  0x00000400u
#define APIC_BASE_ENABLE  0x00000800u
#define APIC_BASE_ADDRESS 0xffffffffff000u

/* Registers by offset, table 16-2 */
#define APIC_ID            0x020u
#define APIC_VERSION       0x030u
#define APIC_TPR           0x080u
#define APIC_EOI           0x0b0u
#define APIC_LDR           0x0d0u
#define APIC_DFR           0x0e0u
#define APIC_SPURIOUS      0x0f0u
#define APIC_ISR           0x100u /* eight registers, 32 vectors each, 10h apart */
#define APIC_ICR_LOW       0x300u
#define APIC_ICR_HIGH      0x310u
#define APIC_LVT_TIMER     0x320u
#define APIC_LVT_THERMAL   0x330u
#define APIC_LVT_PERF      0x340u
#define APIC_LVT_LINT0     0x350u
#define APIC_LVT_LINT1     0x360u
#define APIC_LVT_ERROR     0x370u
#define APIC_TIMER_COUNT   0x380u
#define APIC_TIMER_CURRENT 0x390u
#define APIC_TIMER_DIVIDE  0x3e0u

#define APIC_ID_SHIFT 24 /* in APIC_ID and as destination in APIC_ICR_HIGH */

/* Interrupt command, 16.5 */
#define APIC_ICR_SMI     0x00000200u
#define APIC_ICR_NMI     0x00000400u
#define APIC_ICR_INIT    0x00000500u
#define APIC_ICR_STARTUP 0x00000600u
#define APIC_ICR_PENDING 0x00001000u
#define APIC_ICR_ASSERT  0x00004000u
#define APIC_ICR_SELF    0x00040000u
#define APIC_ICR_OTHERS  0x000c0000u

#define APIC_ICR_MODE            0x00000700u
#define APIC_ICR_MODE_SHIFT      8
#define APIC_ICR_LOGICAL         0x00000800u
#define APIC_ICR_LEVEL           0x00008000u
#define APIC_ICR_SHORTHAND_SHIFT 18

/* Delivery modes of ICR, LVT and I/O APIC entries, 16.5 */
enum apic_mode {
    APIC_MODE_FIXED = 0,
    APIC_MODE_LOWEST = 1,
    APIC_MODE_SMI = 2,
    APIC_MODE_NMI = 4,
    APIC_MODE_INIT = 5,
    APIC_MODE_STARTUP = 6,
    APIC_MODE_EXTINT = 7
};

#define APIC_SPURIOUS_ENABLE 0x100u
#define APIC_SPURIOUS_RESET  0xffu
#define APIC_DFR_RESET       0xffffffffu
#define APIC_LVT_MASKED      0x10000u
#define APIC_TIMER_DIVIDE_1  0xbu /* 16.4.1 */

/* A device's message, 16.11: address and data */
#define MESSAGE_ADDRESS    0xfee00000u /* bits 31:20 */
#define MESSAGE_DEST_SHIFT 12
#define MESSAGE_LOGICAL    0x004u
#define MESSAGE_ADDRESS_FIXED                                             \
    0xfff00ff3u /* MESSAGE_ADDRESS, and else 0: bits 11:5 are more of the \
                   destination for those who know them */
#define MESSAGE_LEVEL 0x8000u

/* I/O APIC, 3.1 */
#define IOAPIC_BASE_DEFAULT 0xfec00000u
#define IOAPIC_SELECT       0x00u
#define IOAPIC_WINDOW       0x10u

/* I/O APIC registers by index, 3.2 */
#define IOAPIC_ID      0x00u
#define IOAPIC_VERSION 0x01u /* bits 23:16: number of the last entry */
#define IOAPIC_ENTRY   0x10u /* two registers for each entry, low half first */
#define IOAPIC_MASKED  0x10000u

#endif
