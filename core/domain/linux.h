/*
 * Linux by its 64-bit entry (Documentation/x86/boot.rst, "64-bit BOOT PROTOCOL"): what the kernel
 * wants, where everything goes, and the pages that it gets. Pure; addresses are guest-physical,
 * which is physical for a primary.
 */
#ifndef CORE_DOMAIN_LINUX_H
#define CORE_DOMAIN_LINUX_H

#include <stddef.h>
#include <stdint.h>

#include "core/domain/acpi_filter.h"
#include "core/domain/memory_map.h"
#include "core/domain/start.h"
#include "hw/linux_boot.h"

/* What a bzImage asks for. */
struct linux_kernel {
    uint32_t setup_size; /* protected-mode code begins there in the file */
    uint64_t code_size;
    uint64_t room;        /* bytes from where it is placed on */
    uint64_t lowest;      /* address that it prefers and may not lie below */
    uint64_t alignment;   /* a power of two */
    uint64_t initrd_end;  /* the initrd must end there or before */
    uint32_t cmdline_max; /* characters */
};

/* Reads the file's setup header. Whatever the file says, what comes out is safe to use. */
enum start_error linux_read(const void *file, size_t size, struct linux_kernel *kernel);

/* What a primary's Linux needs at start beside its files, in memory of its own. */
struct linux_start {
    struct linux_boot_params params;
    union {
        struct {
            char cmdline[2048];
            uint64_t gdt[4];
        };
        uint8_t page[4096];
    };
    uint64_t level4[512];
    uint64_t level3[512];
    uint64_t level2[4][512]; /* the first 4 GiB, identical */
    uint8_t acpi[ACPI_FILTER_ROOM];
};
_Static_assert(sizeof(struct linux_start) == 9 * 4096, "whole pages");

/* Where everything goes. */
struct linux_places {
    uint64_t kernel;
    uint64_t initrd;      /* 0: there is none */
    uint64_t initrd_size; /* bytes */
    uint64_t start;       /* struct linux_start */
    uint64_t efi_map;     /* 0: there is none */
    uint64_t efi_room;    /* bytes */
};

/*
 * Finds places in `free`, whose usable memory is what nobody has taken; it comes back with what was
 * found taken too. places->initrd, initrd_size and efi_room say on entry where the initrd's module
 * lies (it stays there if it can; `ram` is the domain's own memory, modules included) and how
 * large the EFI map may become.
 */
enum start_error linux_find_places(const struct linux_kernel *kernel, const struct memory_map *ram,
                                   struct memory_map *free, struct linux_places *places);

/* What the zero page tells beside the places. */
struct linux_boot {
    const void *kernel_file; /* its setup header is copied from there */
    const char *cmdline;     /* terminated */
    const struct memory_map *map;
    uint64_t efi_system_table; /* 0: no EFI */
    uint32_t efi_map_size;
    uint32_t efi_descriptor_size;
    uint32_t efi_descriptor_version;
};

/* Fills everything in `start`, which the domain will see at places->start, but `acpi`. */
enum start_error linux_write(const struct linux_kernel *kernel, const struct linux_places *places,
                             const struct linux_boot *boot, struct linux_start *start);

/* The registers at the entry. */
struct start_state linux_entry(const struct linux_places *places);

#endif
