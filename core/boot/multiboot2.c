#include "hw/multiboot2.h"

#include "core/boot/loader.h"
#include "lib/memory.h"

/* The information of a machine with many regions and modules takes some 20 KiB. */
#define INFO_LIMIT  0x100000
#define TAG_ALIGN   8
#define RSDP_1_SIZE 20

/*
 * Each reader gets one tag and the length of what follows the tag's head, both within the boot
 * information. It checks the length before it looks at more.
 */
typedef enum boot_error tag_reader(const struct mb2_tag *tag, uint32_t length,
                                   struct boot_info *info);

static uint32_t fixed_part(size_t size)
{
    return (uint32_t)(size - sizeof(struct mb2_tag));
}

static enum boot_error read_command_line(const struct mb2_tag *tag, uint32_t length,
                                         struct boot_info *info)
{
    return loader_copy_string(info->command_line, sizeof(info->command_line),
                              (const char *)(tag + 1), length);
}

static enum boot_error read_loader_name(const struct mb2_tag *tag, uint32_t length,
                                        struct boot_info *info)
{
    enum boot_error error = loader_copy_string(info->loader_name, sizeof(info->loader_name),
                                               (const char *)(tag + 1), length);

    if (error == BOOT_STRING_TOO_LONG) {
        info->loader_name[sizeof(info->loader_name) - 1] = '\0';
        error = BOOT_OK;
    }
    return error;
}

static enum boot_error read_module(const struct mb2_tag *tag, uint32_t length,
                                   struct boot_info *info)
{
    const struct mb2_module *m = (const struct mb2_module *)tag;
    char string[BOOT_COMMAND_LINE];

    if (length < fixed_part(sizeof(*m)))
        return BOOT_INFO_MALFORMED;

    enum boot_error error = loader_copy_string(string, sizeof(string), (const char *)(m + 1),
                                               length - fixed_part(sizeof(*m)));

    return error ? error : loader_add_module(info, m->start, m->end, string);
}

static enum boot_error read_memory_map(const struct mb2_tag *tag, uint32_t length,
                                       struct boot_info *info)
{
    const struct mb2_memory_map *map = (const struct mb2_memory_map *)tag;
    enum boot_error error = BOOT_OK;

    if (length < fixed_part(sizeof(*map)))
        return BOOT_INFO_MALFORMED;
    length -= fixed_part(sizeof(*map));
    if (map->entry_size < sizeof(struct mb2_region) || map->entry_size % TAG_ALIGN ||
        length % map->entry_size)
        return BOOT_INFO_MALFORMED;
    for (uint32_t offset = 0; offset < length && !error; offset += map->entry_size) {
        const struct mb2_region *r =
            (const struct mb2_region *)((const uint8_t *)(map + 1) + offset);

        error = loader_add_region(info, r->base, r->length, r->type);
    }
    return error;
}

static void read_rgb(const struct mb2_rgb *rgb, struct screen_mode *screen)
{
    screen->red_position = rgb->red_position;
    screen->red_size = rgb->red_size;
    screen->green_position = rgb->green_position;
    screen->green_size = rgb->green_size;
    screen->blue_position = rgb->blue_position;
    screen->blue_size = rgb->blue_size;
}

static enum boot_error read_framebuffer(const struct mb2_tag *tag, uint32_t length,
                                        struct boot_info *info)
{
    const struct mb2_framebuffer *f = (const struct mb2_framebuffer *)tag;
    struct screen_mode *screen = &info->screen;

    if (length < fixed_part(sizeof(*f)))
        return BOOT_INFO_MALFORMED;
    if (f->type == MB2_FRAMEBUFFER_RGB) {
        if (length < fixed_part(sizeof(*f)) + sizeof(struct mb2_rgb))
            return BOOT_INFO_MALFORMED;
        screen->kind = SCREEN_RGB;
        read_rgb((const struct mb2_rgb *)(f + 1), screen);
    } else if (f->type == MB2_FRAMEBUFFER_EGA_TEXT) {
        screen->kind = SCREEN_TEXT;
    } else {
        return BOOT_OK; /* a palette: nothing that text could be drawn on */
    }
    screen->address = f->address;
    screen->pitch = f->pitch;
    screen->width = f->width;
    screen->height = f->height;
    screen->bits_per_pixel = f->bits_per_pixel;
    return BOOT_OK;
}

static enum boot_error read_efi64(const struct mb2_tag *tag, uint32_t length,
                                  struct boot_info *info)
{
    const struct mb2_efi64 *efi = (const struct mb2_efi64 *)tag;

    if (length < fixed_part(sizeof(*efi)))
        return BOOT_INFO_MALFORMED;
    info->efi.system_table = efi->system_table;
    return BOOT_OK;
}

static enum boot_error read_rsdp_1(const struct mb2_tag *tag, uint32_t length,
                                   struct boot_info *info)
{
    if (length < RSDP_1_SIZE)
        return BOOT_INFO_MALFORMED;
    if (info->rsdp_size == 0) { /* the newer one counts, whichever comes first */
        info->rsdp_size = RSDP_1_SIZE;
        memcpy(info->rsdp, tag + 1, RSDP_1_SIZE);
    }
    return BOOT_OK;
}

static enum boot_error read_rsdp_2(const struct mb2_tag *tag, uint32_t length,
                                   struct boot_info *info)
{
    if (length < BOOT_RSDP_SIZE)
        return BOOT_INFO_MALFORMED;
    info->rsdp_size = BOOT_RSDP_SIZE;
    memcpy(info->rsdp, tag + 1, BOOT_RSDP_SIZE);
    return BOOT_OK;
}

static enum boot_error read_efi_map(const struct mb2_tag *tag, uint32_t length,
                                    struct boot_info *info)
{
    const struct mb2_efi_map *map = (const struct mb2_efi_map *)tag;

    if (length < fixed_part(sizeof(*map)))
        return BOOT_INFO_MALFORMED;
    length -= fixed_part(sizeof(*map));
    if (map->descriptor_size == 0 || length % map->descriptor_size)
        return BOOT_INFO_MALFORMED;
    if (length > BOOT_EFI_MAP_SIZE)
        return BOOT_EFI_MAP_TOO_LONG;
    info->efi.map_size = length;
    info->efi.descriptor_size = map->descriptor_size;
    info->efi.descriptor_version = map->descriptor_version;
    memcpy(info->efi.map, map + 1, length);
    return BOOT_OK;
}

static enum boot_error refuse_boot_services(const struct mb2_tag *tag, uint32_t length,
                                            struct boot_info *info)
{
    (void)tag;
    (void)length;
    (void)info;
    return BOOT_BOOT_SERVICES_ACTIVE;
}

#define TAG_TYPES 32 /* types above are unknown and skipped */

static tag_reader *const readers[TAG_TYPES] = {
    [MB2_TAG_COMMAND_LINE] = read_command_line,
    [MB2_TAG_LOADER_NAME] = read_loader_name,
    [MB2_TAG_MODULE] = read_module,
    [MB2_TAG_MEMORY_MAP] = read_memory_map,
    [MB2_TAG_FRAMEBUFFER] = read_framebuffer,
    [MB2_TAG_EFI64] = read_efi64,
    [MB2_TAG_RSDP_1] = read_rsdp_1,
    [MB2_TAG_RSDP_2] = read_rsdp_2,
    [MB2_TAG_EFI_MAP] = read_efi_map,
    [MB2_TAG_BOOT_SERVICES] = refuse_boot_services,
};

static enum boot_error read_tag(const struct mb2_tag *tag, uint32_t length, uint32_t *seen,
                                struct boot_info *info)
{
    if (tag->type >= TAG_TYPES || !readers[tag->type])
        return BOOT_OK;
    if (tag->type != MB2_TAG_MODULE && *seen & 1u << tag->type)
        return BOOT_TAG_REPEATED;
    *seen |= 1u << tag->type;
    return readers[tag->type](tag, length, info);
}

enum boot_error multiboot2_read(loader_reader *read, uint64_t address, struct boot_info *info)
{
    const struct mb2_info *head = read(address, sizeof(*head));

    info->loader = BOOT_MULTIBOOT2;
    if (!head)
        return BOOT_INFO_UNREADABLE;

    const uint32_t total = head->total_size;
    const uint8_t *all = total <= INFO_LIMIT ? read(address, total) : NULL;
    uint32_t seen = 0;

    if (address % TAG_ALIGN || !all)
        return BOOT_INFO_UNREADABLE;
    for (uint32_t offset = sizeof(*head); offset + sizeof(struct mb2_tag) <= total;) {
        const struct mb2_tag *tag = (const struct mb2_tag *)(all + offset);

        const uint32_t size = tag->size;

        if (tag->type == MB2_TAG_END)
            return info->region_count ? BOOT_OK : BOOT_MAP_MISSING;

        enum boot_error error = size < sizeof(*tag) || size > total - offset
                                    ? BOOT_INFO_MALFORMED
                                    : read_tag(tag, size - (uint32_t)sizeof(*tag), &seen, info);

        if (error) {
            loader_blame(info, "tag %u of %u bytes at offset %u", tag->type, size, offset);
            return error;
        }
        offset += (size + TAG_ALIGN - 1) & ~(uint32_t)(TAG_ALIGN - 1);
    }
    return BOOT_INFO_MALFORMED; /* no end tag */
}
