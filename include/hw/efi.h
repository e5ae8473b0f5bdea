/* What core reads of UEFI's memory map; section numbers are those of the UEFI specification 2.9. */
#ifndef HW_EFI_H
#define HW_EFI_H

#include <assert.h>
#include <stdint.h>

/* EFI_MEMORY_DESCRIPTOR, 7.2. A map's descriptors may be larger: descriptor_size apart. */
struct efi_memory_descriptor {
    uint32_t type;
    uint32_t pad;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages; /* of 4 KiB */
    uint64_t attribute;
};
static_assert(sizeof(struct efi_memory_descriptor) == 40, "EFI_MEMORY_DESCRIPTOR");

/* EFI_MEMORY_TYPE, 7.2 */
#define EFI_RESERVED     0u
#define EFI_LOADER_DATA  2u
#define EFI_CONVENTIONAL 7u
#define EFI_ACPI_RECLAIM 9u

#endif
