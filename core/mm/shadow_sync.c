#include "core/mm/shadow_sync.h"

#include "core/mm/shadow_entry.h"
#include "lib/memory.h"

#define LEVELS 4u

static void revalidate_all(struct shadow *s, uint32_t number)
{
    const struct shadow_table *table = shadow_table(s, number);
    unsigned left = table->present;

    for (unsigned i = 0; left; i++)
        if (shadow_entries(s, number)[i] & PTE_P) {
            shadow_revalidate(s, number, i);
            left--;
        }
}

/* A table of this page and level that has to be compared yet; 0: there is none. */
static uint32_t find_late(const struct shadow *s, uint64_t frame, unsigned level)
{
    uint32_t number = 0;

    while ((number = shadow_of_frame(s, frame, number)))
        if ((shadow_table(s, number)->flags & SHADOW_LATE) &&
            shadow_level(shadow_table(s, number)) == level)
            return number;
    return 0;
}

void shadow_sync(struct shadow *s)
{
    uint32_t frames[SHADOW_UNSYNCED], count = s->unsynced_count, number;

    memcpy(frames, s->unsynced, sizeof(frames));
    s->unsynced_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        shadow_protect(s, (uint64_t)frames[i] << 12);
        for (number = 0; (number = shadow_of_frame(s, (uint64_t)frames[i] << 12, number));)
            shadow_table(s, number)->flags ^= SHADOW_OPEN | SHADOW_LATE;
    }
    if (count)
        shadow_settle(s); /* what is compared from here on stays as it is */
    /* From the top: what a table doesn't lead to any more goes, and needs no comparing. */
    for (unsigned level = LEVELS; level > 0; level--)
        for (uint32_t i = 0; i < count; i++)
            while ((number = find_late(s, (uint64_t)frames[i] << 12, level))) {
                shadow_table(s, number)->flags &= (uint8_t)~SHADOW_LATE;
                revalidate_all(s, number);
            }
}

void shadow_compare(struct shadow *s)
{
    spinlock_take(&s->lock);
    shadow_sync(s);
    for (unsigned level = LEVELS; level > 0; level--)
        for (uint32_t i = 1; i <= s->count; i++)
            if ((shadow_table(s, i)->flags & SHADOW_LIVE) &&
                shadow_level(shadow_table(s, i)) == level)
                revalidate_all(s, i);
    shadow_settle(s);
    spinlock_release(&s->lock);
}

/* A root that no vCPU uses. The guest hardly writes it to use it again: a process ended. */
static uint32_t find_unused(const struct shadow *s, uint64_t frame)
{
    uint32_t number = 0;

    while ((number = shadow_of_frame(s, frame, number)))
        if (!shadow_table(s, number)->parents && !shadow_table(s, number)->pins)
            return number;
    return 0;
}

void shadow_open(struct shadow *s, uint64_t frame)
{
    uint32_t number;

    while ((number = find_unused(s, frame)))
        shadow_free(s, number);
    if (!shadow_of_frame(s, frame, 0))
        return;
    s->unsynced[s->unsynced_count++] = (uint32_t)(frame >> 12);
    for (number = 0; (number = shadow_of_frame(s, frame, number));)
        shadow_table(s, number)->flags |= SHADOW_OPEN;
}
