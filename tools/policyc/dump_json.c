/* The dump for programs. Addresses and masks are numbers; JSON readers must take 64 bits. */
#include "dump.h"
#include <stdlib.h>

/* Values of an object or array, with the commas between them. */
struct json {
    FILE *out;
    bool is_first;
    bool is_matrix; /* only what says who may do what */
};

static void key(struct json *json, const char *name)
{
    fprintf(json->out, "%s", json->is_first ? "" : ", ");
    json->is_first = false;
    if (name != NULL)
        fprintf(json->out, "\"%s\": ", name);
}

static void open(struct json *json, const char *name, char bracket)
{
    key(json, name);
    fputc(bracket, json->out);
    json->is_first = true;
}

static void close(struct json *json, char bracket)
{
    fputc(bracket, json->out);
    json->is_first = false;
}

static void number(struct json *json, const char *name, uint64_t value)
{
    key(json, name);
    fprintf(json->out, "%llu", (unsigned long long)value);
}

static void string(struct json *json, const char *name, const char *value)
{
    key(json, name);
    fputc('"', json->out);
    for (; *value != 0; value++)
        if (*value < ' ' || *value > '~' || *value == '"' || *value == '\\')
            fprintf(json->out, "\\u%04x", (unsigned char)*value);
        else
            fputc(*value, json->out);
    fputc('"', json->out);
}

static void words(struct json *json, const char *name, const uint32_t *value, unsigned count)
{
    open(json, name, '[');
    for (unsigned i = 0; i < count; i++)
        number(json, NULL, value[i]);
    close(json, ']');
}

static void quads(struct json *json, const char *name, const uint64_t *value, unsigned count)
{
    open(json, name, '[');
    for (unsigned i = 0; i < count; i++)
        number(json, NULL, value[i]);
    close(json, ']');
}

static void show_file(struct json *json, const struct bh_file *file)
{
    char hash[65];

    for (unsigned i = 0; i < 32; i++)
        snprintf(hash + 2 * i, 3, "%02x", file->sha256[i]);
    open(json, NULL, '{');
    string(json, "name", file->name);
    number(json, "role", file->role);
    number(json, "size", file->size);
    string(json, "sha256", hash);
    close(json, '}');
}

static void show_function(struct json *json, const struct bh_pci_function *f)
{
    open(json, NULL, '{');
    number(json, "bdf", f->bdf);
    number(json, "vendor", f->vendor);
    number(json, "device", f->device);
    number(json, "granted", f->granted);
    number(json, "msi", f->msi);
    number(json, "msix", f->msix);
    number(json, "msix_bar", f->msix_bar);
    number(json, "msix_table", f->msix_table);
    number(json, "msix_count", f->msix_count);
    open(json, "bars", '[');
    for (unsigned i = 0; i < 6; i++) {
        open(json, NULL, '{');
        number(json, "address", f->bar[i].address);
        number(json, "size", f->bar[i].size);
        number(json, "flags", f->bar[i].flags);
        close(json, '}');
    }
    close(json, ']');
    words(json, "read_mask", f->read_mask, 64);
    words(json, "write_mask", f->write_mask, 64);
    close(json, '}');
}

static void show_bitmaps(struct json *json, const struct reader *r, const struct bh_domain *d)
{
    static struct port_range ports[DUMP_RANGES];
    static struct msr_right msrs[DUMP_MSRS];
    unsigned count = dump_ports(r, d, ports);

    open(json, "ports", '[');
    for (unsigned i = 0; i < count; i++)
        words(json, NULL, &ports[i].first, 2);
    close(json, ']');
    open(json, "msrs_open", '[');
    count = dump_msrs(r, d, msrs);
    for (unsigned i = 0; i < count; i++) {
        open(json, NULL, '{');
        number(json, "number", msrs[i].number);
        number(json, "read", msrs[i].rights & 1);
        number(json, "write", msrs[i].rights >> 1);
        close(json, '}');
    }
    close(json, ']');
}

static void show_memory(struct json *json, const struct reader *r, const struct bh_domain *d)
{
    struct reach reach;
    const char *fault = dump_memory(r, d, &reach);

    open(json, "memory", '[');
    for (size_t i = 0; i < reach.count; i++) {
        const struct span *span = &reach.span[i];

        open(json, NULL, '{');
        number(json, "gpa", span->gpa);
        number(json, "hpa", span->hpa);
        number(json, "size", span->size);
        number(json, "read", (span->rights & REACH_READ) != 0);
        number(json, "write", (span->rights & REACH_WRITE) != 0);
        number(json, "execute", (span->rights & REACH_EXECUTE) != 0);
        number(json, "device_read", (span->rights & REACH_DEVICE_READ) != 0);
        number(json, "device_write", (span->rights & REACH_DEVICE_WRITE) != 0);
        number(json, "uncached", (span->rights & REACH_UNCACHED) != 0);
        close(json, '}');
    }
    close(json, ']');
    if (fault != NULL)
        string(json, "memory_fault", fault);
    free(reach.span);
}

static void show_rows(struct json *json, const struct reader *r, const struct bh_domain *d)
{
    open(json, "msrs", '[');
    for (uint32_t i = 0; i < d->msrs.count; i++) {
        const struct bh_msr *row = &r->msr[d->msrs.offset + i];

        open(json, NULL, '{');
        number(json, "number", row->number);
        number(json, "read", row->read);
        number(json, "write", row->write);
        number(json, "value", row->value);
        close(json, '}');
    }
    close(json, ']');
    open(json, "cpuid", '[');
    for (uint32_t i = 0; i < d->cpuid.count; i++) {
        const struct bh_cpuid *row = &r->cpuid[d->cpuid.offset + i];

        open(json, NULL, '{');
        number(json, "leaf", row->leaf);
        number(json, "subleaf", row->subleaf);
        number(json, "flags", row->flags);
        words(json, "and", row->and_, 4);
        words(json, "or", row->or_, 4);
        close(json, '}');
    }
    close(json, ']');
}

static void show_domain(struct json *json, const struct reader *r, const struct bh_domain *d)
{
    open(json, NULL, '{');
    string(json, "name", d->name);
    number(json, "kind", d->kind);
    number(json, "label", d->label);
    number(json, "interrupts", d->interrupts);
    number(json, "boot", d->boot);
    number(json, "on_stop", d->on_stop);
    number(json, "paging", d->paging);
    number(json, "slice_us", d->slice_us);
    number(json, "rights", d->rights);
    open(json, "cores", '[');
    for (unsigned i = 0; i < d->ncores; i++)
        number(json, NULL, d->core[i]);
    close(json, ']');
    words(json, "intercepts", d->intercepts, BH_INTERCEPT_WORDS);
    words(json, "shadow_intercepts", d->shadow_intercepts, BH_INTERCEPT_WORDS);
    number(json, "ioapic_pins", d->ioapic_pins);
    number(json, "iopm", d->iopm);
    number(json, "msrpm", d->msrpm);
    number(json, "table", d->table);
    number(json, "memory_base", d->memory_base);
    number(json, "memory_size", d->memory_size);
    number(json, "shadow_base", d->shadow_base);
    number(json, "shadow_size", d->shadow_size);
    number(json, "load_gpa", d->load_gpa);
    number(json, "entry_gpa", d->entry_gpa);
    string(json, "cmdline", d->cmdline);
    if (!json->is_matrix) {
        open(json, "files", '[');
        for (uint32_t i = 0; i < d->files.count; i++)
            show_file(json, &r->file[d->files.offset + i]);
        close(json, ']');
    }
    open(json, "functions", '[');
    for (uint32_t i = 0; i < d->functions.count; i++)
        show_function(json, &r->function[d->functions.offset + i]);
    close(json, ']');
    show_bitmaps(json, r, d);
    show_memory(json, r, d);
    show_rows(json, r, d);
    close(json, '}');
}

static void show_channel(struct json *json, const struct bh_channel *c)
{
    open(json, NULL, '{');
    string(json, "name", c->name);
    number(json, "base", c->base);
    number(json, "size", c->size);
    open(json, "ends", '[');
    for (unsigned i = 0; i < 2; i++) {
        open(json, NULL, '{');
        number(json, "domain", c->end[i].domain);
        number(json, "rights", c->end[i].rights);
        number(json, "gpa", c->end[i].gpa);
        close(json, '}');
    }
    close(json, ']');
    close(json, '}');
}

static void show_header(struct json *json, const struct reader *r)
{
    const struct bh_header *h = r->header;

    if (!json->is_matrix) {
        string(json, "name", h->name);
        number(json, "version", h->version);
    }
    string(json, "machine", h->machine);
    number(json, "format", h->format);
    number(json, "base", h->base);
    number(json, "size", h->size);
    number(json, "required_features", h->required_features);
    number(json, "attest", h->attest);
    quads(json, "denied_dte", h->denied_dte, 4);
    open(json, "regions", '[');
    for (uint32_t i = 0; i < h->regions.count; i++) {
        open(json, NULL, '{');
        number(json, "base", r->region[i].base);
        number(json, "size", r->region[i].size);
        number(json, "use", r->region[i].use);
        number(json, "owner", r->region[i].owner);
        close(json, '}');
    }
    close(json, ']');
}

static void show(const struct reader *reader, bool is_matrix, FILE *out)
{
    struct json json = {.out = out, .is_first = true, .is_matrix = is_matrix};

    open(&json, NULL, '{');
    show_header(&json, reader);
    open(&json, "domains", '[');
    for (uint32_t i = 0; i < reader->header->domains.count; i++)
        show_domain(&json, reader, &reader->domain[i]);
    close(&json, ']');
    open(&json, "channels", '[');
    for (uint32_t i = 0; i < reader->header->channels.count; i++)
        show_channel(&json, &reader->channel[i]);
    close(&json, ']');
    open(&json, "dtes", '[');
    for (uint32_t i = 0; i < reader->header->dtes.count; i++) {
        open(&json, NULL, '{');
        number(&json, "device_id", reader->dte[i].device_id);
        number(&json, "domain", reader->dte[i].domain);
        quads(&json, "dte", reader->dte[i].dte, 4);
        close(&json, '}');
    }
    close(&json, ']');
    close(&json, '}');
    fputc('\n', out);
}

void dump_json(const struct reader *reader, FILE *out)
{
    show(reader, false, out);
}

void dump_matrix(const struct reader *reader, FILE *out)
{
    show(reader, true, out);
}
