/* Assertions, proved on the bits; one that fails prints the path. */
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FACTS_MAX 160u

struct path {
    bool found;
    char text[FACTS_MAX];
};

static void found(struct path *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void found(struct path *path, const char *format, ...)
{
    va_list arguments;

    if (path->found)
        return;
    path->found = true;
    va_start(arguments, format);
    vsnprintf(path->text, sizeof(path->text), format, arguments);
    va_end(arguments);
}

static const char *name_of(const struct verification *v, unsigned domain)
{
    return v->policy->domain[domain].name.value;
}

static uint32_t counted(const struct never *never)
{
    return never->verb == VERB_WRITE ? REACH_WRITE | REACH_DEVICE_WRITE : ~REACH_UNCACHED;
}

/* The domain's table against one range of machine memory. */
static void reach_range(const struct verification *v, const struct never *never, unsigned domain,
                        uint64_t base, uint64_t size, const char *what, struct path *path)
{
    for (size_t i = 0; i < v->reach[domain].count; i++) {
        const struct span *span = &v->reach[domain].span[i];
        uint32_t rights = span->rights & counted(never);
        uint64_t at = span->hpa > base ? span->hpa : base;

        if (rights == 0 || !touches(span->hpa, span->size, base, size))
            continue;
        found(path, "%s's %s reaches %s: 0x%llx maps machine address 0x%llx", name_of(v, domain),
              (rights & (REACH_DEVICE_READ | REACH_DEVICE_WRITE)) != 0 ? "CPU and its devices"
                                                                       : "CPU",
              what, (unsigned long long)(span->gpa + (at - span->hpa)), (unsigned long long)at);
    }
}

static void reach_ports(const struct verification *v, unsigned domain,
                        const struct resource *resource, struct path *path)
{
    for (unsigned i = 0; i < resource->ports_count; i++)
        for (uint32_t port = resource->ports[i].first; port <= resource->ports[i].last; port++)
            if (port_is_open(v, domain, port))
                found(path, "%s reaches %s by port 0x%x", name_of(v, domain), resource->name.value,
                      port);
}

static void reach_function(const struct verification *v, unsigned domain,
                           const struct resource *resource, struct path *path)
{
    struct bh_table run = v->image->domain[domain].functions;

    if (resource->pci.at.line == 0)
        return;
    for (uint32_t i = 0; i < v->image->header->dtes.count; i++)
        if (v->image->dte[i].device_id == resource->pci.value && v->image->dte[i].domain == domain)
            found(path, "%s does DMA in %s's memory", resource->name.value, name_of(v, domain));
    for (uint32_t i = 0; i < run.count; i++) {
        const struct bh_pci_function *row = &v->image->function[run.offset + i];

        if (row->bdf != resource->pci.value)
            continue;
        for (unsigned j = 0; j < 64; j++)
            if (row->granted || row->write_mask[j] != 0)
                found(path, "%s reaches %s by configuration space, offset 0x%x", name_of(v, domain),
                      resource->name.value, 4 * j);
    }
}

/* Who has direct interrupts reads his own local APIC; writes go through core. */
static bool is_own_apic(const struct verification *v, unsigned domain, struct extent memory)
{
    uint32_t rights = 0;

    if (memory.base != LOCAL_APIC || memory.size != BH_PAGE ||
        v->policy->domain[domain].interrupts.value != BH_DIRECT)
        return false;
    for (size_t i = 0; i < v->reach[domain].count; i++)
        if (touches(v->reach[domain].span[i].hpa, v->reach[domain].span[i].size, LOCAL_APIC,
                    BH_PAGE))
            rights |= v->reach[domain].span[i].rights;
    return (rights & ~(REACH_READ | REACH_UNCACHED)) == 0;
}

static void reach_resource(const struct verification *v, const struct never *never, unsigned domain,
                           const struct resource *resource, struct path *path)
{
    reach_ports(v, domain, resource, path);
    reach_function(v, domain, resource, path);
    for (unsigned i = 0; i < resource->memory_count; i++)
        if (!is_own_apic(v, domain, resource->memory[i]))
            reach_range(v, never, domain, resource->memory[i].base, resource->memory[i].size,
                        resource->name.value, path);
    for (unsigned i = 0; i < BARS; i++)
        if (resource->bar[i].at.line != 0)
            reach_range(v, never, domain, resource->bar[i].address, resource->bar[i].size,
                        resource->name.value, path);
}

static void reach_platform(const struct verification *v, const struct never *never, unsigned domain,
                           struct path *path)
{
    for (unsigned i = 0; i < v->machine->resource_count; i++)
        if (v->machine->resource[i].class == CLASS_PLATFORM)
            reach_resource(v, never, domain, &v->machine->resource[i], path);
    for (uint32_t i = 0; i < v->image->header->regions.count; i++) {
        const struct bh_region *region = &v->image->region[i];

        if (region->use != BH_REGION_DOMAIN && region->use != BH_REGION_CHANNEL)
            reach_range(v, never, domain, region->base, region->size,
                        region->use == BH_REGION_CORE     ? "core"
                        : region->use == BH_REGION_IMAGE  ? "the policy image"
                        : region->use == BH_REGION_SHADOW ? "shadow tables"
                                                          : "the device table",
                        path);
    }
}

/* Memory that is the domain's alone: a microVM's region; a primary's RAM outside the pool. */
static void reach_memory(const struct verification *v, const struct never *never, unsigned domain,
                         unsigned owner, struct path *path)
{
    const struct bh_domain *row = &v->image->domain[owner];
    const struct machine *m = v->machine;
    char what[BH_NAME_SIZE + 16];

    snprintf(what, sizeof(what), "%s's memory", row->name);
    if (v->policy->domain[owner].kind.value == BH_MICROVM) {
        reach_range(v, never, domain, row->memory_base, row->memory_size, what, path);
        return;
    }
    for (size_t i = 0; i < v->reach[owner].count; i++) {
        const struct span *span = &v->reach[owner].span[i];

        for (unsigned j = 0; j < m->ram_count; j++)
            if ((span->rights & REACH_WRITE) != 0 && within(span->hpa, span->size, m->ram[j]) &&
                !touches(span->hpa, span->size, m->pool.base, m->pool.size))
                reach_range(v, never, domain, span->hpa, span->size, what, path);
    }
}

static void prove(const struct verification *v, const struct never *never, unsigned domain,
                  struct path *path)
{
    switch (never->kind) {
    case OBJECT_MEMORY:
        for (unsigned i = 0; i < v->policy->domain_count; i++)
            if (i != domain && (never->objects >> i & 1) != 0)
                reach_memory(v, never, domain, i, path);
        break;
    case OBJECT_DEVICES:
        for (unsigned i = 0; i < v->policy->domain_count; i++)
            for (unsigned j = 0; i != domain && j < v->machine->resource_count; j++)
                if ((never->objects >> i & 1) != 0 && owns(&v->policy->domain[i], j))
                    reach_resource(v, never, domain, &v->machine->resource[j], path);
        break;
    case OBJECT_CHANNEL:
        reach_range(v, never, domain, v->image->channel[never->index].base,
                    v->image->channel[never->index].size, v->image->channel[never->index].name,
                    path);
        break;
    case OBJECT_RESOURCE:
        reach_resource(v, never, domain, &v->machine->resource[never->index], path);
        break;
    case OBJECT_PLATFORM:
    default:
        reach_platform(v, never, domain, path);
        break;
    }
}

void verify_nevers(struct verification *v)
{
    for (unsigned i = 0; i < v->policy->never_count; i++) {
        const struct never *never = &v->policy->never[i];

        for (unsigned j = 0; j < v->policy->domain_count; j++) {
            struct path path = {.found = false};

            if ((never->subjects >> j & 1) == 0)
                continue;
            prove(v, never, j, &path);
            if (path.found)
                report(v->front, CHECK_never_fails, never->at, path.text, NULL);
        }
    }
}
