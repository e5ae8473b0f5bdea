/* The EFI memory map that a primary gets: the loader's, with ranges cut out. Pure. */
#ifndef CORE_DOMAIN_EFI_MAP_H
#define CORE_DOMAIN_EFI_MAP_H

#include <stddef.h>
#include <stdint.h>

/* [start, end), whole pages, is to be described as that EFI_MEMORY_TYPE. */
struct efi_cut {
    uint64_t start;
    uint64_t end;
    uint32_t type;
};

/*
 * Copies a map of `size` bytes, whose descriptors lie descriptor_size apart, to `to`; where cuts
 * (which don't overlap) touch a descriptor it is split. Returns the bytes written, or 0 if the map
 * is malformed or `room` too small: each cut costs at most two descriptors.
 */
size_t efi_map_cut(const void *map, size_t size, size_t descriptor_size, const struct efi_cut *cuts,
                   uint32_t cut_count, void *to, size_t room);

#endif
