#include "hw/multiboot1.h"

#include "core/boot/loader.h"
#include "lib/memory.h"

/* Longest string of the loader that is looked at. */
#define STRING_LIMIT 4096

/* Copies a structure, which may lie anywhere, so that it is read once and aligned. */
static bool copy_from(loader_reader *read, uint64_t address, void *to, size_t size)
{
    const void *from = read(address, size);

    if (from)
        memcpy(to, from, size);
    return from;
}

/* A string at a foreign address, whose length is known only when its end is found. */
static enum boot_error read_string(loader_reader *read, uint64_t address, char *to, size_t size)
{
    for (size_t i = 0; i < STRING_LIMIT; i++) {
        const char *c = read(address + i, 1);

        if (!c)
            return BOOT_INFO_UNREADABLE;
        if (i == size)
            return BOOT_STRING_TOO_LONG;
        to[i] = *c;
        if (!to[i])
            return BOOT_OK;
    }
    return BOOT_STRING_UNTERMINATED;
}

static enum boot_error read_loader_name(loader_reader *read, uint64_t address,
                                        struct boot_info *info)
{
    enum boot_error error =
        read_string(read, address, info->loader_name, sizeof(info->loader_name));

    if (error == BOOT_STRING_TOO_LONG) {
        info->loader_name[sizeof(info->loader_name) - 1] = '\0';
        error = BOOT_OK;
    }
    return error;
}

static enum boot_error read_map(loader_reader *read, uint64_t address, uint64_t length,
                                struct boot_info *info)
{
    const uint64_t head = sizeof(uint32_t); /* size, which doesn't count itself */
    uint64_t offset = 0;
    enum boot_error error = BOOT_OK;

    while (offset < length && !error) {
        struct mb1_region r;

        if (!copy_from(read, address + offset, &r, sizeof(r)))
            return BOOT_INFO_UNREADABLE;
        if (r.size < sizeof(r) - head || r.size + head > length - offset)
            return BOOT_INFO_MALFORMED;
        error = loader_add_region(info, r.base, r.length, r.type);
        offset += r.size + head;
    }
    return error;
}

static enum boot_error read_module(loader_reader *read, uint64_t address, struct boot_info *info)
{
    struct mb1_module m;
    char string[BOOT_COMMAND_LINE] = "";
    enum boot_error error = BOOT_OK;

    if (!copy_from(read, address, &m, sizeof(m)))
        return BOOT_INFO_UNREADABLE;
    if (m.string)
        error = read_string(read, m.string, string, sizeof(string));
    return error ? error : loader_add_module(info, m.start, m.end, string);
}

static enum boot_error read_modules(loader_reader *read, const struct mb1_info *mb,
                                    struct boot_info *info)
{
    if (mb->module_count > BOOT_MODULES)
        return BOOT_MODULES_TOO_MANY;
    for (uint32_t i = 0; i < mb->module_count; i++) {
        uint64_t address = mb->modules + i * sizeof(struct mb1_module);
        enum boot_error error = read_module(read, address, info);

        if (error) {
            loader_blame(info, "module %u, described at %lx", i + 1, address);
            return error;
        }
    }
    return BOOT_OK;
}

enum boot_error multiboot1_read(loader_reader *read, uint64_t address, struct boot_info *info)
{
    struct mb1_info mb;
    enum boot_error error;

    info->loader = BOOT_MULTIBOOT1;
    if (!copy_from(read, address, &mb, sizeof(mb)))
        return BOOT_INFO_UNREADABLE;
    if (!(mb.flags & MB1_INFO_MEMORY_MAP) || mb.map_length == 0)
        return BOOT_MAP_MISSING;
    error = read_map(read, mb.map, mb.map_length, info);
    if (!error && mb.flags & MB1_INFO_COMMAND_LINE)
        error = read_string(read, mb.command_line, info->command_line, sizeof(info->command_line));
    if (!error && mb.flags & MB1_INFO_LOADER_NAME)
        error = read_loader_name(read, mb.loader_name, info);
    if (!error && mb.flags & MB1_INFO_MODULES)
        error = read_modules(read, &mb, info);
    return error;
}
