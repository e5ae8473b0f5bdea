#include "core/domain/linux.h"

#include "hw/x86.h"
#include "lib/memory.h"

#define PAGE     4096u
#define MIB_1    0x100000u
#define FOUR_GIB 0x100000000u
#define LARGEST  (1u << 30) /* no kernel needs more room or alignment */

/* Entries of the identity map and the GDT (APM vol. 2, 5.3 and 4.8). */
#define TABLE_BITS   0x23u /* present, writable, accessed */
#define LARGE_BITS   0xe3u /* and dirty, 2 MiB */
#define CODE_SEGMENT 0x00af9b000000ffffull
#define DATA_SEGMENT 0x00cf93000000ffffull

static enum start_error check_header(const struct linux_setup_header *h)
{
    if (h->boot_flag != LINUX_BOOT_FLAG || h->header != LINUX_HEADER_MAGIC)
        return START_KERNEL_MAGIC;
    if (h->version < LINUX_PROTOCOL_64)
        return START_KERNEL_OLD;
    if ((h->xloadflags & LINUX_XLF_KERNEL_64) == 0 || (h->loadflags & LINUX_LOADED_HIGH) == 0)
        return START_KERNEL_32;
    if (h->relocatable_kernel == 0)
        return START_KERNEL_FIXED;
    return START_OK;
}

enum start_error linux_read(const void *file, size_t size, struct linux_kernel *kernel)
{
    struct linux_setup_header h;

    if (size < LINUX_HEADER_LIMIT)
        return START_KERNEL_SHORT;
    memcpy(&h, (const uint8_t *)file + LINUX_HEADER_OFFSET, sizeof h);
    enum start_error error = check_header(&h);
    if (error)
        return error;
    kernel->setup_size = ((h.setup_sects == 0 ? 4u : h.setup_sects) + 1u) * LINUX_SECTOR;
    if (size <= kernel->setup_size + LINUX_ENTRY_64)
        return START_KERNEL_SHORT;
    kernel->code_size = size - kernel->setup_size;
    kernel->room = h.init_size;
    kernel->lowest = h.pref_address;
    kernel->alignment = h.kernel_alignment;
    kernel->initrd_end = (uint64_t)h.initrd_addr_max + 1;
    kernel->cmdline_max = h.cmdline_size;
    if (kernel->room < kernel->code_size || kernel->room > LARGEST || kernel->lowest < MIB_1 ||
        kernel->lowest > FOUR_GIB || kernel->alignment < PAGE || kernel->alignment > LARGEST ||
        (kernel->alignment & (kernel->alignment - 1)) != 0)
        return START_KERNEL_SIZES;
    return START_OK;
}

/* The boot parameters' place: below 640 KiB, where kernels never decompress to, if it is free. */
static uint64_t take_start(struct memory_map *free)
{
    uint64_t place = memory_map_take(free, PAGE, MIB_1, sizeof(struct linux_start), PAGE);

    return place != MEMORY_NOWHERE
               ? place
               : memory_map_take(free, MIB_1, FOUR_GIB, sizeof(struct linux_start), PAGE);
}

enum start_error linux_find_places(const struct linux_kernel *kernel, const struct memory_map *ram,
                                   struct memory_map *free, struct linux_places *places)
{
    uint64_t initrd_end = kernel->initrd_end < FOUR_GIB ? kernel->initrd_end : FOUR_GIB;

    places->start = take_start(free);
    if (places->start == MEMORY_NOWHERE)
        return START_NO_PLACE_START;
    places->kernel =
        memory_map_take(free, kernel->lowest, FOUR_GIB, kernel->room, kernel->alignment);
    if (places->kernel == MEMORY_NOWHERE)
        return START_NO_PLACE_KERNEL;
    if (places->initrd_size != 0 &&
        (places->initrd + places->initrd_size > initrd_end ||
         !memory_map_usable(ram, places->initrd, places->initrd + places->initrd_size)))
        places->initrd = memory_map_take(free, MIB_1, initrd_end, places->initrd_size, PAGE);
    if (places->initrd == MEMORY_NOWHERE)
        return START_NO_PLACE_INITRD;
    if (places->efi_room != 0)
        places->efi_map = memory_map_take(free, MIB_1, FOUR_GIB, places->efi_room, PAGE);
    return places->efi_map == MEMORY_NOWHERE ? START_NO_PLACE_START : START_OK;
}

static void write_identity_map(const struct linux_places *places, struct linux_start *start)
{
    start->level4[0] = (places->start + offsetof(struct linux_start, level3)) | TABLE_BITS;
    for (uint64_t i = 0; i < 4; i++) {
        start->level3[i] =
            (places->start + offsetof(struct linux_start, level2) + i * PAGE) | TABLE_BITS;
        for (uint64_t j = 0; j < 512; j++)
            start->level2[i][j] = (i << 30 | j << 21) | LARGE_BITS;
    }
    start->gdt[LINUX_BOOT_CS / 8] = CODE_SEGMENT;
    start->gdt[LINUX_BOOT_DS / 8] = DATA_SEGMENT;
}

/* The file's own header, from setup_sects to where it says that it ends, and the loader's part. */
static void write_header(const struct linux_places *places, const struct linux_boot *boot,
                         struct linux_boot_params *params)
{
    const uint8_t *file = boot->kernel_file;
    size_t end = offsetof(struct linux_boot_params, hdr.header) +
                 file[offsetof(struct linux_boot_params, hdr.jump_length)];
    size_t size =
        end < LINUX_HEADER_LIMIT ? end - LINUX_HEADER_OFFSET : sizeof params->header_bytes;

    memcpy(params->header_bytes, file + LINUX_HEADER_OFFSET, size);
    params->hdr.type_of_loader = LINUX_LOADER_UNKNOWN;
    params->hdr.cmd_line_ptr = (uint32_t)(places->start + offsetof(struct linux_start, cmdline));
    params->hdr.ramdisk_image = (uint32_t)places->initrd;
    params->hdr.ramdisk_size = (uint32_t)places->initrd_size;
    params->hdr.setup_data = 0;
}

static void write_efi(const struct linux_places *places, const struct linux_boot *boot,
                      struct linux_efi_info *efi)
{
    efi->loader_signature = LINUX_EFI_LOADER_64;
    efi->systab = (uint32_t)boot->efi_system_table;
    efi->systab_hi = (uint32_t)(boot->efi_system_table >> 32);
    efi->memdesc_size = boot->efi_descriptor_size;
    efi->memdesc_version = boot->efi_descriptor_version;
    efi->memmap = (uint32_t)places->efi_map;
    efi->memmap_size = boot->efi_map_size;
}

enum start_error linux_write(const struct linux_kernel *kernel, const struct linux_places *places,
                             const struct linux_boot *boot, struct linux_start *start)
{
    size_t length = strlen(boot->cmdline);

    if (length > kernel->cmdline_max || length >= sizeof start->cmdline)
        return START_KERNEL_CMDLINE;
    if (boot->map->count > LINUX_E820_MAX)
        return START_MAP_FULL;
    memset(start, 0, sizeof *start);
    write_header(places, boot, &start->params);
    memcpy(start->cmdline, boot->cmdline, length);
    for (uint32_t i = 0; i < boot->map->count; i++) {
        const struct boot_region *r = &boot->map->range[i];

        start->params.e820_table[i] = (struct linux_e820){r->start, r->end - r->start, r->type};
    }
    start->params.e820_entries = (uint8_t)boot->map->count;
    start->params.acpi_rsdp_addr = places->start + offsetof(struct linux_start, acpi);
    if (boot->efi_system_table != 0)
        write_efi(places, boot, &start->params.efi_info);
    write_identity_map(places, start);
    return START_OK;
}

struct start_state linux_entry(const struct linux_places *places)
{
    return (struct start_state){
        .rip = places->kernel + LINUX_ENTRY_64,
        .rsp = places->start + sizeof(struct linux_start), /* the entry sets its own stack */
        .rsi = places->start,
        .cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG,
        .cr3 = places->start + offsetof(struct linux_start, level4),
        .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA,
        .gdt_base = places->start + offsetof(struct linux_start, gdt),
        .gdt_limit = sizeof(((struct linux_start *)0)->gdt) - 1,
        .cs = LINUX_BOOT_CS,
        .ds = LINUX_BOOT_DS,
    };
}
