/* Multiboot Specification 0.6.96, for C and assembler: section numbers are its own. */
#ifndef HW_MULTIBOOT1_H
#define HW_MULTIBOOT1_H

/* Header, 3.1.1 */
#define MB1_HEADER_MAGIC       0x1badb002
#define MB1_HEADER_PAGE_ALIGN  0x00000001
#define MB1_HEADER_MEMORY_INFO 0x00000002
#define MB1_HEADER_ADDRESSES   0x00010000
#define MB1_HEADER_OTHERS      0x0000fffc /* the kernel insists on something else, too: refuse */
#define MB1_HEADER_LIMIT       8192

/* EAX at entry, 3.2 */
#define MB1_LOADED_MAGIC 0x2badb002

#ifndef __ASSEMBLER__
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Lies in the file's first MB1_HEADER_LIMIT bytes, aligned to 4; the first three add up to 0. */
struct mb1_header {
    uint32_t magic;
    uint32_t flags;
    uint32_t checksum;
    /* Valid with MB1_HEADER_ADDRESSES, 3.1.3 */
    uint32_t header_address;
    uint32_t load_address;
    uint32_t load_end_address; /* 0: the file's end */
    uint32_t bss_end_address;  /* 0: no bss */
    uint32_t entry_address;
};
static_assert(sizeof(struct mb1_header) == 32, "header without video fields");

/* Bits of mb1_info.flags, 3.3 */
#define MB1_INFO_MEMORY       0x0001u
#define MB1_INFO_COMMAND_LINE 0x0004u
#define MB1_INFO_MODULES      0x0008u
#define MB1_INFO_MEMORY_MAP   0x0040u
#define MB1_INFO_LOADER_NAME  0x0200u

/* Boot information, 3.3. Each field is valid only if its bit in flags is set. */
struct mb1_info {
    uint32_t flags;
    uint32_t mem_lower;
    uint32_t mem_upper;
    uint32_t boot_device;
    uint32_t command_line;
    uint32_t module_count;
    uint32_t modules;
    uint32_t symbols[4];
    uint32_t map_length;
    uint32_t map;
    uint32_t drives_length;
    uint32_t drives;
    uint32_t config_table;
    uint32_t loader_name;
};
static_assert(offsetof(struct mb1_info, command_line) == 16, "cmdline");
static_assert(offsetof(struct mb1_info, module_count) == 20, "mods_count");
static_assert(offsetof(struct mb1_info, map_length) == 44, "mmap_length");
static_assert(offsetof(struct mb1_info, loader_name) == 64, "boot_loader_name");

struct mb1_module {
    uint32_t start;
    uint32_t end;
    uint32_t string;
    uint32_t reserved;
};
static_assert(sizeof(struct mb1_module) == 16, "module");

/* Memory map entry. size doesn't count itself; the next entry lies at size + 4. */
struct mb1_region {
    uint32_t size;
    uint64_t base;
    uint64_t length;
    uint32_t type;
} __attribute__((packed));
static_assert(sizeof(struct mb1_region) == 24, "mmap entry");
#endif

#endif
