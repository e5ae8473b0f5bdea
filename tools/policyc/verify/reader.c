#include "reader.h"
#include <string.h>

const void *reader_at(const struct reader *reader, uint64_t address, uint64_t size)
{
    uint64_t base = reader->header->base;

    if (address < base || size > reader->size || address - base > reader->size - size)
        return NULL;
    return reader->bytes + (address - base);
}

/* The rows of a table; NULL if they don't all lie behind the header page. */
static const void *rows(struct reader *reader, struct bh_table table, uint32_t limit,
                        size_t row_size)
{
    uint64_t end = table.offset + (uint64_t)table.count * row_size;

    if (table.count > limit || table.offset < BH_PAGE || table.offset % 8 != 0 ||
        end > reader->size)
        return NULL;
    if (end > reader->rows_end)
        reader->rows_end = (size_t)end;
    return reader->bytes + table.offset;
}

static const char *find_rows(struct reader *reader)
{
    const struct bh_header *h = reader->header;

    reader->domain = rows(reader, h->domains, BH_MAX_DOMAINS, sizeof(struct bh_domain));
    reader->file = rows(reader, h->files, BH_MAX_FILES, sizeof(struct bh_file));
    reader->region = rows(reader, h->regions, BH_MAX_REGIONS, sizeof(struct bh_region));
    reader->channel = rows(reader, h->channels, BH_MAX_CHANNELS, sizeof(struct bh_channel));
    reader->function = rows(reader, h->functions, BH_MAX_PCI, sizeof(struct bh_pci_function));
    reader->dte = rows(reader, h->dtes, BH_MAX_DTE, sizeof(struct bh_dte));
    reader->cpuid = rows(reader, h->cpuid, BH_MAX_DOMAINS * BH_MAX_CPUID, sizeof(struct bh_cpuid));
    reader->msr = rows(reader, h->msrs, BH_MAX_DOMAINS * BH_MAX_MSR, sizeof(struct bh_msr));
    if (reader->domain == NULL || reader->file == NULL || reader->region == NULL ||
        reader->channel == NULL || reader->function == NULL || reader->dte == NULL ||
        reader->cpuid == NULL || reader->msr == NULL)
        return "a table of rows is too long, or lies outside of the image";
    return NULL;
}

static bool run_fits(struct bh_table run, uint32_t count)
{
    return run.offset <= count && run.count <= count - run.offset;
}

static bool is_name(const char *name, size_t size)
{
    return memchr(name, 0, size) != NULL;
}

static const char *check_names(const struct reader *reader)
{
    const struct bh_header *h = reader->header;
    bool good = is_name(h->name, BH_NAME_SIZE) && is_name(h->machine, BH_NAME_SIZE);

    for (uint32_t i = 0; i < h->domains.count; i++)
        good = good && is_name(reader->domain[i].name, BH_NAME_SIZE) &&
               is_name(reader->domain[i].cmdline, BH_CMDLINE_SIZE);
    for (uint32_t i = 0; i < h->files.count; i++)
        good = good && is_name(reader->file[i].name, BH_NAME_SIZE);
    for (uint32_t i = 0; i < h->channels.count; i++)
        good = good && is_name(reader->channel[i].name, BH_NAME_SIZE);
    return good ? NULL : "a name is not terminated";
}

static const char *check_runs(const struct reader *reader)
{
    const struct bh_header *h = reader->header;

    for (uint32_t i = 0; i < h->domains.count; i++) {
        const struct bh_domain *domain = &reader->domain[i];

        if (!run_fits(domain->files, h->files.count) ||
            !run_fits(domain->functions, h->functions.count) ||
            !run_fits(domain->cpuid, h->cpuid.count) || !run_fits(domain->msrs, h->msrs.count))
            return "a domain's rows lie outside of their table";
        if (domain->ncores > BH_MAX_CORES)
            return "a domain has more cores than the format";
    }
    return NULL;
}

static const char *check_header(const struct bh_header *h, size_t size)
{
    if (memcmp(h->magic, BH_IMAGE_MAGIC, sizeof(h->magic)) != 0)
        return "it has another magic number than policy images";
    if (h->format != BH_IMAGE_FORMAT || h->header_size != sizeof(*h))
        return "its format is not the one that this policyc knows";
    if (h->size != size)
        return "it doesn't have the size that its header tells";
    if (h->base == 0 || h->base % BH_PAGE != 0 || h->base > UINT64_MAX - h->size)
        return "its base is not the address of a page";
    return NULL;
}

const char *reader_open(struct reader *reader, const void *bytes, size_t size)
{
    const char *fault;

    memset(reader, 0, sizeof(*reader));
    if (size < BH_PAGE || size > BH_MAX_IMAGE || size % BH_PAGE != 0)
        return "it has a size that no policy image can have";
    reader->bytes = bytes;
    reader->size = size;
    reader->header = bytes;
    reader->rows_end = BH_PAGE;
    fault = check_header(reader->header, size);
    if (fault == NULL)
        fault = find_rows(reader);
    if (fault == NULL)
        fault = check_names(reader);
    if (fault == NULL)
        fault = check_runs(reader);
    return fault;
}
