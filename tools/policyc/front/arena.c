/* Memory that is freed all at once. */
#include "internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    max_align_t bytes[];
};

struct arena {
    struct block *first;
};

void out_of_memory(void)
{
    fputs("policyc: error: out of memory\n", stderr);
    exit(3);
}

static void *must(void *memory)
{
    if (memory == NULL)
        out_of_memory();
    return memory;
}

struct arena *arena_new(void)
{
    return must(calloc(1, sizeof(struct arena)));
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct block *block = must(calloc(1, sizeof(struct block) + size));

    block->next = arena->first;
    arena->first = block;
    return block->bytes;
}

void arena_free(struct arena *arena)
{
    struct block *next;

    if (arena == NULL)
        return;
    for (struct block *block = arena->first; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void *front_alloc(struct front *front, size_t size)
{
    return arena_alloc(front->arena, size);
}

char *front_format(struct front *front, const char *format, ...)
{
    va_list arguments;
    char *text;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text = front_alloc(front, (size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void texts_add(struct front *front, struct texts *list, struct text value)
{
    if (list->count == list->room) {
        unsigned room = list->room == 0 ? 8 : 2 * list->room;
        struct text *item = front_alloc(front, room * sizeof(*item));

        if (list->count != 0)
            memcpy(item, list->item, list->count * sizeof(*item));
        list->item = item;
        list->room = room;
    }
    list->item[list->count++] = value;
}
