/*
 * Reading of ACPI tables, pure: memory is reached through a function, so the host can test it with
 * tables that lie about their length.
 */
#ifndef CORE_PLATFORM_ACPI_TABLES_H
#define CORE_PLATFORM_ACPI_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "core/platform/cpu.h"

#define ACPI_TABLES 64

/* Results: include/tables/acpi_errors.def */
enum acpi_error {
    ACPI_OK,
#define ACPI_ERROR(name, cause, remedy) ACPI_##name,
#include "tables/acpi_errors.def"
#undef ACPI_ERROR
};

const char *acpi_error_cause(enum acpi_error error);
const char *acpi_error_remedy(enum acpi_error error);

/* Gives length readable bytes of physical memory at address, or NULL if not all can be read. */
typedef const void *acpi_reader(uint64_t address, uint64_t length);

struct acpi_tables {
    acpi_reader *read;
    uint32_t count;
    uint64_t address[ACPI_TABLES];
    uint64_t fault; /* after an error: address of the table that it is about */
};

/* What core needs of the MADT. */
struct acpi_cpus {
    uint32_t count;
    uint8_t apic_id[CPU_MAX];
    uint32_t ioapic_count;
    uint32_t ioapic; /* physical address of the first one */
};

/* The RSDP in size bytes of BIOS memory, on a 16-byte boundary (5.2.5.1), or NULL. */
const void *acpi_scan_rsdp(const void *area, size_t size);

/* Lists the tables that the XSDT (or, of ACPI 1.0, the RSDT) names. Checks RSDP and XSDT. */
enum acpi_error acpi_list(struct acpi_tables *tables, acpi_reader *read, const void *rsdp,
                          size_t rsdp_size);

/*
 * Finds the first table with that signature (four characters) and checks length and checksum.
 * ACPI_OK: *table and *size are set. ACPI_ABSENT: there is none.
 */
enum acpi_error acpi_look_up(struct acpi_tables *tables, const char *signature, const void **table,
                             size_t *size);

/* Reads the enabled CPUs and the I/O APICs out of a MADT of size bytes. */
enum acpi_error acpi_read_madt(const void *madt, size_t size, struct acpi_cpus *cpus);

#endif
