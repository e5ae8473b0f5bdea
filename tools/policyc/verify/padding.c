/* What no row and no table uses is zero, names are padded with zeros, and rows lie apart:
 * nothing rides along in an image unseen. */
#include "internal.h"
#include <string.h>

static bool is_zero(const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < size; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

static void check_text(struct verification *v, const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    if (!is_zero(text + length, size - length))
        differ(v, v->policy->name.at, "behind the text \"%s\" are bytes that aren't zero", text);
}

static void check_texts(struct verification *v)
{
    const struct reader *r = v->image;

    check_text(v, r->header->name, BH_NAME_SIZE);
    check_text(v, r->header->machine, BH_NAME_SIZE);
    for (uint32_t i = 0; i < r->header->domains.count; i++) {
        check_text(v, r->domain[i].name, BH_NAME_SIZE);
        check_text(v, r->domain[i].cmdline, BH_CMDLINE_SIZE);
    }
    for (uint32_t i = 0; i < r->header->files.count; i++)
        check_text(v, r->file[i].name, BH_NAME_SIZE);
    for (uint32_t i = 0; i < r->header->channels.count; i++)
        check_text(v, r->channel[i].name, BH_NAME_SIZE);
}

/* Mark a run of rows as used; two runs must not share a byte. */
static void mark(struct verification *v, uint8_t *used, struct bh_table run, size_t row_size)
{
    bool is_free = true;

    for (size_t i = run.offset; i < run.offset + run.count * row_size; i++) {
        is_free = is_free && used[i] == 0;
        used[i] = 1;
    }
    if (!is_free)
        differ(v, v->policy->name.at, "two tables of rows overlap");
}

static void check_gaps(struct verification *v)
{
    const struct bh_header *h = v->image->header;
    size_t end = (v->image->rows_end + BH_PAGE - 1) / BH_PAGE * BH_PAGE;
    uint8_t *used = front_alloc(v->front, end);

    memset(used, 1, sizeof(*h));
    mark(v, used, h->domains, sizeof(struct bh_domain));
    mark(v, used, h->files, sizeof(struct bh_file));
    mark(v, used, h->regions, sizeof(struct bh_region));
    mark(v, used, h->channels, sizeof(struct bh_channel));
    mark(v, used, h->functions, sizeof(struct bh_pci_function));
    mark(v, used, h->dtes, sizeof(struct bh_dte));
    mark(v, used, h->cpuid, sizeof(struct bh_cpuid));
    mark(v, used, h->msrs, sizeof(struct bh_msr));
    for (size_t i = 0; i < end; i++)
        if (used[i] == 0 && v->image->bytes[i] != 0) {
            differ(v, v->policy->name.at, "byte 0x%zx has no use, but isn't zero", i);
            return;
        }
}

static void check_pages(struct verification *v)
{
    size_t page = (v->image->rows_end + BH_PAGE - 1) / BH_PAGE;

    for (; page < v->image->size / BH_PAGE; page++)
        if (v->claimed[page] == 0 && !is_zero(v->image->bytes + page * BH_PAGE, BH_PAGE))
            differ(v, v->policy->name.at, "page %zu has no use, but isn't zero", page);
}

void verify_padding(struct verification *v)
{
    check_texts(v);
    check_gaps(v);
    check_pages(v);
}
