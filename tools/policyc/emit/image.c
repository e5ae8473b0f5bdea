/* Put the image together: header page, rows, then the hardware's tables. */
#include "hw/amdvi.h"
#include "internal.h"
#include <stdlib.h>
#include <string.h>

/* Behind the largest image: where that goes which is too much. */
#define SPARE_SIZE (64u * BH_PAGE)

static uint64_t base(const struct emission *emission)
{
    return emission->machine->pool.base;
}

void *emit_at(struct emission *emission, uint64_t address)
{
    return emission->bytes + (address - base(emission));
}

void *emit_pages(struct emission *emission, unsigned count, uint64_t *address)
{
    size_t size = (size_t)count * BH_PAGE;

    if (size > BH_MAX_IMAGE - emission->used) {
        emission->is_full = true; /* the image is thrown away */
        *address = base(emission) + BH_MAX_IMAGE;
        return emit_at(emission, *address);
    }
    *address = base(emission) + emission->used;
    emission->used += size;
    return emit_at(emission, *address);
}

static const struct file_fact *find_fact(const struct emission *emission, const char *name)
{
    for (unsigned i = 0; i < emission->fact_count; i++)
        if (strcmp(emission->facts[i].name, name) == 0)
            return &emission->facts[i];
    return NULL;
}

static bool add_file(struct emission *emission, unsigned domain, struct text name,
                     enum bh_file_role role)
{
    struct bh_file *row = &emission->file[emission->header.files.count];
    const struct file_fact *fact = NULL;

    if (name.at.line == 0)
        return true;
    if (emission->header.files.count == BH_MAX_FILES)
        return report(emission->front, CHECK_too_many, name.at,
                      front_format(emission->front, "%u", BH_MAX_FILES), "files", NULL);
    if (emission->facts != NULL) {
        fact = find_fact(emission, name.value);
        if (fact == NULL)
            return report(emission->front, CHECK_file_missing, name.at, name.value, NULL);
        row->size = fact->size;
        memcpy(row->sha256, fact->sha256, sizeof(row->sha256));
    }
    strcpy(row->name, name.value);
    row->role = role;
    row->domain = domain;
    emission->header.files.count++;
    return true;
}

static bool check_fit(struct emission *emission, const struct domain *domain)
{
    bool is_flat = domain->flat.at.line != 0;
    const struct file_fact *fact =
        find_fact(emission, is_flat ? domain->flat.value : domain->kernel.value);

    if (fact != NULL && !is_flat)
        return emit_check_kernel(emission, domain, fact);
    if (fact == NULL || fact->size <= ram_from(emission->front, domain, domain->load.value))
        return true;
    return report(
        emission->front, CHECK_file_large, domain->flat.at, domain->flat.value,
        front_format(emission->front, "%llu", (unsigned long long)fact->size), domain->name.value,
        front_format(emission->front, "%llx", (unsigned long long)domain->load.value), NULL);
}

bool emit_files(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    struct bh_table *own = &emission->domain[domain].files;
    bool is_good;

    own->offset = emission->header.files.count;
    is_good = add_file(emission, domain, owner->kernel, BH_FILE_KERNEL);
    is_good = add_file(emission, domain, owner->initrd, BH_FILE_INITRD) && is_good;
    is_good = add_file(emission, domain, owner->flat, BH_FILE_FLAT) && is_good;
    for (unsigned i = 0; i < owner->module.count; i++)
        is_good = add_file(emission, domain, owner->module.item[i], BH_FILE_MODULE) && is_good;
    own->count = emission->header.files.count - own->offset;
    return check_fit(emission, owner) && is_good;
}

static uint64_t ram_end(const struct machine *machine)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < machine->ram_count; i++)
        if (machine->ram[i].base + machine->ram[i].size > end)
            end = machine->ram[i].base + machine->ram[i].size;
    return end;
}

/* The kernel's command line, then a line for each module: the front has seen that they fit. */
static void describe_texts(const struct domain *owner, char text[BH_CMDLINE_SIZE])
{
    if (owner->cmdline.value != NULL)
        strcpy(text, owner->cmdline.value);
    for (unsigned i = 0; i < owner->module_string.count; i++) {
        strcat(text, "\n");
        strcat(text, owner->module_string.item[i].value);
    }
}

static void describe_domain(struct emission *emission, unsigned domain)
{
    const struct domain *owner = &emission->policy->domain[domain];
    struct bh_domain *row = &emission->domain[domain];

    strcpy(row->name, owner->name.value);
    row->kind = (uint8_t)owner->kind.value;
    row->label = (uint8_t)owner->label.value;
    row->interrupts = (uint8_t)owner->interrupts.value;
    row->boot = (uint8_t)owner->boot.value;
    row->on_stop = BH_ON_STOP_HALT;
    row->ncores = (uint8_t)owner->core_count;
    for (unsigned i = 0; i < owner->core_count; i++)
        row->core[i] = (uint8_t)owner->core[i].value;
    row->paging = (uint8_t)(owner->paging.at.line != 0 ? owner->paging.value : BH_PAGING_NESTED);
    row->shadow_base = emission->layout.shadow_base[domain];
    row->shadow_size = is_shadowed(owner) ? owner->shadow.value : 0;
    row->slice_us = (uint32_t)owner->slice.value * 1000;
    row->rights = (uint32_t)owner->rights.value;
    row->memory_base = emission->layout.domain_base[domain];
    row->memory_size =
        owner->kind.value == BH_PRIMARY ? ram_end(emission->machine) : owner->memory.value;
    if (owner->boot.value == BH_BOOT_FLAT)
        row->load_gpa = row->entry_gpa = owner->load.value;
    describe_texts(owner, row->cmdline);
}

static void describe_channels(struct emission *emission)
{
    emission->header.channels.count = emission->policy->channel_count;
    for (unsigned i = 0; i < emission->policy->channel_count; i++) {
        const struct channel *channel = &emission->policy->channel[i];
        struct bh_channel *row = &emission->channel[i];

        strcpy(row->name, channel->name.value);
        row->base = emission->layout.channel_base[i];
        row->size = channel->size.value;
        for (unsigned j = 0; j < 2; j++) {
            row->end[j].domain = channel->end[j].domain;
            row->end[j].rights = channel->end[j].rights;
            row->end[j].gpa = emission->layout.channel_gpa[i][j];
        }
    }
}

static void describe_header(struct emission *emission)
{
    static const uint64_t denied[AMDVI_DTE_QWORDS] = AMDVI_DTE_DENIED;
    struct bh_header *header = &emission->header;

    memcpy(header->magic, BH_IMAGE_MAGIC, sizeof(header->magic));
    header->format = BH_IMAGE_FORMAT;
    header->header_size = sizeof(*header);
    header->base = base(emission);
    header->version = emission->policy->version.value;
    strcpy(header->name, emission->policy->name.value);
    strcpy(header->machine, emission->machine->name.value);
    memcpy(header->denied_dte, denied, sizeof(denied));
    /* Without an IOMMU no device could be kept from anything, whoever owns it. */
    header->required_features = BH_FEATURE_AMDVI;
    for (unsigned i = 0; i < emission->policy->domain_count; i++) {
        if (emission->policy->domain[i].requires_rdrand.line != 0)
            header->required_features |= BH_FEATURE_RDRAND;
        if (!is_shadowed(&emission->policy->domain[i]))
            header->required_features |= BH_FEATURE_NPT;
    }
    header->attest = emission->policy->attest.at.line != 0
                         ? (uint32_t)emission->policy->attest.value
                         : BH_ATTEST_REQUIRED;
    header->domains.count = emission->policy->domain_count;
    header->regions.count = emission->layout.region_count;
}

/* The row arrays, in the order in which they lie behind the header. */
struct run {
    struct bh_table *table;
    const void *rows;
    size_t row_size;
};

#define RUNS 8u

static void list_runs(struct emission *e, struct run runs[RUNS])
{
    const struct run all[RUNS] = {
        {&e->header.domains, e->domain, sizeof(e->domain[0])},
        {&e->header.files, e->file, sizeof(e->file[0])},
        {&e->header.regions, e->layout.region, sizeof(e->layout.region[0])},
        {&e->header.channels, e->channel, sizeof(e->channel[0])},
        {&e->header.functions, e->function, sizeof(e->function[0])},
        {&e->header.dtes, e->dte, sizeof(e->dte[0])},
        {&e->header.cpuid, e->cpuid, sizeof(e->cpuid[0])},
        {&e->header.msrs, e->msr, sizeof(e->msr[0])},
    };

    memcpy(runs, all, sizeof(all));
}

static void place_rows(struct emission *emission)
{
    struct run runs[RUNS];
    size_t offset = BH_PAGE;
    uint64_t address;

    list_runs(emission, runs);
    for (unsigned i = 0; i < RUNS; i++) {
        runs[i].table->offset = (uint32_t)offset;
        offset += (runs[i].table->count * runs[i].row_size + 7) & ~(size_t)7;
    }
    emit_pages(emission, (unsigned)((offset + BH_PAGE - 1) / BH_PAGE), &address);
}

static void copy_rows(struct emission *emission)
{
    struct run runs[RUNS];

    list_runs(emission, runs);
    for (unsigned i = 0; i < RUNS; i++)
        memcpy(emission->bytes + runs[i].table->offset, runs[i].rows,
               runs[i].table->count * runs[i].row_size);
    emission->header.size = emission->used;
    memcpy(emission->bytes, &emission->header, sizeof(emission->header));
}

/* Rows that tell how many there are come first, then the tables, whose addresses are known
 * only behind the rows, then the rows that name them. */
static bool emit_once(struct emission *emission, uint64_t image_size)
{
    unsigned count = emission->policy->domain_count;
    bool is_good = true;

    if (!emit_layout(emission->front, image_size, &emission->layout))
        return false;
    for (unsigned i = 0; i < count; i++) {
        describe_domain(emission, i);
        is_good = emit_files(emission, i) && is_good;
        is_good = emit_functions(emission, i) && is_good;
        emit_cpuid(emission, i);
        emit_msrs(emission, i);
        emit_intercepts(emission, i);
    }
    describe_channels(emission);
    describe_header(emission);
    if (!is_good)
        return false;
    emission->header.dtes.count = BH_MAX_DTE; /* room for all: they come last */
    place_rows(emission);
    emission->header.dtes.count = 0;
    for (unsigned i = 0; i < count && is_good; i++) {
        emit_iopm(emission, i);
        emit_msrpm(emission, i);
        emit_interrupt_table(emission, i);
        emit_page_tables(emission, i);
        is_good = emit_dtes(emission, i);
    }
    return is_good;
}

static struct emission *begin(struct front *front, const struct file_fact *facts,
                              unsigned fact_count, struct emission *emission, uint8_t *bytes)
{
    memset(emission, 0, sizeof(*emission));
    memset(bytes, 0, BH_MAX_IMAGE + SPARE_SIZE);
    emission->front = front;
    emission->policy = &front->policy;
    emission->machine = &front->machine;
    emission->facts = facts;
    emission->fact_count = fact_count;
    emission->bytes = bytes;
    return emission;
}

bool emit_image(struct front *front, const struct file_fact *facts, unsigned fact_count,
                struct image *image)
{
    struct emission *emission = front_alloc(front, sizeof(*emission));
    uint8_t *bytes = front_alloc(front, BH_MAX_IMAGE + SPARE_SIZE);
    uint64_t size = BH_PAGE;
    bool is_good;

    image->bytes = NULL;
    /* What lies in the pool makes room for the image, whose size is known at last only: repeat
     * with the size that came out, until it holds. It only grows. */
    do {
        begin(front, facts, fact_count, emission, bytes);
        is_good = emit_once(emission, size);
        if (emission->is_full)
            return report(front, CHECK_image_large, front->policy.name.at,
                          front_format(front, "%u", BH_MAX_IMAGE / 1024), NULL);
        if (emission->used <= size)
            break;
        size = emission->used;
    } while (is_good);
    if (!is_good)
        return false;
    emission->used = size;
    copy_rows(emission);
    image->bytes = malloc(size);
    if (image->bytes == NULL)
        return report(front, CHECK_image_large, front->policy.name.at, "free memory", NULL);
    memcpy(image->bytes, bytes, size);
    image->size = size;
    return true;
}
