/*
 * A memory map that can be cut: sorted ranges without overlaps, each with an E820 type. Used for
 * what a primary is told, and as a scratch map in which places are found. Pure.
 */
#ifndef CORE_DOMAIN_MEMORY_MAP_H
#define CORE_DOMAIN_MEMORY_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/boot/boot_info.h"

#define MEMORY_MAP_MAX 192u

/* Type in a scratch map only: used by somebody, whatever it was before. */
#define MEMORY_TAKEN UINT32_MAX

#define MEMORY_NOWHERE UINT64_MAX

struct memory_map {
    uint32_t count;
    struct boot_region range[MEMORY_MAP_MAX];
};

/*
 * The loader's map, sorted. Where its entries overlap, memory is usable only if no entry says
 * otherwise; types that E820 doesn't know count as reserved. False if it doesn't fit.
 */
bool memory_map_read(struct memory_map *map, const struct boot_info *info);

/* Makes [start, end) that type, whatever was there. False, and nothing changed, if the
 * map has no room for two more. */
bool memory_map_set(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type);

/* The same for the parts of [start, end) that have the type `from`. */
bool memory_map_change(struct memory_map *map, uint64_t start, uint64_t end, uint32_t from,
                       uint32_t type);

/*
 * The lowest place for `size` bytes of usable memory inside [start, end), aligned to a power of
 * two, or MEMORY_NOWHERE.
 */
uint64_t memory_map_find(const struct memory_map *map, uint64_t start, uint64_t end, uint64_t size,
                         uint64_t alignment);

/* Finds such a place and makes its pages MEMORY_TAKEN; MEMORY_NOWHERE also if the map is full. */
uint64_t memory_map_take(struct memory_map *map, uint64_t start, uint64_t end, uint64_t size,
                         uint64_t alignment);

/* True if all of [start, end) is usable. */
bool memory_map_usable(const struct memory_map *map, uint64_t start, uint64_t end);

#endif
