/* Multiboot2 Specification 2.0, for C and assembler: section numbers are its own. */
#ifndef HW_MULTIBOOT2_H
#define HW_MULTIBOOT2_H

/* Header, 3.1.1 */
#define MB2_HEADER_MAGIC 0xe85250d6
#define MB2_HEADER_I386  0
#define MB2_HEADER_LIMIT 32768

/* Header tags, 3.1.3 to 3.1.13 */
#define MB2_HEADER_END          0
#define MB2_HEADER_INFORMATION  1
#define MB2_HEADER_CONSOLE      4
#define MB2_HEADER_FRAMEBUFFER  5
#define MB2_HEADER_MODULE_ALIGN 6
#define MB2_HEADER_OPTIONAL     1 /* flag: the loader may ignore the tag */
#define MB2_CONSOLE_EGA_TEXT    2

/* EAX at entry, 3.5 */
#define MB2_LOADED_MAGIC 0x36d76289

/* Boot information tags, 3.6 */
#define MB2_TAG_END           0
#define MB2_TAG_COMMAND_LINE  1
#define MB2_TAG_LOADER_NAME   2
#define MB2_TAG_MODULE        3
#define MB2_TAG_MEMORY_MAP    6
#define MB2_TAG_FRAMEBUFFER   8
#define MB2_TAG_EFI64         12
#define MB2_TAG_RSDP_1        14
#define MB2_TAG_RSDP_2        15
#define MB2_TAG_EFI_MAP       17
#define MB2_TAG_BOOT_SERVICES 18

#ifndef __ASSEMBLER__
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Start of the boot information, 3.6.1. total_size counts this structure. */
struct mb2_info {
    uint32_t total_size;
    uint32_t reserved;
};
static_assert(sizeof(struct mb2_info) == 8, "boot information");

/* Head of every tag. size counts the head, not the padding to the next multiple of 8. */
struct mb2_tag {
    uint32_t type;
    uint32_t size;
};
static_assert(sizeof(struct mb2_tag) == 8, "tag");

/* 3.6.6; the string follows */
struct mb2_module {
    struct mb2_tag tag;
    uint32_t start;
    uint32_t end;
};
static_assert(sizeof(struct mb2_module) == 16, "module");

/* 3.6.8; entries of entry_size bytes follow */
struct mb2_memory_map {
    struct mb2_tag tag;
    uint32_t entry_size;
    uint32_t entry_version;
};
static_assert(sizeof(struct mb2_memory_map) == 16, "memory map");

struct mb2_region {
    uint64_t base;
    uint64_t length;
    uint32_t type;
    uint32_t reserved;
};
static_assert(sizeof(struct mb2_region) == 24, "memory map entry");

/* 3.6.12, as GRUB writes it: two reserved bytes, then the color description */
struct mb2_framebuffer {
    struct mb2_tag tag;
    uint64_t address;
    uint32_t pitch;
    uint32_t width;
    uint32_t height;
    uint8_t bits_per_pixel;
    uint8_t type;
    uint16_t reserved;
};
static_assert(offsetof(struct mb2_framebuffer, bits_per_pixel) == 28, "bpp");
static_assert(sizeof(struct mb2_framebuffer) == 32, "framebuffer");
#define MB2_FRAMEBUFFER_RGB      1
#define MB2_FRAMEBUFFER_EGA_TEXT 2

/* Follows mb2_framebuffer if its type is RGB */
struct mb2_rgb {
    uint8_t red_position;
    uint8_t red_size;
    uint8_t green_position;
    uint8_t green_size;
    uint8_t blue_position;
    uint8_t blue_size;
};
static_assert(sizeof(struct mb2_rgb) == 6, "RGB description");

/* 3.6.14 */
struct mb2_efi64 {
    struct mb2_tag tag;
    uint64_t system_table;
};
static_assert(sizeof(struct mb2_efi64) == 16, "EFI64 system table");

/* 3.6.19; the map follows */
struct mb2_efi_map {
    struct mb2_tag tag;
    uint32_t descriptor_size;
    uint32_t descriptor_version;
};
static_assert(sizeof(struct mb2_efi_map) == 16, "EFI memory map");
#endif

#endif
