/*
 * The ACPI table IVRS, which tells where the IOMMUs are (IOMMU spec, 5.2). Pure: it takes the
 * table's bytes, in which every length may be wrong.
 */
#ifndef CORE_IOMMU_DEV_IVRS_H
#define CORE_IOMMU_DEV_IVRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IVRS_UNITS 8 /* IOMMUs that core can close; each costs it two pages */

struct ivrs_unit {
    uint64_t base;   /* of its registers, aligned to 16 KiB */
    uint16_t device; /* its own PCI function, bus << 8 | device << 3 | function */
    bool ht_tunnel;  /* also filters what passes through its HyperTransport tunnel */
};

struct ivrs {
    uint32_t count;
    struct ivrs_unit units[IVRS_UNITS];
};

enum ivrs_error {
    IVRS_OK,
    IVRS_TABLE_SHORT,  /* shorter than its header */
    IVRS_BLOCK_LENGTH, /* a block ends before its header or behind the table */
    IVRS_BASE,         /* registers at 0 or not aligned */
    IVRS_SEGMENT,      /* an IOMMU of a PCI segment other than 0 */
    IVRS_TOO_MANY,     /* more than IVRS_UNITS */
    IVRS_NONE,         /* no IOMMU in it */
};

/* What is wrong, as the end of a sentence that begins "ACPI table IVRS". */
const char *ivrs_error_text(enum ivrs_error error);

/*
 * Reads a table of size bytes whose checksum has been verified. An IOMMU that several blocks
 * describe (types 10h, 11h, 40h) appears once. *at is the offset of the block that an error is
 * about, or 0.
 */
enum ivrs_error ivrs_read(const void *table, size_t size, struct ivrs *ivrs, size_t *at);

#endif
