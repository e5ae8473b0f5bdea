#include "core/domain/efi_map.h"

#include <stdbool.h>

#include "hw/efi.h"
#include "lib/memory.h"

#define PAGE 4096u

struct output {
    uint8_t *to;
    size_t used;
    size_t room;
    size_t descriptor_size;
};

/* Writes the part [start, end) of a descriptor. */
static bool write(struct output *out, const uint8_t *from, uint64_t start, uint64_t end,
                  uint32_t type)
{
    struct efi_memory_descriptor d;

    if (out->room - out->used < out->descriptor_size)
        return false;
    memcpy(&d, from, sizeof d);
    if (d.virtual_start != 0)
        d.virtual_start += start - d.physical_start;
    d.physical_start = start;
    d.pages = (end - start) / PAGE;
    d.type = type;
    memcpy(out->to + out->used, from, out->descriptor_size);
    memcpy(out->to + out->used, &d, sizeof d);
    out->used += out->descriptor_size;
    return true;
}

/* One descriptor, cut where cuts begin and end. */
static bool cut(struct output *out, const uint8_t *from, const struct efi_cut *cuts, uint32_t count)
{
    struct efi_memory_descriptor d;

    memcpy(&d, from, sizeof d);
    if (d.physical_start % PAGE != 0 || d.pages > (UINT64_MAX - d.physical_start) / PAGE)
        return false;
    for (uint64_t at = d.physical_start, end = at + d.pages * PAGE; at < end;) {
        uint64_t piece = end;
        uint32_t type = d.type;

        for (uint32_t i = 0; i < count; i++) {
            if (cuts[i].start <= at && at < cuts[i].end) {
                type = cuts[i].type;
                piece = cuts[i].end < piece ? cuts[i].end : piece;
            } else if (cuts[i].start > at && cuts[i].start < piece) {
                piece = cuts[i].start;
            }
        }
        if (!write(out, from, at, piece, type))
            return false;
        at = piece;
    }
    return true;
}

size_t efi_map_cut(const void *map, size_t size, size_t descriptor_size, const struct efi_cut *cuts,
                   uint32_t cut_count, void *to, size_t room)
{
    struct output out = {.to = to, .room = room, .descriptor_size = descriptor_size};

    if (descriptor_size < sizeof(struct efi_memory_descriptor) || size % descriptor_size != 0)
        return 0;
    for (size_t at = 0; at < size; at += descriptor_size)
        if (!cut(&out, (const uint8_t *)map + at, cuts, cut_count))
            return 0;
    return out.used;
}
