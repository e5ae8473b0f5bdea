/*
 * Kernels that come in segments and are entered in 32-bit protected mode with paging off, by PVH or
 * Multiboot 1: what the file asks for, and what the kernel is told. Pure; addresses are
 * guest-physical. A file's author may be hostile: whatever it says, what comes out of a reader is
 * safe to use.
 */
#ifndef CORE_DOMAIN_KERNEL_H
#define CORE_DOMAIN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/domain/memory_map.h"
#include "core/domain/start.h"
#include "hw/multiboot1.h"
#include "hw/pvh.h"

#define KERNEL_SEGMENTS 16u
#define KERNEL_MAP_MAX  128u /* pieces of memory; Linux copies no more */

/* [address, address + size) in memory: file_size bytes from `offset` in the file, then zeros. */
struct kernel_segment {
    uint64_t address;
    uint64_t size;   /* at least file_size, not 0; ends at 4 GiB or below */
    uint64_t offset; /* offset + file_size are inside the file */
    uint64_t file_size;
    uint64_t virtual; /* where the kernel is linked to run */
};

struct kernel {
    struct kernel_segment segment[KERNEL_SEGMENTS]; /* none overlaps another */
    uint32_t count;                                 /* at least 1 */
    uint32_t entry;                                 /* inside a segment */
};

/* Adds a segment, if it is in order; `size` is the file's. */
enum start_error kernel_add(struct kernel *kernel, struct kernel_segment segment, size_t size);

/* True if the address lies in a segment. */
bool kernel_has(const struct kernel *kernel, uint64_t address);

/* The segments of an ELF file of either class; *entry is the header's, as it stands there. */
enum start_error elf_read(const void *file, size_t size, struct kernel *kernel, uint64_t *entry);

/*
 * Finds the note of that name and type in a file that elf_read has accepted. Returns the size of
 * its content, of which up to `room` bytes are copied; 0 if there is none.
 */
size_t elf_find_note(const void *file, size_t size, const char *name, uint32_t type, void *content,
                     size_t room);

enum start_error pvh_read(const void *file, size_t size, struct kernel *kernel);
enum start_error multiboot1_kernel_read(const void *file, size_t size, struct kernel *kernel);

/* What a kernel is told. */
struct kernel_boot {
    uint64_t at; /* where it will see its kernel_start */
    const struct memory_map *map;
    const char *texts; /* the command line, then each module's string, apart by '\n' */
    uint64_t rsdp;     /* 0: there is none */
    uint32_t module_count;
    struct {
        uint64_t start, end; /* bytes, below 4 GiB */
    } module[BH_MAX_FILES];
};

#define KERNEL_TEXTS (BH_CMDLINE_SIZE + BH_MAX_FILES)

/* The pages that it is told by. */
struct kernel_start {
    union {
        struct {
            struct pvh_info info;
            struct pvh_module module[BH_MAX_FILES];
            struct pvh_memory map[KERNEL_MAP_MAX];
        } pvh;
        struct {
            struct mb1_info info;
            struct mb1_module module[BH_MAX_FILES];
            struct mb1_region map[KERNEL_MAP_MAX];
            char loader[16];
        } multiboot;
        uint8_t room[2 * 4096 - KERNEL_TEXTS];
    };
    char texts[KERNEL_TEXTS];
};
_Static_assert(sizeof(struct kernel_start) == 2 * 4096, "whole pages");

/* Fill all of `start`, and say how the kernel begins; START_MAP_FULL if the map is too long. */
enum start_error pvh_write(const struct kernel *kernel, const struct kernel_boot *boot,
                           struct kernel_start *start, struct start_state *state);
enum start_error multiboot1_write(const struct kernel *kernel, const struct kernel_boot *boot,
                                  struct kernel_start *start, struct start_state *state);

/*
 * Copies `texts` to start->texts, each part terminated; part[i] is where the domain sees the i-th
 * of `count`, empty if there are fewer.
 */
void kernel_write_texts(const struct kernel_boot *boot, struct kernel_start *start, uint32_t *part,
                        uint32_t count);

/* Flat segments, paging off, EBX = where the kernel is told. */
struct start_state kernel_entry(const struct kernel *kernel, const struct kernel_boot *boot);

#endif
