/*
 * The ACPI tables that a primary gets instead of the machine's: RSDP, XSDT and a MADT with its own
 * cores, the first I/O APIC and the interrupt source overrides. Nothing else, by default deny:
 * without FADT and DSDT there are no power management registers to write and no AML to run, and
 * without MCFG PCI configuration goes by CF8h and CFCh, where core answers. Pure.
 */
#ifndef CORE_DOMAIN_ACPI_FILTER_H
#define CORE_DOMAIN_ACPI_FILTER_H

#include <stddef.h>
#include <stdint.h>

#define ACPI_FILTER_ROOM 4096u /* bytes that are enough */

/*
 * Writes the tables to `to`, which the domain will see at `address`; the RSDP comes first. madt:
 * the machine's, its checksum verified, all else may lie. apic_id: those of the domain's cores, the
 * first one boots. Returns the bytes used, or 0 if the MADT is malformed or lacks a core.
 */
size_t acpi_filter(const void *madt, size_t madt_size, const uint8_t *apic_id, uint32_t cores,
                   uint64_t address, uint8_t to[ACPI_FILTER_ROOM]);

#endif
