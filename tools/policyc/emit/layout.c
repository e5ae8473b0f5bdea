/* Places of the image, relocated domains and channels: all in the machine's pool. */
#include "hw/amdvi.h"
#include "internal.h"
#include <stdlib.h>
#include <string.h>

#define LARGE_PAGE (2ull << 20)

static bool overlaps(uint64_t base, uint64_t size, const struct bh_region *region)
{
    return base < region->base + region->size && region->base < base + size;
}

static const struct bh_region *in_the_way(const struct layout *layout, uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < layout->region_count; i++)
        if (overlaps(base, size, &layout->region[i]))
            return &layout->region[i];
    return NULL;
}

static void add(struct layout *layout, uint64_t base, uint64_t size, enum bh_region_use use,
                unsigned owner)
{
    layout->region[layout->region_count++] =
        (struct bh_region){.base = base, .size = size, .use = use, .owner = owner};
}

/* The highest place in the pool that is free; 0 if there is none. */
static uint64_t find_place(const struct layout *layout, const struct extent *pool, uint64_t size,
                           uint64_t alignment)
{
    uint64_t base;

    if (size > pool->size)
        return 0;
    base = (pool->base + pool->size - size) & ~(alignment - 1);
    while (base >= pool->base) {
        const struct bh_region *region = in_the_way(layout, base, size);

        if (region == NULL)
            return base;
        if (region->base < size)
            return 0;
        base = (region->base - size) & ~(alignment - 1);
    }
    return 0;
}

static bool is_full(struct front *front, struct number size, const char *name)
{
    return report(front, CHECK_memory_full, size.at, name,
                  front_format(front, "%llu", (unsigned long long)size.value / 1024), NULL);
}

static bool place_domains(struct front *front, struct layout *layout)
{
    const struct policy *policy = &front->policy;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        const struct domain *domain = &policy->domain[i];
        uint64_t size = domain->memory.value, base;

        if (domain->kind.value == BH_PRIMARY)
            continue;
        base = find_place(layout, &front->machine.pool, size,
                          size >= LARGE_PAGE ? LARGE_PAGE : BH_PAGE);
        if (base == 0)
            return is_full(front, domain->memory, domain->name.value);
        add(layout, base, size, BH_REGION_DOMAIN, i);
        layout->domain_base[i] = base;
    }
    return true;
}

static bool place_shadows(struct front *front, struct layout *layout)
{
    const struct policy *policy = &front->policy;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        const struct domain *domain = &policy->domain[i];
        uint64_t base;

        if (!is_shadowed(domain))
            continue;
        base = find_place(layout, &front->machine.pool, domain->shadow.value, BH_PAGE);
        if (base == 0)
            return is_full(front, domain->shadow, domain->name.value);
        add(layout, base, domain->shadow.value, BH_REGION_SHADOW, i);
        layout->shadow_base[i] = base;
    }
    return true;
}

/* The end at which the channel's machine address is fixed: a primary's, with `at`. */
static const struct channel_end *fixed_end(const struct front *front, const struct channel *channel)
{
    for (unsigned i = 0; i < 2; i++)
        if (front->policy.domain[channel->end[i].domain].kind.value == BH_PRIMARY &&
            channel->end[i].at.at.line != 0)
            return &channel->end[i];
    return NULL;
}

static bool place_fixed_channels(struct front *front, struct layout *layout)
{
    const struct policy *policy = &front->policy;

    for (unsigned i = 0; i < policy->channel_count; i++) {
        const struct channel *channel = &policy->channel[i];
        const struct channel_end *end = fixed_end(front, channel);

        if (end == NULL)
            continue;
        if (in_the_way(layout, end->at.value, channel->size.value) != NULL)
            return report(front, CHECK_channel_place, end->at.at,
                          front_format(front, "%llx", (unsigned long long)end->at.value),
                          end->name.value, channel->name.value,
                          "the policy image or another channel is there", NULL);
        add(layout, end->at.value, channel->size.value, BH_REGION_CHANNEL, i);
        layout->channel_base[i] = end->at.value;
    }
    return true;
}

static bool place_channels(struct front *front, struct layout *layout)
{
    const struct policy *policy = &front->policy;

    for (unsigned i = 0; i < policy->channel_count; i++) {
        const struct channel *channel = &policy->channel[i];
        uint64_t base;

        if (layout->channel_base[i] != 0)
            continue;
        base = find_place(layout, &front->machine.pool, channel->size.value, BH_PAGE);
        if (base == 0)
            return is_full(front, channel->size, channel->name.value);
        add(layout, base, channel->size.value, BH_REGION_CHANNEL, i);
        layout->channel_base[i] = base;
    }
    return true;
}

/* Past every channel whose address in this microVM is fixed and that `gpa` would touch. */
static uint64_t next_free_gpa(const struct policy *policy, unsigned domain, uint64_t gpa,
                              uint64_t size)
{
    for (unsigned i = 0; i < policy->channel_count; i++)
        for (unsigned j = 0; j < 2; j++) {
            const struct channel_end *end = &policy->channel[i].end[j];
            uint64_t behind = end->at.value + policy->channel[i].size.value;

            if (end->domain == domain && end->at.at.line != 0 && gpa < behind &&
                end->at.value < gpa + size)
                return next_free_gpa(policy, domain, behind, size);
        }
    return gpa;
}

/* A primary sees a channel where it lies; a microVM behind its memory, or where it says. */
static void place_ends(const struct policy *policy, struct layout *layout)
{
    uint64_t next[BH_MAX_DOMAINS];

    for (unsigned i = 0; i < policy->domain_count; i++)
        next[i] = policy->domain[i].memory.value;
    for (unsigned i = 0; i < policy->channel_count; i++)
        for (unsigned j = 0; j < 2; j++) {
            const struct channel_end *end = &policy->channel[i].end[j];
            uint64_t size = policy->channel[i].size.value;

            if (policy->domain[end->domain].kind.value == BH_PRIMARY) {
                layout->channel_gpa[i][j] = layout->channel_base[i];
            } else if (end->at.at.line != 0) {
                layout->channel_gpa[i][j] = end->at.value;
            } else {
                layout->channel_gpa[i][j] =
                    next_free_gpa(policy, end->domain, next[end->domain], size);
                next[end->domain] = layout->channel_gpa[i][j] + size;
            }
        }
}

static int by_base(const void *a, const void *b)
{
    const struct bh_region *first = a, *second = b;

    return first->base < second->base ? -1 : first->base > second->base;
}

bool emit_layout(struct front *front, uint64_t image_size, struct layout *layout)
{
    const struct machine *machine = &front->machine;

    memset(layout, 0, sizeof(*layout));
    if (image_size > machine->pool.size || image_size > BH_MAX_IMAGE)
        return report(
            front, CHECK_image_large, front->policy.name.at,
            front_format(front, "%llu",
                         (unsigned long long)(machine->pool.size < BH_MAX_IMAGE ? machine->pool.size
                                                                                : BH_MAX_IMAGE) /
                             1024),
            NULL);
    add(layout, machine->pool.base, image_size, BH_REGION_IMAGE, BH_NOBODY);
    add(layout, machine->core.base, machine->core.size, BH_REGION_CORE, BH_NOBODY);
    add(layout, machine->device_table.base, AMDVI_DEVICE_TABLE_BYTES, BH_REGION_DEVICE_TABLE,
        BH_NOBODY);
    if (!place_fixed_channels(front, layout) || !place_domains(front, layout) ||
        !place_shadows(front, layout) || !place_channels(front, layout))
        return false;
    place_ends(&front->policy, layout);
    qsort(layout->region, layout->region_count, sizeof(layout->region[0]), by_base);
    return true;
}
