/* Multiboot 1 from the other side: a domain's kernel is what core itself was to its loader. */
#include "hw/multiboot1.h"

#include "core/domain/kernel.h"
#include "lib/memory.h"

#define PAGE       0x1000ull
#define LOWER_END  0xa0000ull
#define MIB_1      0x100000ull
#define OUR_LOADER "Bulkhead"

static bool find_header(const uint8_t *file, size_t size, struct mb1_header *header, uint64_t *at)
{
    const size_t shortest = offsetof(struct mb1_header, header_address);

    for (*at = 0; *at + shortest <= size && *at + shortest <= MB1_HEADER_LIMIT; *at += 4) {
        size_t left = size - *at;

        *header = (struct mb1_header){0};
        memcpy(header, file + *at, left < sizeof *header ? left : sizeof *header);
        if (header->magic == MB1_HEADER_MAGIC &&
            header->magic + header->flags + header->checksum == 0)
            return (header->flags & MB1_HEADER_ADDRESSES) == 0 || left >= sizeof *header;
    }
    return false;
}

/* The header's own addresses, for a file that is no ELF, or even so (3.1.3). */
static enum start_error read_addresses(size_t size, const struct mb1_header *h, uint64_t header_at,
                                       struct kernel *kernel)
{
    uint64_t before = (uint64_t)h->header_address - h->load_address; /* bytes that are loaded */
    uint64_t offset = header_at - before;
    uint64_t file_size = (uint64_t)h->load_end_address - h->load_address;
    uint64_t bytes = (uint64_t)h->bss_end_address - h->load_address;

    if (h->header_address < h->load_address || before > header_at ||
        (h->load_end_address != 0 && h->load_end_address <= h->load_address))
        return START_MULTIBOOT_ADDRESSES;
    if (h->load_end_address == 0)
        file_size = size - offset;
    if (h->bss_end_address == 0)
        bytes = file_size;
    else if (h->bss_end_address < h->load_address)
        return START_MULTIBOOT_ADDRESSES;
    kernel->count = 0;
    kernel->entry = h->entry_address;
    return kernel_add(kernel,
                      (struct kernel_segment){.address = h->load_address,
                                              .size = bytes,
                                              .offset = offset,
                                              .file_size = file_size,
                                              .virtual = h->load_address},
                      size);
}

/* An ELF file's entry is a virtual address, but is entered before there is paging. */
static enum start_error read_elf(const void *file, size_t size, struct kernel *kernel)
{
    uint64_t entry;
    enum start_error error = elf_read(file, size, kernel, &entry);

    if (error)
        return error;
    for (uint32_t i = 0; i < kernel->count; i++) {
        const struct kernel_segment *s = &kernel->segment[i];

        if (entry >= s->virtual && entry - s->virtual < s->size) {
            kernel->entry = (uint32_t)(s->address + (entry - s->virtual));
            return START_OK;
        }
    }
    return START_ENTRY;
}

enum start_error multiboot1_kernel_read(const void *file, size_t size, struct kernel *kernel)
{
    struct mb1_header header;
    enum start_error error;
    uint64_t at;

    if (!find_header(file, size, &header, &at))
        return START_MULTIBOOT_HEADER;
    if ((header.flags & MB1_HEADER_OTHERS) != 0)
        return START_MULTIBOOT_FLAGS;
    error = (header.flags & MB1_HEADER_ADDRESSES) != 0 ? read_addresses(size, &header, at, kernel)
                                                       : read_elf(file, size, kernel);
    if (error)
        return error;
    return kernel_has(kernel, kernel->entry) ? START_OK : START_ENTRY;
}

/* Where the usable memory that begins at `start` or before ends; `start` if there is none. */
static uint64_t usable_until(const struct memory_map *map, uint64_t start)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (map->range[i].type == MEMORY_USABLE && map->range[i].start <= start &&
            map->range[i].end > start)
            return map->range[i].end;
    return start;
}

/* KiB of memory below and from 1 MiB on without a break (3.3). Page 0 is nobody's, but counts. */
static void set_sizes(const struct memory_map *map, struct mb1_info *info)
{
    uint64_t lower = usable_until(map, PAGE), upper = usable_until(map, MIB_1);

    info->mem_lower = lower > PAGE ? (uint32_t)(lower < LOWER_END ? lower : LOWER_END) / 1024 : 0;
    info->mem_upper = (uint32_t)((upper - MIB_1) / 1024);
}

enum start_error multiboot1_write(const struct kernel *kernel, const struct kernel_boot *boot,
                                  struct kernel_start *start, struct start_state *state)
{
    uint32_t at = (uint32_t)boot->at;
    uint32_t text[1 + BH_MAX_FILES];

    if (boot->map->count > KERNEL_MAP_MAX)
        return START_MAP_FULL;
    memset(start, 0, sizeof *start);
    kernel_write_texts(boot, start, text, 1 + boot->module_count);
    memcpy(start->multiboot.loader, OUR_LOADER, sizeof OUR_LOADER);
    start->multiboot.info = (struct mb1_info){
        .flags = MB1_INFO_MEMORY | MB1_INFO_COMMAND_LINE | MB1_INFO_MODULES | MB1_INFO_MEMORY_MAP |
                 MB1_INFO_LOADER_NAME,
        .command_line = text[0],
        .module_count = boot->module_count,
        .modules = at + (uint32_t)offsetof(struct kernel_start, multiboot.module),
        .map_length = boot->map->count * (uint32_t)sizeof(struct mb1_region),
        .map = at + (uint32_t)offsetof(struct kernel_start, multiboot.map),
        .loader_name = at + (uint32_t)offsetof(struct kernel_start, multiboot.loader),
    };
    set_sizes(boot->map, &start->multiboot.info);
    for (uint32_t i = 0; i < boot->module_count; i++)
        start->multiboot.module[i] = (struct mb1_module){.start = (uint32_t)boot->module[i].start,
                                                         .end = (uint32_t)boot->module[i].end,
                                                         .string = text[1 + i]};
    for (uint32_t i = 0; i < boot->map->count; i++) {
        const struct boot_region *r = &boot->map->range[i];

        start->multiboot.map[i] =
            (struct mb1_region){.size = sizeof(struct mb1_region) - sizeof(uint32_t),
                                .base = r->start,
                                .length = r->end - r->start,
                                .type = r->type};
    }
    *state = kernel_entry(kernel, boot);
    state->rax = MB1_LOADED_MAGIC;
    return START_OK;
}
