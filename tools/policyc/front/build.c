/* What the grammar read, put into the model; what can be seen wrong at once is reported. */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

/* A statement may be made once: note the place, or complain. */
static bool once(struct build *build, struct place *field, struct place at, const char *what)
{
    if (field->line != 0) {
        report(build->front, CHECK_twice, at, what, NULL);
        report_note(build->front, *field, "it was said here first");
        return false;
    }
    *field = at;
    return true;
}

/* What stands there, as the text has it. */
const char *build_quote(struct build *build, struct place at)
{
    const struct source *source = &build->front->source[build->source];

    return front_format(build->front, "`%.*s`", (int)at.length,
                        source->text + source_offset(source, at));
}

static bool too_many(struct build *build, struct place at, unsigned limit, const char *what)
{
    return report(build->front, CHECK_too_many, at, front_format(build->front, "%u", limit), what,
                  NULL);
}

void build_text(struct build *build, struct text *field, struct text value, const char *what)
{
    if (once(build, &field->at, value.at, what))
        field->value = value.value;
}

void build_number(struct build *build, struct number *field, struct number value, const char *what)
{
    if (once(build, &field->at, value.at, what))
        field->value = value.value;
}

uint64_t build_scale(struct build *build, struct number number, uint64_t shift)
{
    if (number.value <= UINT64_MAX >> shift)
        return number.value << shift;
    report(build->front, CHECK_number_too_large, number.at, "this size", NULL);
    return 0;
}

void build_domain(struct build *build, struct text name)
{
    struct policy *policy = &build->front->policy;

    if (policy->domain_count == BH_MAX_DOMAINS) {
        too_many(build, name.at, BH_MAX_DOMAINS, "domains");
        build->domain = &build->spare_domain;
        memset(build->domain, 0, sizeof(*build->domain));
    } else {
        build->domain = &policy->domain[policy->domain_count++];
    }
    build->domain->name = name;
}

void build_channel(struct build *build, struct text name)
{
    struct policy *policy = &build->front->policy;

    if (policy->channel_count == BH_MAX_CHANNELS) {
        too_many(build, name.at, BH_MAX_CHANNELS, "channels");
        build->channel = &build->spare_channel;
        memset(build->channel, 0, sizeof(*build->channel));
    } else {
        build->channel = &policy->channel[policy->channel_count++];
    }
    build->channel->name = name;
}

void build_resource(struct build *build, enum resource_class class, struct text name)
{
    struct machine *machine = &build->front->machine;

    if (machine->resource_count == MAX_RESOURCES) {
        too_many(build, name.at, MAX_RESOURCES, "resources");
        build->resource = &build->spare_resource;
        memset(build->resource, 0, sizeof(*build->resource));
    } else {
        build->resource = &machine->resource[machine->resource_count++];
    }
    build->resource->name = name;
    build->resource->class = class;
}

void build_kind(struct build *build, struct number kind, struct number label)
{
    build_number(build, &build->domain->kind, kind, "primary or microvm");
    if (build->domain->label.at.line == 0)
        build->domain->label = label;
}

void build_memory(struct build *build, struct number size)
{
    if (size.value == 0 || size.value % BH_PAGE != 0) {
        report(build->front, CHECK_memory_size, size.at, "this", NULL);
        size.value = BH_PAGE; /* 0 would be "rest" */
    }
    build_number(build, &build->domain->memory, size, "memory");
}

void build_paging(struct build *build, struct number paging, struct number shadow)
{
    struct domain *domain = build->domain;

    if (domain->paging.at.line == 0)
        domain->shadow = shadow;
    build_number(build, &domain->paging, paging, "paging");
}

void build_flat(struct build *build, struct text file, struct number load, struct place at)
{
    struct domain *domain = build->domain;

    if (domain->boot.at.line == 0) {
        domain->flat = file;
        domain->load = load;
    }
    build_number(build, &domain->boot, (struct number){BH_BOOT_FLAT, at}, "boot");
}

void build_module(struct build *build, struct text file, struct text string)
{
    texts_add(build->front, &build->domain->module, file);
    texts_add(build->front, &build->domain->module_string, string);
}

void build_core(struct build *build, struct number core)
{
    struct domain *domain = build->domain;

    if (domain->core_count == BH_MAX_CORES) {
        too_many(build, core.at, BH_MAX_CORES, "cores");
        return;
    }
    if (domain->core_count == 0)
        domain->cores_at = core.at;
    domain->core[domain->core_count++] = core;
}

void build_right(struct build *build, uint32_t right, struct place at)
{
    build->domain->rights.value |= right;
    build->domain->rights.at = at;
}

void build_end(struct build *build, struct text name, struct number at, struct number rights,
               struct place dma)
{
    struct channel *channel = build->channel;
    struct channel_end *end;

    if (channel->end_count == 2) {
        if (channel->surplus.line == 0)
            channel->surplus = name.at;
        return;
    }
    end = &channel->end[channel->end_count++];
    end->name = name;
    end->at = at;
    end->rights = (uint32_t)rights.value | (dma.line != 0 ? BH_CHANNEL_DMA : 0);
    end->rights_at = rights.at;
    end->dma = dma;
}

void build_never(struct build *build, struct place at, enum verb verb, struct text subject,
                 struct text object, struct text part)
{
    struct policy *policy = &build->front->policy;
    struct never *never;

    if (policy->never_count == MAX_NEVERS) {
        too_many(build, at, MAX_NEVERS, "assertions");
        return;
    }
    never = &policy->never[policy->never_count++];
    never->at = at;
    never->verb = verb;
    never->subject = subject;
    never->object = object;
    never->part = part;
}

static void check_range(struct build *build, struct extent range)
{
    if (range.size == 0 || range.base + range.size < range.base)
        report(build->front, CHECK_empty_range, range.at, NULL);
}

void build_extent(struct build *build, struct extent *list, unsigned *count, struct extent value,
                  const char *what)
{
    check_range(build, value);
    if (*count == MAX_EXTENTS)
        too_many(build, value.at, MAX_EXTENTS, front_format(build->front, "`%s` ranges", what));
    else
        list[(*count)++] = value;
}

void build_place(struct build *build, struct extent *field, struct extent value, const char *what)
{
    check_range(build, value);
    if (once(build, &field->at, value.at, what)) {
        field->base = value.base;
        field->size = value.size;
    }
}

void build_pci(struct build *build, struct number bdf, uint64_t ids)
{
    struct resource *resource = build->resource;

    build_number(build, &resource->pci, bdf, "pci");
    resource->vendor = (uint16_t)(ids >> 16);
    resource->device = (uint16_t)ids;
}

void build_msi(struct build *build, struct number offset, bool is_64)
{
    build_number(build, &build->resource->msi, offset, "msi");
    build->resource->msi_64 = is_64;
}

void build_msix(struct build *build, struct number offset)
{
    build_number(build, &build->resource->msix, offset, "msix");
}

void build_msix_table(struct build *build, struct place at, uint64_t bar, uint64_t offset,
                      uint64_t count)
{
    struct resource *resource = build->resource;

    if (resource->msix_table.at.line != 0)
        return; /* `msix` is said twice */
    resource->msix_table.at = at;
    resource->msix_table.bar = bar;
    resource->msix_table.offset = offset;
    resource->msix_table.count = count;
}

void build_bar(struct build *build, struct number index, struct extent value, uint32_t flags)
{
    struct bar *bar;

    check_range(build, value);
    if (index.value >= BARS) {
        report(build->front, CHECK_bar_bad, index.at,
               front_format(build->front, "%llu", (unsigned long long)index.value),
               "doesn't exist: a function has BARs 0 to 5", NULL);
        return;
    }
    bar = &build->resource->bar[index.value];
    if (!once(build, &bar->at, index.at, "bar"))
        return;
    bar->address = value.base;
    bar->size = value.size;
    bar->flags = flags;
}

void build_ports(struct build *build, struct number first, struct number last)
{
    struct resource *resource = build->resource;
    struct ports *ports;

    if (first.value > last.value || last.value > 0xffff) {
        report(build->front, CHECK_port_range, first.at, NULL);
        return;
    }
    if (resource->ports_count == MAX_PORTS) {
        too_many(build, first.at, MAX_PORTS, "port ranges");
        return;
    }
    ports = &resource->ports[resource->ports_count++];
    ports->first = (uint32_t)first.value;
    ports->last = (uint32_t)last.value;
    ports->at = first.at;
}

#define IOAPIC_PINS 24u

void build_pin(struct build *build, struct number pin)
{
    struct resource *resource = build->resource;

    if (pin.value >= IOAPIC_PINS) {
        report(build->front, CHECK_pin_range, pin.at,
               front_format(build->front, "%llu", (unsigned long long)pin.value), NULL);
        return;
    }
    resource->pins |= 1u << pin.value;
    resource->pins_at = pin.at;
}
