#include "core/domain/primary.h"

#include <stdnoreturn.h>

#include "core/domain/acpi_filter.h"
#include "core/domain/efi_map.h"
#include "core/domain/linux.h"
#include "core/domain/memory_map.h"
#include "core/mm/mm.h"
#include "core/platform/platform.h"
#include "core/policy/policy.h"
#include "hw/efi.h"
#include "hw/npt.h"
#include "lib/memory.h"

#define PAGE     4096u
#define MAX_CUTS (BH_MAX_REGIONS + 16u)

/* What is worked out for the one primary that a policy may have. */
static struct {
    struct memory_map ram; /* what it is told, as E820 types */
    struct memory_map free;
    struct efi_cut cuts[MAX_CUTS]; /* the same differences from the loader's, as EFI types */
    uint32_t cut_count;
} work;

static noreturn void refuse(enum start_error error, const struct bh_domain *domain)
{
    fatal("%s: %s. %s", start_error_cause(error), domain->name, start_error_remedy(error));
}

static bool cut(uint64_t start, uint64_t end, uint32_t efi_type)
{
    if (work.cut_count == MAX_CUTS)
        return false;
    work.cuts[work.cut_count++] = (struct efi_cut){start, end, efi_type};
    return true;
}

/* Gives [start, end) another type in both maps. */
static bool retype(uint64_t start, uint64_t end, uint32_t e820_type, uint32_t efi_type)
{
    return cut(start, end, efi_type) && memory_map_set(&work.ram, start, end, e820_type);
}

/*
 * True if the domain may allocate from the memory at gpa: its table maps it to be written, and it
 * isn't a place of the policy's (a channel is mapped, but no RAM). The same holds for `size` bytes.
 */
static bool is_its_ram(const struct bh_header *policy, const struct bh_domain *domain, uint64_t gpa,
                       uint64_t *size)
{
    const struct bh_region *region = POLICY_ROWS(policy, regions, struct bh_region);
    struct p2m_leaf leaf = p2m_lookup(at_physical(domain->table), gpa);
    bool its_own = (leaf.flags & NPT_W) && !(leaf.flags & NPT_UC);

    *size = leaf.size;
    for (uint32_t i = 0; i < policy->regions.count; i++) {
        uint64_t end = region[i].base + region[i].size;
        uint64_t edge = gpa < region[i].base ? region[i].base : end;

        its_own &= gpa < region[i].base || gpa >= end;
        if (gpa < edge && edge - gpa < *size)
            *size = edge - gpa;
    }
    return its_own;
}

/* Takes [start, end) out of the domain's usable memory. */
static bool withhold(uint64_t start, uint64_t end)
{
    return start >= end ||
           (cut(start, end, EFI_RESERVED) &&
            memory_map_change(&work.ram, start, end, MEMORY_USABLE, MEMORY_RESERVED));
}

/* The loader's map without what isn't the domain's RAM, and without page 0. */
static bool read_ram(const struct bh_header *policy, const struct boot_info *info,
                     const struct bh_domain *domain)
{
    uint64_t withheld = PAGE; /* start of the span up to gpa that isn't its own */
    uint64_t size;

    work.cut_count = 0;
    if (!memory_map_read(&work.ram, info))
        return false;
    for (uint64_t gpa = PAGE; gpa < domain->memory_size; gpa += size) {
        if (!is_its_ram(policy, domain, gpa, &size))
            continue;
        if (!withhold(withheld, gpa))
            return false;
        withheld = gpa + size;
    }
    if (!withhold(withheld, domain->memory_size))
        return false;
    for (uint32_t i = 0; i < info->region_count; i++) {
        uint64_t start = info->regions[i].start, end = info->regions[i].end;

        start = start > domain->memory_size ? start : domain->memory_size;
        if (info->regions[i].type == MEMORY_USABLE && start < end &&
            (!memory_map_change(&work.ram, start, end, MEMORY_USABLE, MEMORY_RESERVED) ||
             !cut(start, end, EFI_RESERVED)))
            return false;
    }
    return retype(0, PAGE, MEMORY_RESERVED, EFI_RESERVED);
}

bool primary_owns(const struct bh_header *policy, const struct boot_info *info,
                  const struct bh_domain *domain, uint64_t start, uint64_t end)
{
    if (!read_ram(policy, info, domain))
        refuse(START_MAP_FULL, domain);
    return memory_map_usable(&work.ram, start, end);
}

bool primary_memory(const struct bh_header *policy, const struct boot_info *info,
                    const struct bh_domain *domain, struct memory_map *ram, struct memory_map *free)
{
    if (!read_ram(policy, info, domain))
        return false;
    *ram = *free = work.ram;
    for (uint32_t i = 0; i < info->module_count; i++)
        if (!memory_map_set(free, info->modules[i].start, info->modules[i].end, MEMORY_TAKEN))
            return false;
    return true;
}

/* The module of the domain's file with that role, or NULL. */
static const struct boot_module *module_of(const struct bh_header *policy,
                                           const struct boot_info *info,
                                           const struct bh_domain *domain, uint32_t role)
{
    const struct bh_file *file = POLICY_ROWS(policy, files, struct bh_file) + domain->files.offset;

    for (uint32_t i = 0; i < domain->files.count; i++)
        if (file[i].role == role)
            return policy_module(info, file[i].name);
    return NULL;
}

void primary_write_acpi(const struct bh_domain *domain, const struct acpi_cpus *cpus,
                        uint64_t address)
{
    uint8_t apic_id[BH_MAX_CORES];
    size_t size = 0;
    const void *madt = acpi_find("APIC", &size);

    for (uint32_t i = 0; i < domain->ncores; i++)
        apic_id[i] = cpus->apic_id[domain->core[i]];
    if (!madt ||
        acpi_filter(madt, size, apic_id, domain->ncores, address, at_physical(address)) == 0)
        refuse(START_ACPI_MADT, domain);
}

/* Marks what was placed where Linux must find it unchanged. */
static bool retype_places(const struct linux_places *places)
{
    uint64_t acpi = places->start + offsetof(struct linux_start, acpi);

    if (places->efi_map != 0) /* stays RAM for E820; Linux reserves it */
        work.cuts[work.cut_count++] =
            (struct efi_cut){places->efi_map, places->efi_map + places->efi_room, EFI_LOADER_DATA};
    return retype(places->start, acpi, MEMORY_RESERVED, EFI_RESERVED) &&
           retype(acpi, acpi + ACPI_FILTER_ROOM, MEMORY_ACPI, EFI_ACPI_RECLAIM);
}

static uint32_t write_efi_map(const struct boot_info *info, const struct linux_places *places)
{
    return (uint32_t)efi_map_cut(info->efi.map, info->efi.map_size, info->efi.descriptor_size,
                                 work.cuts, work.cut_count, at_physical(places->efi_map),
                                 places->efi_room);
}

static void place(const struct bh_domain *domain, const struct boot_info *info,
                  const struct boot_module *kernel, const struct boot_module *initrd,
                  const struct linux_kernel *wishes, struct linux_places *places)
{
    enum start_error error = START_OK;

    if (initrd) {
        places->initrd = initrd->start;
        places->initrd_size = initrd->end - initrd->start;
    }
    if (info->efi.system_table != 0)
        places->efi_room =
            (info->efi.map_size + 2 * MAX_CUTS * info->efi.descriptor_size + PAGE - 1) &
            ~(PAGE - 1);
    error = linux_find_places(wishes, &work.ram, &work.free, places);
    if (error)
        refuse(error, domain);
    memcpy(at_physical(places->kernel), at_physical(kernel->start + wishes->setup_size),
           wishes->code_size);
    if (initrd && places->initrd != initrd->start)
        memcpy(at_physical(places->initrd), at_physical(initrd->start), places->initrd_size);
}

struct start_state primary_place_linux(const struct bh_header *policy, const struct boot_info *info,
                                       const struct acpi_cpus *cpus, const struct bh_domain *domain)
{
    const struct boot_module *kernel = module_of(policy, info, domain, BH_FILE_KERNEL);
    const struct boot_module *initrd = module_of(policy, info, domain, BH_FILE_INITRD);
    struct linux_boot boot = {.kernel_file = at_physical(kernel->start),
                              .cmdline = domain->cmdline,
                              .map = &work.ram,
                              .efi_system_table = info->efi.system_table,
                              .efi_descriptor_size = info->efi.descriptor_size,
                              .efi_descriptor_version = info->efi.descriptor_version};
    struct linux_places places = {0};
    struct linux_kernel wishes;
    enum start_error error = linux_read(boot.kernel_file, kernel->end - kernel->start, &wishes);

    if (error)
        refuse(error, domain);
    if (!primary_memory(policy, info, domain, &work.ram, &work.free))
        refuse(START_MAP_FULL, domain);
    place(domain, info, kernel, initrd, &wishes, &places);
    if (!retype_places(&places))
        refuse(START_MAP_FULL, domain);
    if (boot.efi_system_table != 0)
        boot.efi_map_size = write_efi_map(info, &places);
    if (boot.efi_system_table != 0 && boot.efi_map_size == 0)
        refuse(START_EFI_MAP, domain);
    error = linux_write(&wishes, &places, &boot, at_physical(places.start));
    if (error)
        refuse(error, domain);
    primary_write_acpi(domain, cpus, places.start + offsetof(struct linux_start, acpi));
    print("%s: kernel at %lx, initrd at %lx-%lx, boot parameters at %lx", domain->name,
          places.kernel, places.initrd, places.initrd + places.initrd_size, places.start);
    return linux_entry(&places);
}
