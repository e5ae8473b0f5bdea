/* What the policy asks of the machine: cores, devices, addresses. */
#include "internal.h"
#include <string.h>

static void check_cores(struct front *front, const struct domain *domain)
{
    const struct number *cores = &front->machine.cores;

    for (unsigned i = 0; i < domain->core_count; i++)
        if (cores->at.line != 0 && domain->core[i].value >= cores->value)
            report(front, CHECK_core_unknown, domain->core[i].at,
                   front_format(front, "%llu", (unsigned long long)domain->core[i].value),
                   front_format(front, "%llu", (unsigned long long)cores->value - 1), NULL);
}

static const char *suggest_resource(struct front *front, const char *written)
{
    const char *names[MAX_RESOURCES + 1];
    unsigned count = 0;

    for (unsigned i = 0; i < front->machine.resource_count; i++)
        if (front->machine.resource[i].class != CLASS_PLATFORM)
            names[count++] = front->machine.resource[i].name.value;
    names[count] = NULL;
    return suggest(front, written, names);
}

/* Has another domain, or this one, been granted the resource already? */
static bool is_taken(struct front *front, const struct domain *domain, unsigned resource,
                     struct text name)
{
    const struct policy *policy = &front->policy;

    for (const struct domain *other = policy->domain; other <= domain; other++)
        for (unsigned i = 0; i < other->resource_count; i++) {
            if (other->resource[i] != resource)
                continue;
            if (other == domain)
                report(front, CHECK_device_repeated, name.at, domain->name.value, name.value, NULL);
            else
                report(front, CHECK_device_taken, name.at, name.value, other->name.value,
                       domain->name.value, NULL);
            report_note(front, other->resource_at[i], "given here first");
            return true;
        }
    return false;
}

static void check_device(struct front *front, struct domain *domain, struct text name)
{
    int index = find_resource(&front->machine, name.value);
    const struct resource *resource = &front->machine.resource[index < 0 ? 0 : index];

    if (index < 0) {
        report(front, CHECK_device_unknown, name.at, name.value,
               suggest_resource(front, name.value), NULL);
        return;
    }
    if (resource->class == CLASS_PLATFORM) {
        report(front, CHECK_device_platform, name.at, name.value, NULL);
        report_note(front, resource->name.at, "classed here");
        return;
    }
    if (is_taken(front, domain, (unsigned)index, name))
        return;
    if (domain->interrupts.value == BH_VIRTUAL)
        report(front, CHECK_device_kind, name.at, domain->name.value, NULL);
    if (is_remapped(domain) && resource->msix.at.line != 0 && resource->msix_table.at.line == 0) {
        report(front, CHECK_device_msix, name.at, domain->name.value, name.value, NULL);
        report_note(front, resource->msix.at, "its capability");
    }
    domain->resource_at[domain->resource_count] = name.at;
    domain->resource[domain->resource_count++] = (unsigned)index;
}

static const struct domain *check_pins(struct front *front, const struct domain *domain,
                                       const struct domain *owner)
{
    for (unsigned i = 0; i < domain->resource_count; i++) {
        const struct resource *resource = &front->machine.resource[domain->resource[i]];

        if (resource->pins == 0)
            continue;
        if (owner == NULL || owner == domain) {
            owner = domain;
            continue;
        }
        report(front, CHECK_pins_shared, domain->resource_at[i], owner->name.value,
               domain->name.value, resource->name.value, NULL);
        report_note(front, owner->name.at, "this domain has pins");
    }
    return owner;
}

/* The part of [address, end) that comes before the hole. */
static uint64_t cut(uint64_t address, uint64_t end, const struct extent *hole)
{
    if (address < end && overlap(address, end - address, hole->base, hole->size))
        return hole->base > address ? hole->base : address;
    return end;
}

/* The bytes from `address` on that are the domain's RAM without a break. */
uint64_t ram_from(const struct front *front, const struct domain *domain, uint64_t address)
{
    const struct machine *machine = &front->machine;
    const struct extent *places[] = {&machine->core, &machine->device_table, &machine->pool};
    uint64_t end = 0;

    if (domain->kind.value == BH_MICROVM)
        return address < domain->memory.value ? domain->memory.value - address : 0;
    for (unsigned i = 0; i < machine->ram_count; i++)
        if (inside(address, 1, machine->ram[i].base, machine->ram[i].size))
            end = machine->ram[i].base + machine->ram[i].size;
    for (unsigned i = 0; i < machine->closed_count; i++)
        end = cut(address, end, &machine->closed[i]);
    for (unsigned i = 0; i < machine->rom_count; i++)
        end = cut(address, end, &machine->rom[i]);
    for (unsigned i = 0; i < 3; i++)
        end = cut(address, end, places[i]);
    return end > address ? end - address : 0;
}

static void check_load(struct front *front, const struct domain *domain)
{
    if (domain->boot.value == BH_BOOT_FLAT && domain->memory.at.line != 0 &&
        domain->load.value <= UINT32_MAX && front->machine.ram_count != 0 &&
        ram_from(front, domain, domain->load.value) == 0)
        report(front, CHECK_boot_outside, domain->load.at,
               front_format(front, "%llx", (unsigned long long)domain->load.value),
               domain->name.value, NULL);
}

void check_grants(struct front *front)
{
    struct policy *policy = &front->policy;
    const struct domain *pins_owner = NULL;

    for (unsigned i = 0; i < policy->domain_count; i++) {
        struct domain *domain = &policy->domain[i];

        if (find_resource(&front->machine, domain->name.value) >= 0)
            report(front, CHECK_name_taken, domain->name.at, domain->name.value, NULL);
        check_cores(front, domain);
        for (unsigned j = 0; j < domain->devices.count; j++)
            check_device(front, domain, domain->devices.item[j]);
        pins_owner = check_pins(front, domain, pins_owner);
        check_load(front, domain);
    }
    for (unsigned i = 0; i < policy->channel_count; i++)
        if (find_resource(&front->machine, policy->channel[i].name.value) >= 0)
            report(front, CHECK_name_taken, policy->channel[i].name.at,
                   policy->channel[i].name.value, NULL);
}
