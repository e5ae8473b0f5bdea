#include "core/domain/acpi_filter.h"

#include <stdbool.h>

#include "hw/acpi.h"
#include "lib/memory.h"

struct output {
    uint8_t *to;
    size_t used;
};

/* Room for `size` bytes, zeroed, or NULL. */
static void *take(struct output *out, size_t size)
{
    uint8_t *place = out->to + out->used;

    if (ACPI_FILTER_ROOM - out->used < size)
        return NULL;
    memset(place, 0, size);
    out->used += size;
    return place;
}

/* What makes the sum of all bytes zero (5.2.6). */
static uint8_t checksum(const void *table, size_t size)
{
    const uint8_t *byte = table;
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + byte[i]);
    return (uint8_t)-sum;
}

static void finish(struct acpi_header *h, const char *signature, uint8_t revision, size_t length)
{
    memcpy(h->signature, signature, sizeof h->signature);
    h->length = (uint32_t)length;
    h->revision = revision;
    memcpy(h->oem, "BLKHD ", sizeof h->oem);
    memcpy(h->oem_table, "BULKHEAD", sizeof h->oem_table);
    h->checksum = checksum(h, length);
}

/* The next entry of a MADT at *at; NULL at its end, or with *good false if it is malformed. */
static const struct acpi_madt_entry *next_entry(const uint8_t *madt, size_t size, size_t *at,
                                                bool *good)
{
    const struct acpi_madt_entry *entry = (const void *)(madt + *at);

    if (*at == size)
        return NULL;
    if (size - *at < sizeof *entry || entry->length < sizeof *entry || entry->length > size - *at) {
        *good = false;
        return NULL;
    }
    *at += entry->length;
    return entry;
}

/* True if the machine's MADT has an enabled CPU with that APIC id. */
static bool has_cpu(const uint8_t *madt, size_t size, uint8_t apic_id)
{
    const struct acpi_madt_entry *entry;
    size_t at = sizeof(struct acpi_madt);
    bool good = true;

    while ((entry = next_entry(madt, size, &at, &good)) != NULL) {
        const struct acpi_madt_local_apic *apic = (const void *)entry;
        const struct acpi_madt_local_x2apic *x2apic = (const void *)entry;

        if (entry->type == ACPI_MADT_LOCAL_APIC && entry->length == sizeof *apic &&
            apic->apic_id == apic_id && (apic->flags & ACPI_MADT_CPU_ENABLED) != 0)
            return true;
        if (entry->type == ACPI_MADT_LOCAL_X2APIC && entry->length == sizeof *x2apic &&
            x2apic->apic_id == apic_id && (x2apic->flags & ACPI_MADT_CPU_ENABLED) != 0)
            return true;
    }
    return false;
}

static bool write_cpus(struct output *out, const uint8_t *madt, size_t size, const uint8_t *apic_id,
                       uint32_t cores)
{
    for (uint32_t i = 0; i < cores; i++) {
        struct acpi_madt_local_apic *apic = take(out, sizeof *apic);

        if (!apic || !has_cpu(madt, size, apic_id[i]))
            return false;
        apic->entry = (struct acpi_madt_entry){ACPI_MADT_LOCAL_APIC, sizeof *apic};
        apic->processor = (uint8_t)i;
        apic->apic_id = apic_id[i];
        apic->flags = ACPI_MADT_CPU_ENABLED;
    }
    return true;
}

/* Copies the first I/O APIC and all overrides: how ISA interrupts arrive there. */
static bool write_interrupts(struct output *out, const uint8_t *madt, size_t size)
{
    const struct acpi_madt_entry *entry;
    size_t at = sizeof(struct acpi_madt);
    bool good = true, has_ioapic = false;

    while ((entry = next_entry(madt, size, &at, &good)) != NULL) {
        bool ioapic = entry->type == ACPI_MADT_IOAPIC &&
                      entry->length == sizeof(struct acpi_madt_ioapic) && !has_ioapic;
        bool override =
            entry->type == ACPI_MADT_OVERRIDE && entry->length == sizeof(struct acpi_madt_override);

        if (!ioapic && !override)
            continue;
        void *copy = take(out, entry->length);
        if (!copy)
            return false;
        memcpy(copy, entry, entry->length);
        has_ioapic |= ioapic;
    }
    return good && has_ioapic;
}

/* The new MADT; its size, or 0. */
static size_t write_madt(struct output *out, const struct acpi_madt *madt, size_t size,
                         const uint8_t *apic_id, uint32_t cores)
{
    struct acpi_madt *filtered = take(out, sizeof *filtered);

    if (!filtered || !write_cpus(out, (const uint8_t *)madt, size, apic_id, cores) ||
        !write_interrupts(out, (const uint8_t *)madt, size))
        return 0;
    filtered->local_apic = madt->local_apic;
    filtered->flags = madt->flags & ACPI_MADT_PC_AT;
    size_t length = (size_t)(out->to + out->used - (uint8_t *)filtered);
    finish(&filtered->header, "APIC", 3, length);
    return length;
}

size_t acpi_filter(const void *madt, size_t madt_size, const uint8_t *apic_id, uint32_t cores,
                   uint64_t address, uint8_t to[ACPI_FILTER_ROOM])
{
    struct xsdt {
        struct acpi_header header;
        uint64_t table[1];
    } __attribute__((packed)) * xsdt;
    struct output out = {.to = to};
    struct acpi_rsdp *rsdp = take(&out, sizeof *rsdp);

    take(&out, 4); /* tables begin at multiples of 8 */
    xsdt = take(&out, sizeof *xsdt + 4);
    uint64_t madt_address = address + out.used;
    if (madt_size < sizeof(struct acpi_madt) ||
        write_madt(&out, madt, madt_size, apic_id, cores) == 0)
        return 0;
    xsdt->table[0] = madt_address;
    finish(&xsdt->header, "XSDT", 1, sizeof *xsdt);
    memcpy(rsdp->signature, ACPI_RSDP_SIGNATURE, sizeof rsdp->signature);
    memcpy(rsdp->oem, "BLKHD ", sizeof rsdp->oem);
    rsdp->revision = 2;
    rsdp->length = sizeof *rsdp;
    rsdp->xsdt = address + (uint64_t)((uint8_t *)xsdt - to);
    rsdp->checksum = checksum(rsdp, ACPI_RSDP_1_SIZE);
    rsdp->extended_checksum = checksum(rsdp, sizeof *rsdp);
    return out.used;
}
