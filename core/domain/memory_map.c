#include "core/domain/memory_map.h"

#include "lib/memory.h"

#define PAGE 4096u

static void insert(struct memory_map *map, uint32_t at, struct boot_region range)
{
    memmove(&map->range[at + 1], &map->range[at], (map->count - at) * sizeof range);
    map->range[at] = range;
    map->count++;
}

static void remove(struct memory_map *map, uint32_t at)
{
    map->count--;
    memmove(&map->range[at], &map->range[at + 1], (map->count - at) * sizeof map->range[0]);
}

/* Joins the range with the one behind it if they touch and are of one type. */
static void join(struct memory_map *map, uint32_t at)
{
    if (at + 1 < map->count && map->range[at].end == map->range[at + 1].start &&
        map->range[at].type == map->range[at + 1].type) {
        map->range[at].end = map->range[at + 1].end;
        remove(map, at + 1);
    }
}

bool memory_map_set(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type)
{
    uint32_t i = 0;

    if (start >= end)
        return true;
    if (map->count > MEMORY_MAP_MAX - 2) /* a range in the middle of another makes two more */
        return false;
    while (i < map->count && map->range[i].end <= start)
        i++;
    if (i < map->count && map->range[i].start < start) {
        struct boot_region tail = {end, map->range[i].end, map->range[i].type};

        map->range[i++].end = start;
        if (tail.end > end)
            insert(map, i, tail);
    }
    while (i < map->count && map->range[i].end <= end)
        remove(map, i);
    if (i < map->count && map->range[i].start < end)
        map->range[i].start = end;
    insert(map, i, (struct boot_region){start, end, type});
    join(map, i);
    if (i > 0)
        join(map, i - 1);
    return true;
}

bool memory_map_change(struct memory_map *map, uint64_t start, uint64_t end, uint32_t from,
                       uint32_t type)
{
    uint64_t at = start;

    while (at < end) {
        uint32_t i = 0;

        while (i < map->count && (map->range[i].end <= at || map->range[i].type != from))
            i++;
        if (i == map->count || map->range[i].start >= end)
            break;
        uint64_t first = map->range[i].start > at ? map->range[i].start : at;
        uint64_t last = map->range[i].end < end ? map->range[i].end : end;
        if (!memory_map_set(map, first, last, type))
            return false;
        at = last;
    }
    return true;
}

static uint32_t known_type(uint32_t type)
{
    return type >= MEMORY_USABLE && type <= MEMORY_BAD ? type : MEMORY_RESERVED;
}

bool memory_map_read(struct memory_map *map, const struct boot_info *info)
{
    map->count = 0;
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < info->region_count; i++) {
            const struct boot_region *r = &info->regions[i];

            if ((r->type == MEMORY_USABLE) == (pass == 0) &&
                !memory_map_set(map, r->start, r->end, known_type(r->type)))
                return false;
        }
    return true;
}

uint64_t memory_map_find(const struct memory_map *map, uint64_t start, uint64_t end, uint64_t size,
                         uint64_t alignment)
{
    for (uint32_t i = 0; i < map->count; i++) {
        const struct boot_region *r = &map->range[i];
        uint64_t first = r->start > start ? r->start : start;
        uint64_t last = r->end < end ? r->end : end;

        if (r->type != MEMORY_USABLE || first > UINT64_MAX - alignment)
            continue;
        first = (first + alignment - 1) & ~(alignment - 1);
        if (first < last && last - first >= size)
            return first;
    }
    return MEMORY_NOWHERE;
}

uint64_t memory_map_take(struct memory_map *map, uint64_t start, uint64_t end, uint64_t size,
                         uint64_t alignment)
{
    uint64_t place = memory_map_find(map, start, end, size, alignment);

    if (place == MEMORY_NOWHERE ||
        !memory_map_set(map, place, (place + size + PAGE - 1) & ~(uint64_t)(PAGE - 1),
                        MEMORY_TAKEN))
        return MEMORY_NOWHERE;
    return place;
}

bool memory_map_usable(const struct memory_map *map, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (map->range[i].type == MEMORY_USABLE && map->range[i].start <= start &&
            map->range[i].end >= end)
            return true;
    return false;
}
