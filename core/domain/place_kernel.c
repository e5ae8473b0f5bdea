#include "core/domain/place_kernel.h"

#include <stdnoreturn.h>

#include "core/domain/acpi_filter.h"
#include "core/domain/kernel.h"
#include "core/domain/primary.h"
#include "core/platform/platform.h"
#include "core/policy/policy.h"
#include "lib/memory.h"

#define PAGE     4096u
#define MIB_1    0x100000u
#define FOUR_GIB 0x100000000u

/* The domain whose turn it is: what it is told of its memory, and what nobody has taken of it. */
static struct {
    struct memory_map ram, free;
} work;

/* What a domain is told by; ACPI's tables are a PVH primary's. */
struct start_pages {
    struct kernel_start start;
    uint8_t acpi[ACPI_FILTER_ROOM];
};

static noreturn void refuse(enum start_error error, const struct bh_domain *domain,
                            const char *file)
{
    fatal("%s: %s, %s. %s", start_error_cause(error), domain->name, file,
          start_error_remedy(error));
}

/* The domain's memory at gpa, which must be its own. */
static void *memory_at(const struct bh_domain *domain, uint64_t gpa)
{
    return at_physical(domain->memory_base + gpa);
}

static bool read_memory(const struct bh_header *policy, const struct boot_info *info,
                        const struct bh_domain *domain)
{
    if (domain->kind == BH_PRIMARY)
        return primary_memory(policy, info, domain, &work.ram, &work.free);
    work.ram.count = 0;
    memory_map_set(&work.ram, 0, domain->memory_size, MEMORY_USABLE);
    work.free = work.ram;
    return true;
}

static bool lies_in(const struct boot_module *module, const struct kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->count; i++)
        if (module->start < kernel->segment[i].address + kernel->segment[i].size &&
            kernel->segment[i].address < module->end)
            return true;
    return false;
}

/* Modules that lie where a primary's kernel must be go elsewhere, where later domains find them. */
static bool clear_way(struct boot_info *info, const struct kernel *kernel)
{
    for (uint32_t i = 0; i < info->module_count; i++) {
        struct boot_module *module = &info->modules[i];
        uint64_t size = module->end - module->start, place;

        if (!lies_in(module, kernel))
            continue;
        place = memory_map_take(&work.free, MIB_1, FOUR_GIB, size, PAGE);
        if (place == MEMORY_NOWHERE)
            return false;
        memcpy(at_physical(place), at_physical(module->start), size);
        module->start = place;
        module->end = place + size;
    }
    return true;
}

/* Reads the kernel's file and puts its segments where they must be. */
static void place_segments(struct boot_info *info, const struct bh_domain *domain,
                           const struct bh_file *file, struct kernel *kernel)
{
    const struct boot_module *module = policy_module(info, file->name);
    const void *bytes = at_physical(module->start);
    enum start_error error = domain->boot == BH_BOOT_PVH
                                 ? pvh_read(bytes, file->size, kernel)
                                 : multiboot1_kernel_read(bytes, file->size, kernel);

    if (error)
        refuse(error, domain, file->name);
    for (uint32_t i = 0; i < kernel->count; i++) {
        const struct kernel_segment *s = &kernel->segment[i];

        if (!memory_map_usable(&work.ram, s->address, s->address + s->size))
            refuse(START_LOAD_NOT_RAM, domain, file->name);
        if (!memory_map_set(&work.free, s->address, s->address + s->size, MEMORY_TAKEN))
            refuse(START_MAP_FULL, domain, file->name);
    }
    if (domain->kind == BH_PRIMARY && !clear_way(info, kernel))
        refuse(START_NO_PLACE_MODULE, domain, file->name);
    for (uint32_t i = 0; i < kernel->count; i++) {
        const struct kernel_segment *s = &kernel->segment[i];
        uint8_t *to = memory_at(domain, s->address);

        memcpy(to, (const uint8_t *)at_physical(module->start) + s->offset, s->file_size);
        memset(to + s->file_size, 0, s->size - s->file_size);
        print("%s: %s at %lx-%lx", domain->name, file->name, s->address, s->address + s->size);
    }
}

/* A module stays where the loader put it, if that is whole pages of the domain's own memory. */
static void place_module(const struct boot_info *info, const struct bh_domain *domain,
                         const struct bh_file *file, struct kernel_boot *boot)
{
    const struct boot_module *module = policy_module(info, file->name);
    uint64_t place = module->start;

    if (domain->kind != BH_PRIMARY || place % PAGE != 0 || place + file->size > FOUR_GIB ||
        !memory_map_usable(&work.ram, place, place + file->size)) {
        place = memory_map_take(&work.free, MIB_1, FOUR_GIB, file->size, PAGE);
        if (place == MEMORY_NOWHERE)
            refuse(START_NO_PLACE_MODULE, domain, file->name);
        memcpy(memory_at(domain, place), at_physical(module->start), file->size);
    }
    boot->module[boot->module_count].start = place;
    boot->module[boot->module_count++].end = place + file->size;
    print("%s: %s at %lx-%lx", domain->name, file->name, place, place + file->size);
}

/* Below 1 MiB if there is room: kernels expect nothing of theirs there. */
static uint64_t take_start(void)
{
    uint64_t place = memory_map_take(&work.free, PAGE, MIB_1, sizeof(struct start_pages), PAGE);

    return place != MEMORY_NOWHERE
               ? place
               : memory_map_take(&work.free, MIB_1, FOUR_GIB, sizeof(struct start_pages), PAGE);
}

/* Takes pages for what the kernel is told, which no memory map calls free. */
static void place_start(const struct bh_domain *domain, const struct acpi_cpus *cpus,
                        struct kernel_boot *boot)
{
    uint64_t acpi;

    boot->at = take_start();
    if (boot->at == MEMORY_NOWHERE)
        refuse(START_NO_PLACE_START, domain, domain->name);
    acpi = boot->at + offsetof(struct start_pages, acpi);
    if (!memory_map_set(&work.ram, boot->at, acpi, MEMORY_RESERVED) ||
        !memory_map_set(&work.ram, acpi, acpi + ACPI_FILTER_ROOM, MEMORY_ACPI))
        refuse(START_MAP_FULL, domain, domain->name);
    if (domain->kind == BH_PRIMARY && domain->boot == BH_BOOT_PVH) {
        primary_write_acpi(domain, cpus, acpi);
        boot->rsdp = acpi;
    }
}

struct start_state place_kernel(const struct bh_header *policy, struct boot_info *info,
                                const struct acpi_cpus *cpus, const struct bh_domain *domain)
{
    const struct bh_file *file = POLICY_ROWS(policy, files, struct bh_file) + domain->files.offset;
    struct kernel_boot boot = {.map = &work.ram, .texts = domain->cmdline};
    struct start_state state;
    struct kernel kernel;
    enum start_error error;

    if (!read_memory(policy, info, domain))
        refuse(START_MAP_FULL, domain, file->name);
    place_segments(info, domain, file, &kernel); /* the image's check: the kernel comes first */
    for (uint32_t i = 1; i < domain->files.count; i++)
        place_module(info, domain, &file[i], &boot);
    place_start(domain, cpus, &boot);
    error = domain->boot == BH_BOOT_PVH
                ? pvh_write(&kernel, &boot, memory_at(domain, boot.at), &state)
                : multiboot1_write(&kernel, &boot, memory_at(domain, boot.at), &state);
    if (error)
        refuse(error, domain, file->name);
    return state;
}
