/*
 * Readers of the loaders' formats: pure functions from foreign memory into struct boot_info. They
 * take nothing for granted: a length may be wrong, a string may have no end, a tag may lie.
 */
#ifndef CORE_BOOT_LOADER_H
#define CORE_BOOT_LOADER_H

#include <stddef.h>

#include "core/boot/boot_info.h"

/* Gives length readable bytes of physical memory at address, or NULL if not all can be read. */
typedef const void *loader_reader(uint64_t address, uint64_t length);

/* Read the boot information at address into *info, which is all zeros. */
enum boot_error multiboot1_read(loader_reader *read, uint64_t address, struct boot_info *info);
enum boot_error multiboot2_read(loader_reader *read, uint64_t address, struct boot_info *info);

/* Steps that the formats share; they fill *info. */
enum boot_error loader_add_region(struct boot_info *info, uint64_t base, uint64_t length,
                                  uint32_t type);
enum boot_error loader_add_module(struct boot_info *info, uint64_t start, uint64_t end,
                                  const char *string);

/*
 * Copies a terminated string of at most limit bytes, terminator included, to a buffer of size
 * bytes; BOOT_STRING_UNTERMINATED, or BOOT_STRING_TOO_LONG if it doesn't fit.
 */
enum boot_error loader_copy_string(char *to, size_t size, const char *from, size_t limit);

/* Writes what an error is about to info->fault, unless something more exact stands there already.
 */
void loader_blame(struct boot_info *info, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Checks modules against the memory map, each other and [core_start, core_end). */
enum boot_error loader_check_modules(struct boot_info *info, uint64_t core_start,
                                     uint64_t core_end);

#endif
