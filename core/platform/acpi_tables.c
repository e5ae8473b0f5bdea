#include "core/platform/acpi_tables.h"

#include <stdbool.h>

#include "hw/acpi.h"
#include "lib/memory.h"

#define RSDP_STEP 16

static const char *const causes[] = {
    [ACPI_OK] = "no error",
#define ACPI_ERROR(name, cause, remedy) [ACPI_##name] = cause,
#include "tables/acpi_errors.def"
#undef ACPI_ERROR
};

static const char *const remedies[] = {
    [ACPI_OK] = "Nothing needs to be done",
#define ACPI_ERROR(name, cause, remedy) [ACPI_##name] = remedy,
#include "tables/acpi_errors.def"
#undef ACPI_ERROR
};

const char *acpi_error_cause(enum acpi_error error)
{
    return causes[error];
}

const char *acpi_error_remedy(enum acpi_error error)
{
    return remedies[error];
}

static uint8_t sum(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    uint8_t total = 0;

    for (size_t i = 0; i < size; i++)
        total = (uint8_t)(total + b[i]);
    return total;
}

/* Checks as much of the RSDP as size bytes hold. */
static bool rsdp_is_valid(const struct acpi_rsdp *rsdp, size_t size)
{
    if (size < ACPI_RSDP_1_SIZE ||
        memcmp(rsdp->signature, ACPI_RSDP_SIGNATURE, sizeof(rsdp->signature)) != 0 ||
        sum(rsdp, ACPI_RSDP_1_SIZE) != 0)
        return false;
    return rsdp->revision == 0 || (size >= sizeof(*rsdp) && sum(rsdp, sizeof(*rsdp)) == 0);
}

const void *acpi_scan_rsdp(const void *area, size_t size)
{
    const uint8_t *bytes = area;

    for (size_t offset = 0; offset + ACPI_RSDP_1_SIZE <= size; offset += RSDP_STEP)
        if (rsdp_is_valid((const struct acpi_rsdp *)(bytes + offset), size - offset))
            return bytes + offset;
    return NULL;
}

/* Gets a table whose address is known, checks all of it. */
static enum acpi_error get_table(struct acpi_tables *tables, uint64_t address,
                                 const struct acpi_header **table, size_t *size)
{
    struct acpi_header head;
    const void *start = tables->read(address, sizeof(head));

    tables->fault = address;
    if (!start)
        return ACPI_UNREADABLE;
    memcpy(&head, start, sizeof(head));
    if (head.length < sizeof(head))
        return ACPI_LENGTH;
    start = tables->read(address, head.length);
    if (!start)
        return ACPI_UNREADABLE;
    if (sum(start, head.length) != 0)
        return ACPI_CHECKSUM;
    *table = start;
    *size = head.length;
    return ACPI_OK;
}

/* The addresses that follow an XSDT's or RSDT's head are entry_size bytes each, unaligned. */
static enum acpi_error list_entries(struct acpi_tables *tables, uint64_t root, size_t entry_size)
{
    const struct acpi_header *table = NULL;
    size_t size = 0;
    enum acpi_error error = get_table(tables, root, &table, &size);

    if (error)
        return error;
    for (size_t at = sizeof(*table); at + entry_size <= size; at += entry_size) {
        uint64_t address = 0;

        memcpy(&address, (const uint8_t *)table + at, entry_size);
        if (tables->count == ACPI_TABLES)
            return ACPI_TOO_MANY;
        tables->address[tables->count++] = address;
    }
    return ACPI_OK;
}

enum acpi_error acpi_list(struct acpi_tables *tables, acpi_reader *read, const void *rsdp,
                          size_t rsdp_size)
{
    struct acpi_rsdp root = {0};

    *tables = (struct acpi_tables){.read = read};
    if (rsdp_size == 0)
        return ACPI_RSDP_MISSING;
    memcpy(&root, rsdp, rsdp_size < sizeof(root) ? rsdp_size : sizeof(root));
    if (!rsdp_is_valid(&root, rsdp_size))
        return ACPI_RSDP_INVALID;
    if (root.revision > 0 && root.xsdt)
        return list_entries(tables, root.xsdt, sizeof(root.xsdt));
    return list_entries(tables, root.rsdt, sizeof(root.rsdt));
}

enum acpi_error acpi_look_up(struct acpi_tables *tables, const char *signature, const void **table,
                             size_t *size)
{
    for (uint32_t i = 0; i < tables->count; i++) {
        const struct acpi_header *found = NULL;
        const char *head = tables->read(tables->address[i], sizeof(*found));

        if (!head || memcmp(head, signature, sizeof(found->signature)) != 0)
            continue;

        enum acpi_error error = get_table(tables, tables->address[i], &found, size);

        *table = found;
        return error;
    }
    return ACPI_ABSENT;
}

static enum acpi_error add_cpu(struct acpi_cpus *cpus, uint32_t apic_id, uint32_t flags)
{
    if (!(flags & ACPI_MADT_CPU_ENABLED))
        return ACPI_OK;
    if (apic_id >= 0xff) /* FFh is xAPIC's broadcast */
        return ACPI_MADT_APIC_ID;
    for (uint32_t i = 0; i < cpus->count; i++)
        if (cpus->apic_id[i] == apic_id)
            return ACPI_MADT_NO_CPU;
    if (cpus->count == CPU_MAX)
        return ACPI_MADT_TOO_MANY;
    cpus->apic_id[cpus->count++] = (uint8_t)apic_id;
    return ACPI_OK;
}

static bool copy_entry(void *to, size_t size, const uint8_t *entry, size_t length)
{
    if (length < size)
        return false;
    memcpy(to, entry, size);
    return true;
}

static enum acpi_error read_madt_entry(const uint8_t *entry, size_t length, struct acpi_cpus *cpus)
{
    struct acpi_madt_local_apic local;
    struct acpi_madt_local_x2apic x2;
    struct acpi_madt_ioapic ioapic;

    switch (entry[0]) {
    case ACPI_MADT_LOCAL_APIC:
        if (!copy_entry(&local, sizeof(local), entry, length))
            return ACPI_MADT_ENTRY;
        return add_cpu(cpus, local.apic_id, local.flags);
    case ACPI_MADT_LOCAL_X2APIC:
        if (!copy_entry(&x2, sizeof(x2), entry, length))
            return ACPI_MADT_ENTRY;
        return add_cpu(cpus, x2.apic_id, x2.flags);
    case ACPI_MADT_IOAPIC:
        if (!copy_entry(&ioapic, sizeof(ioapic), entry, length))
            return ACPI_MADT_ENTRY;
        if (cpus->ioapic_count++ == 0)
            cpus->ioapic = ioapic.address;
        return ACPI_OK;
    default:
        return ACPI_OK;
    }
}

enum acpi_error acpi_read_madt(const void *madt, size_t size, struct acpi_cpus *cpus)
{
    const uint8_t *bytes = madt;
    size_t at = sizeof(struct acpi_madt);

    *cpus = (struct acpi_cpus){0};
    if (size < at)
        return ACPI_LENGTH;
    while (size - at >= sizeof(struct acpi_madt_entry)) {
        size_t length = bytes[at + offsetof(struct acpi_madt_entry, length)];

        if (length < sizeof(struct acpi_madt_entry) || length > size - at)
            return ACPI_MADT_ENTRY;

        enum acpi_error error = read_madt_entry(bytes + at, length, cpus);

        if (error)
            return error;
        at += length;
    }
    return cpus->count ? ACPI_OK : ACPI_MADT_NO_CPU;
}
