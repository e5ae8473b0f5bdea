#include "hw/pvh.h"

#include "core/domain/kernel.h"
#include "lib/memory.h"

enum start_error pvh_read(const void *file, size_t size, struct kernel *kernel)
{
    uint64_t entry = 0, unused;
    enum start_error error = elf_read(file, size, kernel, &unused);
    size_t entry_size;

    if (error)
        return error;
    entry_size = elf_find_note(file, size, PVH_NOTE_NAME, PVH_NOTE_ENTRY, &entry, sizeof entry);
    if (entry_size != 4 && entry_size != 8)
        return START_PVH_NOTE;
    if (!kernel_has(kernel, entry))
        return START_ENTRY;
    kernel->entry = (uint32_t)entry;
    return START_OK;
}

enum start_error pvh_write(const struct kernel *kernel, const struct kernel_boot *boot,
                           struct kernel_start *start, struct start_state *state)
{
    uint64_t at = boot->at;
    uint32_t text[1 + BH_MAX_FILES];

    if (boot->map->count > KERNEL_MAP_MAX)
        return START_MAP_FULL;
    memset(start, 0, sizeof *start);
    kernel_write_texts(boot, start, text, 1 + boot->module_count);
    start->pvh.info = (struct pvh_info){
        .magic = PVH_MAGIC,
        .version = PVH_VERSION,
        .nr_modules = boot->module_count,
        .modlist_paddr =
            boot->module_count != 0 ? at + offsetof(struct kernel_start, pvh.module) : 0,
        .cmdline_paddr = text[0],
        .rsdp_paddr = boot->rsdp,
        .memmap_paddr = at + offsetof(struct kernel_start, pvh.map),
        .memmap_entries = boot->map->count,
    };
    for (uint32_t i = 0; i < boot->module_count; i++)
        start->pvh.module[i] =
            (struct pvh_module){.paddr = boot->module[i].start,
                                .size = boot->module[i].end - boot->module[i].start,
                                .cmdline_paddr = text[1 + i]};
    for (uint32_t i = 0; i < boot->map->count; i++) {
        const struct boot_region *r = &boot->map->range[i];

        start->pvh.map[i] =
            (struct pvh_memory){.addr = r->start, .size = r->end - r->start, .type = r->type};
    }
    *state = kernel_entry(kernel, boot);
    return START_OK;
}
