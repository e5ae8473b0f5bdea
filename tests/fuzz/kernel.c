/*
 * A kernel's file, as a policy names it: read by its PVH note and by its Multiboot 1 header. What
 * is taken lies inside the file and below 4 GiB, without overlaps, and is entered inside.
 */
#include <string.h>

#include "core/domain/kernel.h"
#include "fuzz.h"

static void is_sound(const struct kernel *kernel, size_t size)
{
    MUST(kernel->count >= 1 && kernel->count <= KERNEL_SEGMENTS);
    MUST(kernel_has(kernel, kernel->entry));
    for (uint32_t i = 0; i < kernel->count; i++) {
        const struct kernel_segment *s = &kernel->segment[i];

        MUST(s->offset <= size && s->file_size <= size - s->offset);
        MUST(s->size != 0 && s->file_size <= s->size);
        MUST(s->address < 1ull << 32 && s->size <= (1ull << 32) - s->address);
        for (uint32_t j = 0; j < i; j++)
            MUST(s->address >= kernel->segment[j].address + kernel->segment[j].size ||
                 kernel->segment[j].address >= s->address + s->size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0)); /* AddressSanitizer sees what is read beyond it */
    struct kernel kernel;

    memcpy(copy, data, size);
    memset(&kernel, 0xff, sizeof(kernel));
    if (pvh_read(copy, size, &kernel) == START_OK)
        is_sound(&kernel, size);
    memset(&kernel, 0xff, sizeof(kernel));
    if (multiboot1_kernel_read(copy, size, &kernel) == START_OK)
        is_sound(&kernel, size);
    free(copy);
    return 0;
}
