/*
 * The Linux/x86 boot protocol: what stands in a bzImage's setup header and in the "zero page",
 * struct boot_params, that the kernel gets in RSI at its 64-bit entry. Names and offsets are those
 * of the kernel's Documentation/x86/boot.rst and zero-page.rst.
 */
#ifndef HW_LINUX_BOOT_H
#define HW_LINUX_BOOT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Lies at 1F1h in the file and in the zero page. */
struct linux_setup_header {
    uint8_t setup_sects; /* sectors of setup code after the first one; 0 means 4 */
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag; /* AA55h */
    uint8_t jump_opcode;
    uint8_t jump_length; /* the header ends that many bytes behind this one */
    uint32_t header;     /* "HdrS" */
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader;
    uint8_t loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image;
    uint32_t ramdisk_size;
    uint32_t bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr;
    uint32_t initrd_addr_max; /* highest byte that the initrd may occupy */
    uint32_t kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size; /* without the terminating zero */
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint64_t setup_data;
    uint64_t pref_address;
    uint32_t init_size; /* memory needed from the load address on, until the kernel knows its map */
    uint32_t handover_offset;
    uint32_t kernel_info_offset; /* protocol 2.15 */
} __attribute__((packed));

#define LINUX_HEADER_OFFSET  0x1f1u
#define LINUX_HEADER_LIMIT   0x290u /* edd_mbr_sig_buffer follows in the zero page */
#define LINUX_BOOT_FLAG      0xaa55u
#define LINUX_HEADER_MAGIC   0x53726448u
#define LINUX_PROTOCOL_64    0x020cu /* 2.12: xloadflags */
#define LINUX_SECTOR         512u
#define LINUX_LOADED_HIGH    0x01u /* loadflags: protected-mode code runs at 1 MiB and above */
#define LINUX_XLF_KERNEL_64  0x0001u
#define LINUX_ENTRY_64       0x200u /* from the start of protected-mode code */
#define LINUX_LOADER_UNKNOWN 0xffu  /* type_of_loader */

/* The segments that the 64-bit entry asks for. */
#define LINUX_BOOT_CS 0x10u
#define LINUX_BOOT_DS 0x18u

struct linux_e820 {
    uint64_t address;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));
#define LINUX_E820_MAX 128u

struct linux_efi_info {
    uint32_t loader_signature;
    uint32_t systab;
    uint32_t memdesc_size;
    uint32_t memdesc_version;
    uint32_t memmap;
    uint32_t memmap_size;
    uint32_t systab_hi;
    uint32_t memmap_hi;
} __attribute__((packed));
#define LINUX_EFI_LOADER_64 0x34364c45u /* "EL64" */

struct linux_boot_params {
    uint8_t screen_info[0x40];
    uint8_t reserved0[0x30];
    uint64_t acpi_rsdp_addr;
    uint8_t reserved1[0x148];
    struct linux_efi_info efi_info;
    uint8_t reserved2[8];
    uint8_t e820_entries;
    uint8_t reserved3[8];
    union {
        struct linux_setup_header hdr;
        uint8_t header_bytes[LINUX_HEADER_LIMIT - LINUX_HEADER_OFFSET];
    };
    uint8_t reserved4[0x40];
    struct linux_e820 e820_table[LINUX_E820_MAX];
    uint8_t reserved5[0x330];
} __attribute__((packed));
static_assert(offsetof(struct linux_setup_header, header) == 0x202 - 0x1f1, "header");
static_assert(offsetof(struct linux_setup_header, xloadflags) == 0x236 - 0x1f1, "xloadflags");
static_assert(offsetof(struct linux_setup_header, pref_address) == 0x258 - 0x1f1, "pref_address");
static_assert(offsetof(struct linux_boot_params, acpi_rsdp_addr) == 0x70, "acpi_rsdp_addr");
static_assert(offsetof(struct linux_boot_params, efi_info) == 0x1c0, "efi_info");
static_assert(offsetof(struct linux_boot_params, e820_entries) == 0x1e8, "e820_entries");
static_assert(offsetof(struct linux_boot_params, hdr) == LINUX_HEADER_OFFSET, "hdr");
static_assert(offsetof(struct linux_boot_params, e820_table) == 0x2d0, "e820_table");
static_assert(sizeof(struct linux_boot_params) == 4096, "the zero page");

#endif
