/* ACPI tables, ACPI Specification 6.4: section numbers are its own. Fields may be unaligned. */
#ifndef HW_ACPI_H
#define HW_ACPI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Root System Description Pointer, 5.2.5.3. Revision 0 ends behind rsdt. */
struct acpi_rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum; /* of all length bytes */
    uint8_t reserved[3];
} __attribute__((packed));
static_assert(offsetof(struct acpi_rsdp, length) == 20, "ACPI 1.0 part");
static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP");
#define ACPI_RSDP_SIGNATURE "RSD PTR "
#define ACPI_RSDP_1_SIZE    20

/* Head of every table, 5.2.6 */
struct acpi_header {
    char signature[4];
    uint32_t length; /* of the whole table */
    uint8_t revision;
    uint8_t checksum;
    char oem[6];
    char oem_table[8];
    uint32_t oem_revision;
    uint32_t creator;
    uint32_t creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct acpi_header) == 36, "table header");

/* Multiple APIC Description Table, 5.2.12; entries follow */
struct acpi_madt {
    struct acpi_header header;
    uint32_t local_apic;
    uint32_t flags;
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt) == 44, "MADT");

struct acpi_madt_entry {
    uint8_t type;
    uint8_t length;
} __attribute__((packed));
#define ACPI_MADT_LOCAL_APIC   0
#define ACPI_MADT_IOAPIC       1
#define ACPI_MADT_OVERRIDE     2
#define ACPI_MADT_LOCAL_X2APIC 9
#define ACPI_MADT_CPU_ENABLED  1u
#define ACPI_MADT_PC_AT        1u /* flags of the MADT: there are two 8259s, 5.2.12 */

/* 5.2.12.2 */
struct acpi_madt_local_apic {
    struct acpi_madt_entry entry;
    uint8_t processor;
    uint8_t apic_id;
    uint32_t flags;
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt_local_apic) == 8, "local APIC");

/* 5.2.12.3 */
struct acpi_madt_ioapic {
    struct acpi_madt_entry entry;
    uint8_t id;
    uint8_t reserved;
    uint32_t address;
    uint32_t first_interrupt;
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt_ioapic) == 12, "I/O APIC");

/* Interrupt source override, 5.2.12.5 */
struct acpi_madt_override {
    struct acpi_madt_entry entry;
    uint8_t bus;
    uint8_t source;
    uint32_t interrupt;
    uint16_t flags;
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt_override) == 10, "interrupt source override");

/* 5.2.12.12 */
struct acpi_madt_local_x2apic {
    struct acpi_madt_entry entry;
    uint16_t reserved;
    uint32_t apic_id;
    uint32_t flags;
    uint32_t processor;
} __attribute__((packed));
static_assert(sizeof(struct acpi_madt_local_x2apic) == 16, "local x2APIC");

/* Fixed ACPI Description Table, 5.2.9, as far as core reads it */
struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs;
    uint32_t dsdt;
    uint8_t reserved0;
    uint8_t profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable;
    uint8_t acpi_disable;
    uint8_t s4bios_request;
    uint8_t pstate_control;
    uint32_t pm1a_event;
    uint32_t pm1b_event;
    uint32_t pm1a_control;
    uint32_t pm1b_control;
    uint32_t pm2_control;
    uint32_t pm_timer; /* port */
    uint32_t gpe0;
    uint32_t gpe1;
    uint8_t pm1_event_length;
    uint8_t pm1_control_length;
    uint8_t pm2_control_length;
    uint8_t pm_timer_length; /* 4, or 0 if there is none */
    uint8_t reserved1[20];
    uint32_t flags;
} __attribute__((packed));
static_assert(offsetof(struct acpi_fadt, smi_command) == 48, "SMI_CMD");
static_assert(offsetof(struct acpi_fadt, pm_timer) == 76, "PM_TMR_BLK");
static_assert(offsetof(struct acpi_fadt, pm_timer_length) == 91, "PM_TMR_LEN");
static_assert(offsetof(struct acpi_fadt, flags) == 112, "Flags");
#define ACPI_FADT_TIMER_32_BITS 0x100u /* TMR_VAL_EXT */
#define ACPI_PM_TIMER_HZ        3579545u

/* PCI Express memory-mapped configuration, PCI Firmware Specification 3.3, 4.1.2 */
struct acpi_mcfg_entry {
    uint64_t base; /* of bus 0, even if first_bus is higher */
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
    uint32_t reserved;
} __attribute__((packed));
static_assert(sizeof(struct acpi_mcfg_entry) == 16, "MCFG entry");

struct acpi_mcfg {
    struct acpi_header header;
    uint8_t reserved[8];
} __attribute__((packed));
static_assert(sizeof(struct acpi_mcfg) == 44, "MCFG");

/* Trusted Platform Module 2, TCG ACPI Specification 1.3, 7.3; optional fields follow */
struct acpi_tpm2 {
    struct acpi_header header;
    uint16_t platform_class;
    uint16_t reserved;
    uint64_t control_area;
    uint32_t start_method;
} __attribute__((packed));
static_assert(sizeof(struct acpi_tpm2) == 52, "TPM2");

#endif
