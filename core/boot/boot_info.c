#include "core/boot/boot_info.h"

#include "hw/x86.h"
#include "lib/memory.h"

static const char *const causes[] = {
    [BOOT_OK] = "no error",
#define BOOT_ERROR(name, cause, remedy) [BOOT_##name] = cause,
#include "tables/boot_errors.def"
#undef BOOT_ERROR
};

static const char *const remedies[] = {
    [BOOT_OK] = "Nothing needs to be done",
#define BOOT_ERROR(name, cause, remedy) [BOOT_##name] = remedy,
#include "tables/boot_errors.def"
#undef BOOT_ERROR
};

#define FOUR_GIB 0x100000000u

#define LOW_END            0xa0000
#define SMBASE_DEFAULT     0x30000
#define SMBASE_DEFAULT_END 0x40000

const char *boot_error_cause(enum boot_error error)
{
    return causes[error];
}

const char *boot_error_remedy(enum boot_error error)
{
    return remedies[error];
}

enum boot_error boot_find_module(const struct boot_info *info, const char *name,
                                 const struct boot_module **module)
{
    const struct boot_module *found = NULL;

    for (uint32_t i = 0; i < info->module_count; i++) {
        if (strcmp(info->modules[i].name, name) != 0)
            continue;
        if (found)
            return BOOT_MODULE_DUPLICATE;
        found = &info->modules[i];
    }
    if (!found)
        return BOOT_MODULE_MISSING;
    *module = found;
    return BOOT_OK;
}

static bool overlap(uint64_t start, uint64_t end, uint64_t other_start, uint64_t other_end)
{
    return start < other_end && other_start < end;
}

bool boot_is_usable(const struct boot_info *info, uint64_t start, uint64_t end)
{
    uint64_t covered = start; /* [start, covered) is known to be usable */
    bool moved = true;

    for (uint32_t i = 0; i < info->region_count; i++) {
        const struct boot_region *r = &info->regions[i];

        if (r->type != MEMORY_USABLE && overlap(start, end, r->start, r->end))
            return false;
    }
    /* Regions come in any order: go on until none adds anything. */
    while (moved && covered < end) {
        moved = false;
        for (uint32_t i = 0; i < info->region_count; i++) {
            const struct boot_region *r = &info->regions[i];

            if (r->type == MEMORY_USABLE && r->start <= covered && r->end > covered) {
                covered = r->end;
                moved = true;
            }
        }
    }
    return covered >= end;
}

bool boot_touches_usable(const struct boot_info *info, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < info->region_count; i++)
        if (info->regions[i].type == MEMORY_USABLE &&
            overlap(start, end, info->regions[i].start, info->regions[i].end))
            return true;
    return false;
}

bool boot_has_module(const struct boot_info *info, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < info->module_count; i++)
        if (overlap(start, end, info->modules[i].start, info->modules[i].end))
            return true;
    return false;
}

uint64_t boot_find_low_page(const struct boot_info *info)
{
    for (uint64_t page = PAGE_SIZE; page < LOW_END; page += PAGE_SIZE)
        if (boot_is_usable(info, page, page + PAGE_SIZE) &&
            !boot_has_module(info, page, page + PAGE_SIZE) &&
            !overlap(page, page + PAGE_SIZE, SMBASE_DEFAULT, SMBASE_DEFAULT_END))
            return page;
    return 0;
}

uint64_t boot_memory_end(const struct boot_info *info)
{
    uint64_t highest = 0;

    for (uint32_t i = 0; i < info->region_count; i++) {
        const struct boot_region *r = &info->regions[i];
        bool memory = r->type == MEMORY_USABLE || r->type == MEMORY_ACPI || r->type == MEMORY_NVS;
        uint64_t end = r->end < FOUR_GIB ? r->end : FOUR_GIB;

        if (memory && r->start < FOUR_GIB && end > highest)
            highest = end;
    }
    return highest;
}
