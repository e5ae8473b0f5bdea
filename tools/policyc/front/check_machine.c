/* Is the machine description sound in itself? */
#include "bulkhead/layout.h"
#include "internal.h"
#include <string.h>

static void need(struct front *front, struct place at, const char *what, const char *example)
{
    if (at.line == 0 && !front->is_incomplete)
        report(front, CHECK_missing, front->machine.name.at, front->machine.name.value, what,
               example, NULL);
}

static bool aligned(struct extent range)
{
    return range.base % BH_PAGE == 0 && range.size % BH_PAGE == 0;
}

static void check_aligned(struct front *front, struct extent range, const char *what)
{
    if (range.at.line != 0 && !aligned(range))
        report(front, CHECK_unaligned, range.at, what, NULL);
}

static bool is_ram(const struct machine *machine, struct extent range)
{
    bool found = false;

    for (unsigned i = 0; i < machine->ram_count; i++)
        found = found || inside(range.base, range.size, machine->ram[i].base, machine->ram[i].size);
    for (unsigned i = 0; i < machine->closed_count; i++)
        found = found &&
                !overlap(range.base, range.size, machine->closed[i].base, machine->closed[i].size);
    for (unsigned i = 0; i < machine->rom_count; i++)
        found =
            found && !overlap(range.base, range.size, machine->rom[i].base, machine->rom[i].size);
    return found;
}

static void check_places(struct front *front)
{
    const struct machine *machine = &front->machine;
    static const char *const names[] = {"place core", "place device-table", "place pool"};
    const struct extent places[] = {machine->core, machine->device_table, machine->pool};

    for (unsigned i = 0; i < 3; i++) {
        need(front, places[i].at, names[i], "it: base and size");
        check_aligned(front, places[i], names[i]);
        if (places[i].at.line != 0 && !is_ram(machine, places[i]))
            report(front, CHECK_place_not_ram, places[i].at, names[i], NULL);
        for (unsigned j = 0; j < i; j++)
            if (overlap(places[i].base, places[i].size, places[j].base, places[j].size)) {
                report(front, CHECK_place_overlap, places[i].at, names[i], names[j], NULL);
                report_note(front, places[j].at, "the other one");
            }
    }
}

/* What hangs on constants: core's linker script, the device table's format. */
static void check_sizes(struct front *front)
{
    const struct extent *core = &front->machine.core, *table = &front->machine.device_table;

    if (core->at.line != 0 && (core->base != CORE_BASE || core->size != CORE_SIZE))
        report(front, CHECK_place_core, core->at, front_format(front, "%x", CORE_BASE),
               front_format(front, "%u", CORE_SIZE / 1024), NULL);
    if (table->at.line != 0 &&
        (table->base != DEVICE_TABLE_BASE || table->size != DEVICE_TABLE_SIZE))
        report(front, CHECK_place_device_table, table->at,
               front_format(front, "%x", DEVICE_TABLE_BASE),
               front_format(front, "%u", DEVICE_TABLE_SIZE / 1024), NULL);
}

/* No RAM where accesses are interrupts, or HyperTransport's own (IOMMU spec, 2.1.2). */
static void check_reserved(struct front *front, struct extent ram)
{
    if (overlap(ram.base, ram.size, 0xfee00000, 0x100000))
        report(front, CHECK_ram_reserved, ram.at, "the interrupt range at 0xfee00000", NULL);
    if (overlap(ram.base, ram.size, 0xfd00000000, 3ull << 32))
        report(front, CHECK_ram_reserved, ram.at, "the reserved range at 0xfd00000000", NULL);
}

/* RAM, closed and rom ranges: pages, and those of one kind apart. */
static void check_ranges(struct front *front, const struct extent *list, unsigned count,
                         const char *what)
{
    for (unsigned i = 0; i < count; i++) {
        check_aligned(front, list[i], what);
        for (unsigned j = 0; j < i; j++)
            if (overlap(list[i].base, list[i].size, list[j].base, list[j].size)) {
                report(front, CHECK_place_overlap, list[i].at, what, "another one", NULL);
                report_note(front, list[j].at, "the other one");
            }
    }
}

static void check_class(struct front *front, const struct resource *resource)
{
    const char *wrong = NULL;

    if (resource->class == CLASS_ENDPOINT && resource->pci.at.line == 0)
        wrong = "is an endpoint without `pci`";
    else if (resource->class == CLASS_ENDPOINT && resource->visible.line != 0)
        wrong = "is an endpoint: only platform functions are `visible` to all";
    else if (resource->class == CLASS_LEGACY_SAFE && resource->pci.at.line != 0)
        wrong = "is a PCI function, so it isn't a legacy device";
    else if (resource->class == CLASS_ENDPOINT && resource->memory_count != 0)
        wrong = "has a memory range without a BAR";
    else if (resource->pci.at.line == 0 && resource->ports_count + resource->memory_count == 0)
        wrong = "has neither ports nor memory nor a PCI function";
    if (wrong != NULL)
        report(front, CHECK_class_needs, resource->name.at, resource->name.value, wrong, NULL);
}

static void check_resource_ports(struct front *front, const struct resource *resource)
{
    static const struct {
        uint32_t first, last;
        const char *name, *text;
    } platform[] = {
#define PORT(first, last, name, text) {first, last, #name, text},
#include "tables/ports.def"
#undef PORT
    };

    if (resource->class == CLASS_PLATFORM)
        return;
    for (unsigned i = 0; i < resource->ports_count; i++)
        for (size_t j = 0; j < sizeof(platform) / sizeof(platform[0]); j++)
            if (resource->ports[i].first <= platform[j].last &&
                platform[j].first <= resource->ports[i].last)
                report(front, CHECK_port_platform, resource->ports[i].at, resource->name.value,
                       platform[j].name, platform[j].text, NULL);
}

/* Where a primary has no RAM, and core's check of the image expects it. */
static void check_resource_memory(struct front *front, const struct resource *resource)
{
    const struct machine *machine = &front->machine;

    for (unsigned i = 0; i < resource->memory_count && resource->class == CLASS_LEGACY_SAFE; i++) {
        struct extent memory = resource->memory[i];
        bool is_closed = false;

        for (unsigned j = 0; j < machine->closed_count; j++)
            is_closed = is_closed || inside(memory.base, memory.size, machine->closed[j].base,
                                            machine->closed[j].size);
        if (!aligned(memory) || !is_closed)
            report(front, CHECK_memory_bad, memory.at, resource->name.value, NULL);
    }
}

static bool share_memory(const struct resource *a, const struct resource *b)
{
    for (unsigned i = 0; i < a->memory_count; i++)
        for (unsigned j = 0; j < b->memory_count; j++)
            if (overlap(a->memory[i].base, a->memory[i].size, b->memory[j].base, b->memory[j].size))
                return true;
    return false;
}

static bool share_port(const struct resource *a, const struct resource *b)
{
    for (unsigned i = 0; i < a->ports_count; i++)
        for (unsigned j = 0; j < b->ports_count; j++)
            if (a->ports[i].first <= b->ports[j].last && b->ports[j].first <= a->ports[i].last)
                return true;
    return false;
}

/* What two resources can't have in common. Platform ones may overlap: neither is granted. */
static void check_pair(struct front *front, const struct resource *a, const struct resource *b)
{
    const char *first = b->name.value, *second = a->name.value;
    unsigned before = front->errors;

    if (strcmp(first, second) == 0)
        report(front, CHECK_name_taken, a->name.at, second, NULL);
    else if (a->pci.at.line != 0 && b->pci.at.line != 0 && a->pci.value == b->pci.value)
        report(front, CHECK_pci_taken, a->pci.at, first, second, NULL);
    else if (a->class == CLASS_PLATFORM && b->class == CLASS_PLATFORM)
        return;
    else if (share_port(a, b))
        report(front, CHECK_port_overlap, a->name.at, first, second, NULL);
    else if (share_memory(a, b))
        report(front, CHECK_memory_overlap, a->name.at, first, second, NULL);
    else if ((a->pins & b->pins) != 0)
        report(front, CHECK_pin_overlap, a->pins_at, first, second, NULL);
    if (front->errors != before)
        report_note(front, b->name.at, "the other one");
}

void check_machine(struct front *front)
{
    struct machine *machine = &front->machine;

    if (machine->name.at.line == 0)
        return; /* the parser has said so */
    if (machine->name.value[0] == 0 || strlen(machine->name.value) >= BH_NAME_SIZE)
        report(front, CHECK_name_length, machine->name.at, machine->name.value, "31", NULL);
    check_letters(front, machine->name, CHECK_name_letters);
    need(front, machine->cores.at, "cores", "their number");
    if (machine->cores.at.line != 0 &&
        (machine->cores.value == 0 || machine->cores.value > BH_MAX_CORES))
        report(front, CHECK_cores_range, machine->cores.at, front_format(front, "%u", BH_MAX_CORES),
               NULL);
    need(front, machine->ioapic.at, "ioapic", "`ioapic id` and its PCI address");
    if (machine->ram_count == 0)
        need(front, (struct place){0}, "ram", "a range");
    check_ranges(front, machine->ram, machine->ram_count, "ram");
    check_ranges(front, machine->closed, machine->closed_count, "closed");
    check_ranges(front, machine->rom, machine->rom_count, "rom");
    for (unsigned i = 0; i < machine->ram_count; i++)
        check_reserved(front, machine->ram[i]);
    check_places(front);
    check_sizes(front);
    for (unsigned i = 0; i < machine->resource_count; i++) {
        check_class(front, &machine->resource[i]);
        check_resource_ports(front, &machine->resource[i]);
        check_resource_memory(front, &machine->resource[i]);
        check_functions(front, i);
        for (unsigned j = 0; j < i; j++)
            check_pair(front, &machine->resource[i], &machine->resource[j]);
    }
}
