#include "core/boot/loader.h"

#include "lib/format.h"
#include "lib/memory.h"

#define NAME_KEY "name="

void loader_blame(struct boot_info *info, const char *fmt, ...)
{
    va_list arguments;

    if (info->fault[0])
        return;
    va_start(arguments, fmt);
    format_arguments(info->fault, sizeof(info->fault), fmt, arguments);
    va_end(arguments);
}

enum boot_error loader_add_region(struct boot_info *info, uint64_t base, uint64_t length,
                                  uint32_t type)
{
    if (length == 0)
        return BOOT_OK;
    if (base + length < base)
        return BOOT_MAP_WRAPS;
    if (info->region_count == BOOT_REGIONS)
        return BOOT_MAP_TOO_LONG;
    info->regions[info->region_count++] = (struct boot_region){base, base + length, type};
    return BOOT_OK;
}

enum boot_error loader_copy_string(char *to, size_t size, const char *from, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        if (i == size)
            return BOOT_STRING_TOO_LONG;
        to[i] = from[i];
        if (!from[i])
            return BOOT_OK;
    }
    return BOOT_STRING_UNTERMINATED;
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* Length of the word at s: up to a blank or the end. */
static size_t word_length(const char *s)
{
    size_t length = 0;

    while (s[length] && s[length] != ' ')
        length++;
    return length;
}

static enum boot_error copy_name(char *name, const char *value, size_t length)
{
    if (name[0] || length == 0 || length >= BOOT_NAME)
        return BOOT_MODULE_NAME;
    for (size_t i = 0; i < length; i++)
        if (!is_name_character(value[i]))
            return BOOT_MODULE_NAME;
    memcpy(name, value, length);
    name[length] = '\0';
    return BOOT_OK;
}

/* Loaders disagree on whether the string begins with the file's name, so every word is looked at.
 */
static enum boot_error read_name(char *name, const char *string)
{
    const size_t key = sizeof(NAME_KEY) - 1;
    enum boot_error error = BOOT_OK;

    while (!error && *string) {
        size_t length = word_length(string);

        if (length >= key && memcmp(string, NAME_KEY, key) == 0)
            error = copy_name(name, string + key, length - key);
        string += length;
        while (*string == ' ')
            string++;
    }
    return error;
}

enum boot_error loader_add_module(struct boot_info *info, uint64_t start, uint64_t end,
                                  const char *string)
{
    if (info->module_count == BOOT_MODULES)
        return BOOT_MODULES_TOO_MANY;

    struct boot_module *module = &info->modules[info->module_count++];

    module->start = start;
    module->end = end;

    enum boot_error error = read_name(module->name, string);

    if (error)
        loader_blame(info, "module %u: \"%s\"", info->module_count, string);
    return error;
}

static enum boot_error check_module(const struct boot_info *info, uint32_t index,
                                    uint64_t core_start, uint64_t core_end)
{
    const struct boot_module *m = &info->modules[index];

    if (m->end < m->start || (m->start < core_end && m->end > core_start))
        return BOOT_MODULE_RANGE;
    if (!boot_is_usable(info, m->start, m->end))
        return BOOT_MODULE_NOT_RAM;
    for (uint32_t i = 0; i < index; i++)
        if (m->start < info->modules[i].end && m->end > info->modules[i].start)
            return BOOT_MODULE_OVERLAP;
    return BOOT_OK;
}

enum boot_error loader_check_modules(struct boot_info *info, uint64_t core_start, uint64_t core_end)
{
    for (uint32_t i = 0; i < info->module_count; i++) {
        const struct boot_module *m = &info->modules[i];
        enum boot_error error = check_module(info, i, core_start, core_end);

        if (error) {
            loader_blame(info, "module %u (name=%s) at %lx-%lx", i + 1, m->name, m->start, m->end);
            return error;
        }
    }
    return BOOT_OK;
}
