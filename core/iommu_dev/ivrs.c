#include "core/iommu_dev/ivrs.h"

#include "hw/amdvi.h"
#include "lib/memory.h"

/* Offsets, IOMMU spec, 5.2.1 and 5.2.2. */
#define IVRS_BLOCKS     48 /* behind the ACPI header, IVinfo and eight reserved bytes */
#define BLOCK_TYPE      0
#define BLOCK_FLAGS     1
#define BLOCK_LENGTH    2  /* 16 bits */
#define BLOCK_DEVICE    4  /* 16 bits */
#define BLOCK_BASE      8  /* 64 bits */
#define BLOCK_SEGMENT   16 /* 16 bits */
#define BLOCK_MIN       4  /* type, flags, length: what blocks of all types have */
#define HARDWARE_MIN    24
#define HARDWARE_BASIC  0x10
#define HARDWARE_EXTEND 0x11
#define HARDWARE_ACPI   0x40
#define FLAG_HT_TUNNEL  0x01

static uint16_t read16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static uint64_t read64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static enum ivrs_error add_unit(struct ivrs *ivrs, const uint8_t *block, size_t length)
{
    if (length < HARDWARE_MIN)
        return IVRS_BLOCK_LENGTH;

    struct ivrs_unit unit = {
        .base = read64(block + BLOCK_BASE),
        .device = read16(block + BLOCK_DEVICE),
        .ht_tunnel = block[BLOCK_FLAGS] & FLAG_HT_TUNNEL,
    };

    if (!unit.base || unit.base % AMDVI_MMIO_BYTES)
        return IVRS_BASE;
    if (read16(block + BLOCK_SEGMENT))
        return IVRS_SEGMENT;
    for (uint32_t i = 0; i < ivrs->count; i++) {
        if (ivrs->units[i].base == unit.base) {
            ivrs->units[i].ht_tunnel |= unit.ht_tunnel;
            return IVRS_OK;
        }
    }
    if (ivrs->count == IVRS_UNITS)
        return IVRS_TOO_MANY;
    ivrs->units[ivrs->count++] = unit;
    return IVRS_OK;
}

static bool is_hardware(uint8_t type)
{
    return type == HARDWARE_BASIC || type == HARDWARE_EXTEND || type == HARDWARE_ACPI;
}

enum ivrs_error ivrs_read(const void *table, size_t size, struct ivrs *ivrs, size_t *at)
{
    const uint8_t *bytes = table;
    enum ivrs_error error = IVRS_OK;

    *ivrs = (struct ivrs){0};
    *at = 0;
    if (size < IVRS_BLOCKS)
        return IVRS_TABLE_SHORT;

    /* Blocks of other types describe memory that firmware wants its devices to reach (IVMD):
     * nothing is granted by a table of the firmware's, so they are stepped over. */
    for (size_t offset = IVRS_BLOCKS, length; offset < size; offset += length) {
        *at = offset;
        if (size - offset < BLOCK_MIN)
            return IVRS_BLOCK_LENGTH;
        length = read16(bytes + offset + BLOCK_LENGTH);
        if (length < BLOCK_MIN || length > size - offset)
            return IVRS_BLOCK_LENGTH;
        if (is_hardware(bytes[offset + BLOCK_TYPE]))
            error = add_unit(ivrs, bytes + offset, length);
        if (error)
            return error;
    }
    *at = 0;
    return ivrs->count ? IVRS_OK : IVRS_NONE;
}

const char *ivrs_error_text(enum ivrs_error error)
{
    switch (error) {
    case IVRS_OK:
        return "is sound";
    case IVRS_TABLE_SHORT:
        return "is shorter than its header";
    case IVRS_BLOCK_LENGTH:
        return "has a block of impossible length";
    case IVRS_BASE:
        return "has an IOMMU at an impossible address";
    case IVRS_SEGMENT:
        return "has an IOMMU of another PCI segment than 0";
    case IVRS_TOO_MANY:
        return "has more IOMMUs than core can close";
    case IVRS_NONE:
        return "names no IOMMU";
    }
    return "has an unknown fault";
}
