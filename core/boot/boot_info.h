/*
 * What the loader brought, in one form for all loaders: nothing behind core/boot knows which one it
 * was. Everything but the modules' bytes has been copied into core's own memory.
 */
#ifndef CORE_BOOT_BOOT_INFO_H
#define CORE_BOOT_BOOT_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/platform/screen.h"

#define BOOT_REGIONS      128
#define BOOT_MODULES      16
#define BOOT_NAME         32
#define BOOT_COMMAND_LINE 1024
#define BOOT_LOADER_NAME  48
#define BOOT_EFI_MAP_SIZE 32768
#define BOOT_RSDP_SIZE    36
#define BOOT_FAULT        96

/* Result of everything that reads the loader's data: include/tables/boot_errors.def. */
enum boot_error {
    BOOT_OK,
#define BOOT_ERROR(name, cause, remedy) BOOT_##name,
#include "tables/boot_errors.def"
#undef BOOT_ERROR
};

const char *boot_error_cause(enum boot_error error);
const char *boot_error_remedy(enum boot_error error);

enum boot_loader { BOOT_MULTIBOOT1, BOOT_MULTIBOOT2 };

/* Types of memory as E820 numbers them (ACPI 6.4, 15.4); others occur and mean reserved. */
#define MEMORY_USABLE   1u
#define MEMORY_RESERVED 2u
#define MEMORY_ACPI     3u
#define MEMORY_NVS      4u
#define MEMORY_BAD      5u

/* [start, end) in bytes, as the loader gave it: regions may be unsorted, may overlap. */
struct boot_region {
    uint64_t start;
    uint64_t end;
    uint32_t type;
};

/* [start, end) in bytes, in usable memory, outside core and all other modules. */
struct boot_module {
    uint64_t start;
    uint64_t end;
    char name[BOOT_NAME]; /* value of name= in the module's string, or empty */
};

/*
 * system_table 0: not booted by UEFI. map holds map_size bytes of EFI_MEMORY_DESCRIPTOR (UEFI 2.9,
 * 7.2), descriptor_size apart.
 */
struct boot_efi {
    uint64_t system_table;
    uint32_t map_size;
    uint32_t descriptor_size;
    uint32_t descriptor_version;
    _Alignas(8) uint8_t map[BOOT_EFI_MAP_SIZE];
};

struct boot_info {
    enum boot_loader loader;
    char loader_name[BOOT_LOADER_NAME]; /* cut if longer */
    char command_line[BOOT_COMMAND_LINE];
    struct boot_region regions[BOOT_REGIONS];
    uint32_t region_count;
    struct boot_module modules[BOOT_MODULES];
    uint32_t module_count;
    struct boot_efi efi;
    struct screen_mode screen;
    uint32_t rsdp_size; /* 0: none found yet; 20: ACPI 1.0; 36: ACPI 2.0 and newer */
    uint8_t rsdp[BOOT_RSDP_SIZE];
    char fault[BOOT_FAULT]; /* after an error: what it is about */
};

/*
 * Finds the one module with that name. BOOT_OK: *module is set; otherwise BOOT_MODULE_MISSING or
 * BOOT_MODULE_DUPLICATE.
 */
enum boot_error boot_find_module(const struct boot_info *info, const char *name,
                                 const struct boot_module **module);

/* True if all of [start, end) is usable memory by the loader's map and no other entry says no. */
bool boot_is_usable(const struct boot_info *info, uint64_t start, uint64_t end);

/* True if some of [start, end) is usable memory by the loader's map. */
bool boot_touches_usable(const struct boot_info *info, uint64_t start, uint64_t end);

/* True if a module lies in [start, end). */
bool boot_has_module(const struct boot_info *info, uint64_t start, uint64_t end);

/*
 * A page below 640 KiB that is usable, holds no module and isn't where an SMI would find a handler
 * whose SMBASE was never set (30000h, APM vol. 2, 10.2.1); its address, or 0 if there is none.
 */
uint64_t boot_find_low_page(const struct boot_info *info);

/* End of the highest memory below 4 GiB, usable or ACPI's: what lies above may be devices. */
uint64_t boot_memory_end(const struct boot_info *info);

#endif
