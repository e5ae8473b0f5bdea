/*
 * PVH, Xen's way to start a kernel without real mode, as Linux takes it from any hypervisor (Xen's
 * docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h, whose names these are). At entry: EBX
 * has the address of the start information, flat 32-bit segments, CR0.PE alone, all else off.
 */
#ifndef HW_PVH_H
#define HW_PVH_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* The ELF note that holds the entry's physical address, in 4 or 8 bytes. */
#define PVH_NOTE_NAME  "Xen"
#define PVH_NOTE_ENTRY 18u /* XEN_ELFNOTE_PHYS32_ENTRY */

#define PVH_MAGIC   0x336ec578u
#define PVH_VERSION 1u /* has a memory map */

struct pvh_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};
static_assert(sizeof(struct pvh_info) == 56, "struct hvm_start_info");

/* The first one is Linux's initrd. */
struct pvh_module {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};
static_assert(sizeof(struct pvh_module) == 32, "struct hvm_modlist_entry");

struct pvh_memory {
    uint64_t addr;
    uint64_t size;
    uint32_t type; /* as E820's */
    uint32_t reserved;
};
static_assert(sizeof(struct pvh_memory) == 24, "struct hvm_memmap_table_entry");

#endif
