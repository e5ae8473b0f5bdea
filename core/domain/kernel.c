#include "core/domain/kernel.h"

#include "hw/x86.h"
#include "lib/memory.h"

#define FOUR_GIB 0x100000000ull

/* Selectors of a flat start; there is no table behind them. */
#define FLAT_CS 0x08u
#define FLAT_DS 0x10u

enum start_error kernel_add(struct kernel *kernel, struct kernel_segment segment, size_t size)
{
    if (segment.offset > size || segment.file_size > size - segment.offset)
        return START_SEGMENT_SHORT;
    if (segment.size == 0 || segment.file_size > segment.size || segment.address >= FOUR_GIB ||
        segment.size > FOUR_GIB - segment.address || kernel->count == KERNEL_SEGMENTS)
        return START_SEGMENTS;
    for (uint32_t i = 0; i < kernel->count; i++) {
        const struct kernel_segment *other = &kernel->segment[i];

        if (segment.address < other->address + other->size &&
            other->address < segment.address + segment.size)
            return START_SEGMENTS;
    }
    kernel->segment[kernel->count++] = segment;
    return START_OK;
}

bool kernel_has(const struct kernel *kernel, uint64_t address)
{
    for (uint32_t i = 0; i < kernel->count; i++)
        if (address >= kernel->segment[i].address &&
            address - kernel->segment[i].address < kernel->segment[i].size)
            return true;
    return false;
}

void kernel_write_texts(const struct kernel_boot *boot, struct kernel_start *start, uint32_t *part,
                        uint32_t count)
{
    uint64_t at = boot->at + offsetof(struct kernel_start, texts);
    size_t length = strlen(boot->texts);
    uint32_t found = 1;

    memcpy(start->texts, boot->texts, length); /* shorter than BH_CMDLINE_SIZE */
    part[0] = (uint32_t)at;
    for (size_t i = 0; i < length && found < count; i++)
        if (start->texts[i] == '\n') {
            start->texts[i] = 0;
            part[found++] = (uint32_t)(at + i + 1);
        }
    while (found < count)
        part[found++] = (uint32_t)(at + length);
}

struct start_state kernel_entry(const struct kernel *kernel, const struct kernel_boot *boot)
{
    return (struct start_state){.rip = kernel->entry,
                                .rbx = boot->at,
                                .cr0 = CR0_PE | CR0_ET,
                                .cs = FLAT_CS,
                                .ds = FLAT_DS};
}
