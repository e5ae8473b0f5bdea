#include "core/platform/acpi.h"

#include "core/platform/paging.h"
#include "core/platform/panic.h"
#include "lib/memory.h"

/* BIOS read-only memory, which holds the RSDP where no loader tells (5.2.5.1). The search leaves
 * out the EBDA: firmware of machines with SVM uses this area. */
#define BIOS_AREA     0xe0000
#define BIOS_AREA_END 0x100000

static struct acpi_tables tables;

static const void *read_physical(uint64_t address, uint64_t length)
{
    return paging_is_outside_core(address, length) ? at_physical(address) : NULL;
}

static void require(enum acpi_error error, const char *what)
{
    if (error)
        fatal("%s: %.4s at %lx. %s", acpi_error_cause(error), what, tables.fault,
              acpi_error_remedy(error));
}

void acpi_init(const uint8_t *rsdp, uint32_t rsdp_size)
{
    if (rsdp_size == 0) {
        rsdp = acpi_scan_rsdp(at_physical(BIOS_AREA), BIOS_AREA_END - BIOS_AREA);
        rsdp_size = rsdp ? sizeof(struct acpi_rsdp) : 0;
    }
    require(acpi_list(&tables, read_physical, rsdp, rsdp_size), "RSDP");
}

const void *acpi_find(const char *signature, size_t *size)
{
    const void *table = NULL;
    enum acpi_error error = acpi_look_up(&tables, signature, &table, size);

    if (error == ACPI_ABSENT)
        return NULL;
    require(error, signature);
    return table;
}

void acpi_find_cpus(struct acpi_cpus *cpus)
{
    size_t size = 0;
    const void *madt = acpi_find("APIC", &size);

    require(madt ? acpi_read_madt(madt, size, cpus) : ACPI_ABSENT, "APIC");
}

bool acpi_find_mcfg(struct acpi_mcfg_entry *entry)
{
    size_t size = 0;
    const uint8_t *mcfg = acpi_find("MCFG", &size);

    for (size_t at = sizeof(struct acpi_mcfg); mcfg && at + sizeof(*entry) <= size;
         at += sizeof(*entry)) {
        memcpy(entry, mcfg + at, sizeof(*entry));
        if (entry->segment == 0)
            return true;
    }
    return false;
}
