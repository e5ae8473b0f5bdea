/* Rows against the policy's text: header, domains, files, channels, regions. */
#include "hw/amdvi.h"
#include "internal.h"
#include <string.h>

static void verify_header(struct verification *v)
{
    static const uint64_t denied[AMDVI_DTE_QWORDS] = AMDVI_DTE_DENIED;
    const struct bh_header *h = v->image->header;
    uint64_t features = BH_FEATURE_AMDVI;
    bool is_optional = v->policy->attest.value == BH_ATTEST_OPTIONAL;

    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        const struct domain *domain = &v->policy->domain[i];

        features |= domain->requires_rdrand.line != 0 ? BH_FEATURE_RDRAND : 0;
        if (domain->paging.value != BH_PAGING_SHADOW && domain->paging.value != BH_PAGING_ANY)
            features |= BH_FEATURE_NPT;
    }
    if (strcmp(h->name, v->policy->name.value) != 0)
        differ(v, v->policy->name.at, "it is of the policy %s", h->name);
    if (strcmp(h->machine, v->machine->name.value) != 0)
        differ(v, v->policy->machine.at, "it is for the machine %s", h->machine);
    if (h->version != v->policy->version.value)
        differ(v, v->policy->version.at, "it has version %llu", (unsigned long long)h->version);
    if (h->base != v->machine->pool.base)
        differ(v, v->machine->pool.at, "its place is 0x%llx", (unsigned long long)h->base);
    if (h->required_features != features)
        differ(v, v->policy->name.at, "it requires the features 0x%llx, not 0x%llx",
               (unsigned long long)h->required_features, (unsigned long long)features);
    if (h->attest != (is_optional ? BH_ATTEST_OPTIONAL : BH_ATTEST_REQUIRED))
        differ(v, v->policy->name.at, "it doesn't have attestation %s",
               is_optional ? "optional" : "required");
    if (h->pad != 0)
        differ(v, v->policy->name.at, "the header's padding isn't zero");
    if (memcmp(h->denied_dte, denied, sizeof(denied)) != 0)
        differ(v, v->policy->name.at, "devices of nobody aren't denied everything");
    if (h->domains.count != v->policy->domain_count)
        differ(v, v->policy->name.at, "it has %u domains", h->domains.count);
    if (h->channels.count != v->policy->channel_count)
        differ(v, v->policy->name.at, "it has %u channels", h->channels.count);
}

/* Command line and modules' strings, line by line. */
static bool has_texts(const struct bh_domain *row, const struct domain *domain)
{
    const char *at = row->cmdline;

    for (unsigned i = 0; i <= domain->module_string.count; i++) {
        const char *line = i > 0 ? domain->module_string.item[i - 1].value : domain->cmdline.value;
        size_t length = line != NULL ? strlen(line) : 0;

        if (length != 0 && strncmp(at, line, length) != 0)
            return false;
        at += length;
        if (*at != (i == domain->module_string.count ? 0 : '\n'))
            return false;
        at++;
    }
    return true;
}

static void verify_identity(struct verification *v, unsigned index)
{
    const struct domain *domain = &v->policy->domain[index];
    const struct bh_domain *row = &v->image->domain[index];
    struct place at = domain->name.at;

    if (strcmp(row->name, domain->name.value) != 0)
        differ(v, at, "domain %u is called %s", index, row->name);
    if (row->kind != domain->kind.value || row->label != domain->label.value)
        differ(v, domain->kind.at, "%s is of kind %u, label %u", row->name, row->kind, row->label);
    if (row->interrupts != domain->interrupts.value)
        differ(v, domain->interrupts.at, "%s has the other kind of interrupts", row->name);
    if (row->boot != domain->boot.value)
        differ(v, domain->boot.at, "%s boots otherwise", row->name);
    if (row->on_stop != BH_ON_STOP_HALT)
        differ(v, at, "%s doesn't halt when it stops", row->name);
    if (!has_texts(row, domain))
        differ(v, at, "%s has the command line \"%s\"", row->name, row->cmdline);
    if (row->rights != domain->rights.value)
        differ(v, at, "%s has the rights 0x%x", row->name, row->rights);
    if (row->pad != 0)
        differ(v, at, "%s's padding isn't zero", row->name);
    if (row->ioapic_pins != pins_of(v, domain))
        differ(v, at, "%s has the IOAPIC's pins 0x%x", row->name, row->ioapic_pins);
    if (row->slice_us != domain->slice.value * 1000)
        differ(v, at, "%s has turns of %u microseconds", row->name, row->slice_us);
}

/* Nested unless the policy says otherwise; a pool where shadow tables may be needed. */
static void verify_paging(struct verification *v, unsigned index)
{
    const struct domain *domain = &v->policy->domain[index];
    const struct bh_domain *row = &v->image->domain[index];
    uint32_t paging = domain->paging.value == 0 ? BH_PAGING_NESTED : (uint32_t)domain->paging.value;
    uint64_t size = paging == BH_PAGING_NESTED ? 0 : domain->shadow.value;

    if (row->paging != paging)
        differ(v, domain->name.at, "%s has paging of kind %u", row->name, row->paging);
    if (row->shadow_size != size || (size == 0 && row->shadow_base != 0))
        differ(v, domain->name.at, "%s has 0x%llx bytes at 0x%llx for shadow tables", row->name,
               (unsigned long long)row->shadow_size, (unsigned long long)row->shadow_base);
}

static void verify_place(struct verification *v, unsigned index)
{
    const struct domain *domain = &v->policy->domain[index];
    const struct bh_domain *row = &v->image->domain[index];
    uint64_t end = 0, load = domain->boot.value == BH_BOOT_FLAT ? domain->load.value : 0;

    for (unsigned i = 0; i < v->machine->ram_count; i++)
        if (v->machine->ram[i].base + v->machine->ram[i].size > end)
            end = v->machine->ram[i].base + v->machine->ram[i].size;
    if (domain->kind.value == BH_MICROVM)
        end = domain->memory.value;
    if (row->memory_size != end || (domain->kind.value == BH_PRIMARY && row->memory_base != 0))
        differ(v, domain->memory.at, "%s has 0x%llx bytes from 0x%llx", row->name,
               (unsigned long long)row->memory_size, (unsigned long long)row->memory_base);
    if (row->load_gpa != load || row->entry_gpa != load)
        differ(v, domain->boot.at, "%s is loaded at 0x%llx and entered at 0x%llx", row->name,
               (unsigned long long)row->load_gpa, (unsigned long long)row->entry_gpa);
    if (row->ncores != domain->core_count)
        differ(v, domain->cores_at, "%s has %u cores", row->name, row->ncores);
    for (unsigned i = 0; i < BH_MAX_CORES; i++)
        if (row->core[i] != (i < domain->core_count ? domain->core[i].value : 0))
            differ(v, domain->cores_at, "%s has core %u", row->name, row->core[i]);
}

/* The files that the domain must have, in their order; returns how many they are. */
static unsigned list_files(const struct domain *domain, struct text *name, uint32_t *role)
{
    const struct text single[] = {domain->kernel, domain->initrd, domain->flat};
    unsigned count = 0;

    for (unsigned i = 0; i < 3; i++)
        if (single[i].value != NULL) {
            role[count] = BH_FILE_KERNEL + i;
            name[count++] = single[i];
        }
    for (unsigned i = 0; i < domain->module.count && count < BH_MAX_FILES; i++) {
        role[count] = BH_FILE_MODULE;
        name[count++] = domain->module.item[i];
    }
    return count;
}

static void verify_files(struct verification *v, unsigned index, uint32_t *next)
{
    static const uint8_t zero[32];
    const struct domain *domain = &v->policy->domain[index];
    struct bh_table run = v->image->domain[index].files;
    struct text name[BH_MAX_FILES];
    uint32_t role[BH_MAX_FILES];
    unsigned expected = list_files(domain, name, role);

    if (run.offset != *next)
        differ(v, domain->name.at, "%s's files aren't its own", domain->name.value);
    *next += run.count;
    if (run.count != expected)
        differ(v, domain->boot.at, "%s has %u files, not %u", domain->name.value, run.count,
               expected);
    for (uint32_t i = 0; i < run.count && i < expected; i++) {
        const struct bh_file *file = &v->image->file[run.offset + i];

        if (file->role != role[i] || strcmp(name[i].value, file->name) != 0 ||
            file->domain != index)
            differ(v, domain->boot.at, "%s has the file %s, role %u", domain->name.value,
                   file->name, file->role);
        else if (v->has_files && (file->size == 0 || memcmp(file->sha256, zero, sizeof(zero)) == 0))
            differ(v, name[i].at, "%s has no size or no hash", file->name);
    }
}

static void verify_channel(struct verification *v, unsigned index)
{
    const struct channel *channel = &v->policy->channel[index];
    const struct bh_channel *row = &v->image->channel[index];

    if (strcmp(row->name, channel->name.value) != 0)
        differ(v, channel->name.at, "channel %u is called %s", index, row->name);
    if (row->size != channel->size.value)
        differ(v, channel->size.at, "%s has 0x%llx bytes", row->name,
               (unsigned long long)row->size);
    for (unsigned i = 0; i < 2; i++) {
        const struct channel_end *end = &channel->end[i];

        if (row->end[i].domain != end->domain || row->end[i].rights != end->rights)
            differ(v, end->name.at, "this end is domain %u with rights 0x%x", row->end[i].domain,
                   row->end[i].rights);
        if (end->at.at.line != 0 && row->end[i].gpa != end->at.value)
            differ(v, end->at.at, "this end is at 0x%llx", (unsigned long long)row->end[i].gpa);
    }
}

void verify_rows(struct verification *v)
{
    uint32_t files = 0;

    verify_header(v);
    if (v->found != 0)
        return;
    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        verify_identity(v, i);
        verify_paging(v, i);
        verify_place(v, i);
        verify_files(v, i, &files);
    }
    if (files != v->image->header->files.count)
        differ(v, v->policy->name.at, "it has files of nobody");
    for (unsigned i = 0; i < v->policy->channel_count; i++)
        verify_channel(v, i);
}

/* ---- regions ---- */

static const char *region_fault(const struct verification *v, const struct bh_region *region)
{
    struct extent range = {.base = region->base, .size = region->size};
    const struct bh_header *h = v->image->header;

    switch (region->use) {
    case BH_REGION_CORE:
        return memcmp(&range, &v->machine->core, offsetof(struct extent, at)) == 0 ? NULL : "core";
    case BH_REGION_DEVICE_TABLE:
        return memcmp(&range, &v->machine->device_table, offsetof(struct extent, at)) == 0
                   ? NULL
                   : "the device table";
    case BH_REGION_IMAGE:
        return region->base == h->base && region->size == h->size ? NULL : "the image";
    case BH_REGION_DOMAIN:
        return region->owner < h->domains.count &&
                       v->policy->domain[region->owner].kind.value == BH_MICROVM &&
                       region->base == v->image->domain[region->owner].memory_base &&
                       region->size == v->policy->domain[region->owner].memory.value &&
                       within(region->base, region->size, v->machine->pool)
                   ? NULL
                   : "a domain";
    case BH_REGION_SHADOW:
        return region->owner < h->domains.count &&
                       region->base == v->image->domain[region->owner].shadow_base &&
                       region->size == v->image->domain[region->owner].shadow_size &&
                       within(region->base, region->size, v->machine->pool)
                   ? NULL
                   : "a domain's shadow tables";
    case BH_REGION_CHANNEL:
        return region->owner < h->channels.count &&
                       region->base == v->image->channel[region->owner].base &&
                       region->size == v->policy->channel[region->owner].size.value &&
                       within(region->base, region->size, v->machine->pool)
                   ? NULL
                   : "a channel";
    default:
        return "something unknown";
    }
}

/* One region for each thing that has a place, and none else; apart, ascending. */
void verify_regions(struct verification *v)
{
    uint32_t count = v->image->header->regions.count, expected = 3 + v->policy->channel_count;
    uint64_t end = 0;

    for (unsigned i = 0; i < v->policy->domain_count; i++) {
        expected += v->policy->domain[i].kind.value == BH_MICROVM;
        expected += v->image->domain[i].shadow_size != 0;
    }
    if (count != expected)
        differ(v, v->policy->name.at, "it has %u regions, not %u", count, expected);
    for (uint32_t i = 0; i < count; i++) {
        const struct bh_region *region = &v->image->region[i];
        const char *fault = region_fault(v, region);

        if (fault != NULL || region->base < end)
            differ(v, v->policy->name.at, "the region at 0x%llx can't be that of %s",
                   (unsigned long long)region->base, fault != NULL ? fault : "its use");
        end = region->base + region->size;
        for (uint32_t j = 0; j < i; j++)
            if (v->image->region[j].use == region->use &&
                v->image->region[j].owner == region->owner)
                differ(v, v->policy->name.at, "two regions have the same use");
    }
}
