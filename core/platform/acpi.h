/* The machine's ACPI tables. They stay in the firmware's memory, unchanged. */
#ifndef CORE_PLATFORM_ACPI_H
#define CORE_PLATFORM_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/platform/acpi_tables.h"
#include "hw/acpi.h"

/* Lists the tables. rsdp: a copy of the RSDP, or size 0 if the loader gave none: the BIOS area is
 * searched then. Stops the machine if there is none or it is malformed. */
void acpi_init(const uint8_t *rsdp, uint32_t rsdp_size);

/* The first table with that signature, its length and checksum verified, and its size in bytes.
 * NULL if there is none; stops the machine if it is malformed. */
const void *acpi_find(const char *signature, size_t *size);

/* The enabled CPUs and the I/O APICs by the MADT; stops the machine if that is malformed. */
void acpi_find_cpus(struct acpi_cpus *cpus);

/* PCI segment 0 of the MCFG; false if there is none. */
bool acpi_find_mcfg(struct acpi_mcfg_entry *entry);

#endif
