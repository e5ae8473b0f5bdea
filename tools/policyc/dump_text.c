/* The dump for people. */
#include "dump.h"
#include <stdlib.h>

static const char *word(unsigned value, const char *const *words, unsigned count)
{
    return value < count ? words[value] : "?";
}

#define WORD(value, ...)                            \
    word(value, (const char *const[]){__VA_ARGS__}, \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void show_hash(const uint8_t *hash, FILE *out)
{
    for (unsigned i = 0; i < 32; i++)
        fprintf(out, "%02x", hash[i]);
}

static void show_header(const struct reader *r, FILE *out)
{
    const struct bh_header *h = r->header;
    char name[BH_CMDLINE_SIZE];

    fprintf(out, "policy %s", dump_name(h->name, name));
    fprintf(out, " version %llu for machine %s\n", (unsigned long long)h->version,
            dump_name(h->machine, name));
    fprintf(out, "format %u, %zu bytes at 0x%llx; requires%s%s%s\n", h->format, r->size,
            (unsigned long long)h->base, (h->required_features & BH_FEATURE_NPT) != 0 ? " npt" : "",
            (h->required_features & BH_FEATURE_AMDVI) != 0 ? " amdvi" : "",
            (h->required_features & BH_FEATURE_RDRAND) != 0 ? " rdrand" : "");
    fprintf(out, "attestation %s\n", WORD(h->attest, "?", "required", "optional"));
    fprintf(out, "\nplaces:\n");
    for (uint32_t i = 0; i < h->regions.count; i++)
        fprintf(out, "  0x%09llx %8llu KiB  %s%s%s\n", (unsigned long long)r->region[i].base,
                (unsigned long long)r->region[i].size / 1024,
                WORD(r->region[i].use, "?", "core", "policy image", "device table", "domain ",
                     "channel ", "shadow tables of "),
                (r->region[i].use == BH_REGION_DOMAIN || r->region[i].use == BH_REGION_SHADOW) &&
                        r->region[i].owner < h->domains.count
                    ? dump_name(r->domain[r->region[i].owner].name, name)
                    : "",
                r->region[i].use == BH_REGION_CHANNEL && r->region[i].owner < h->channels.count
                    ? dump_name(r->channel[r->region[i].owner].name, name)
                    : "");
}

static void show_intercepts(const struct bh_domain *domain, FILE *out)
{
    static const struct {
        const char *name;
        uint32_t word, bit;
    } known[] = {
#define INTERCEPT(name, word, bit, rule, text) {#name, BH_INTERCEPT_##word, bit},
#include "tables/intercepts.def"
#undef INTERCEPT
    };
    unsigned column = 0;

    fprintf(out, "  intercepts");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if ((domain->intercepts[known[i].word] >> known[i].bit & 1) != 0)
            fprintf(out, "%s %s", column++ % 10 == 9 ? "\n            " : "", known[i].name);
    fprintf(out, "\n");
}

static void show_bitmaps(const struct reader *r, const struct bh_domain *domain, FILE *out)
{
    static struct port_range ports[DUMP_RANGES];
    static struct msr_right msrs[DUMP_MSRS];
    unsigned count = dump_ports(r, domain, ports);

    fprintf(out, "  ports     ");
    for (unsigned i = 0; i < count; i++)
        if (ports[i].first == ports[i].last)
            fprintf(out, " %x", ports[i].first);
        else
            fprintf(out, " %x-%x", ports[i].first, ports[i].last);
    fprintf(out, count == 0 ? " none\n  open MSRs " : "\n  open MSRs ");
    count = dump_msrs(r, domain, msrs);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, " %x%s", msrs[i].number, WORD(msrs[i].rights, "", " (read)", " (write)", ""));
    fprintf(out, count == 0 ? " none\n" : "\n");
}

static void show_memory(const struct reader *r, const struct bh_domain *domain, FILE *out)
{
    struct reach reach;
    const char *fault = dump_memory(r, domain, &reach);

    fprintf(out, "  memory (guest address, machine address, size; CPU rwx, devices RW, u: "
                 "uncached)\n");
    for (size_t i = 0; i < reach.count; i++) {
        const struct span *span = &reach.span[i];

        fprintf(out, "    0x%09llx 0x%09llx %8llu KiB  %c%c%c%c%c%c\n",
                (unsigned long long)span->gpa, (unsigned long long)span->hpa,
                (unsigned long long)span->size / 1024, span->rights & REACH_READ ? 'r' : '-',
                span->rights & REACH_WRITE ? 'w' : '-', span->rights & REACH_EXECUTE ? 'x' : '-',
                span->rights & REACH_DEVICE_READ ? 'R' : '-',
                span->rights & REACH_DEVICE_WRITE ? 'W' : '-',
                span->rights & REACH_UNCACHED ? 'u' : '-');
    }
    if (fault != NULL)
        fprintf(out, "    the table is damaged: %s\n", fault);
    free(reach.span);
}

static void show_files(const struct reader *r, const struct bh_domain *domain, FILE *out)
{
    char name[BH_CMDLINE_SIZE];

    fprintf(out, "  boots      %s\n", WORD(domain->boot, "?", "linux", "flat", "pvh", "multiboot"));
    for (uint32_t i = 0; i < domain->files.count; i++) {
        const struct bh_file *file = &r->file[domain->files.offset + i];

        fprintf(out, "  %-10s %s, %llu bytes, SHA-256 ",
                WORD(file->role, "?", "kernel", "initrd", "flat", "module"),
                dump_name(file->name, name), (unsigned long long)file->size);
        show_hash(file->sha256, out);
        fprintf(out, "\n");
    }
    if (domain->boot == BH_BOOT_FLAT)
        fprintf(out, "  loaded at  0x%llx, entered at 0x%llx\n",
                (unsigned long long)domain->load_gpa, (unsigned long long)domain->entry_gpa);
    else
        fprintf(out, "  cmdline    %s\n", dump_name(domain->cmdline, name));
}

static void show_functions(const struct reader *r, const struct bh_domain *domain, FILE *out)
{
    for (uint32_t i = 0; i < domain->functions.count; i++) {
        const struct bh_pci_function *f = &r->function[domain->functions.offset + i];

        fprintf(out, "  pci        %02x:%02x.%x %04x:%04x %s", f->bdf >> 8, f->bdf >> 3 & 31,
                f->bdf & 7, f->vendor, f->device, f->granted ? "granted" : "visible");
        for (unsigned j = 0; j < 6; j++)
            if (f->bar[j].size != 0)
                fprintf(out, ", BAR %u 0x%llx +0x%llx", j, (unsigned long long)f->bar[j].address,
                        (unsigned long long)f->bar[j].size);
        fprintf(out, "\n");
    }
}

static void show_rows(const struct reader *r, const struct bh_domain *domain, FILE *out)
{
    fprintf(out, "  MSR rows  ");
    for (uint32_t i = 0; i < domain->msrs.count; i++) {
        const struct bh_msr *row = &r->msr[domain->msrs.offset + i];

        fprintf(out, "%s %x:%s/%s", i % 6 == 5 ? "\n            " : "", row->number,
                WORD(row->read, "?", "gp", "constant", "hardware", "drop", "efer", "apic", "pat"),
                WORD(row->write, "?", "gp", "constant", "hardware", "drop", "efer", "apic", "pat"));
    }
    fprintf(out, "\n  CPUID (leaf.subleaf: kept bits of EAX EBX ECX EDX; set bits)\n");
    for (uint32_t i = 0; i < domain->cpuid.count; i++) {
        const struct bh_cpuid *row = &r->cpuid[domain->cpuid.offset + i];

        fprintf(out, "    %08x.%x: %08x %08x %08x %08x; %08x %08x %08x %08x\n", row->leaf,
                row->subleaf, row->and_[0], row->and_[1], row->and_[2], row->and_[3], row->or_[0],
                row->or_[1], row->or_[2], row->or_[3]);
    }
}

static void show_domain(const struct reader *r, uint32_t index, FILE *out)
{
    const struct bh_domain *d = &r->domain[index];
    char name[BH_CMDLINE_SIZE];

    fprintf(out, "\ndomain %s: %s, %s, interrupts %s, paging %s, cores", dump_name(d->name, name),
            WORD(d->kind, "?", "primary", "microvm"), WORD(d->label, "?", "untrusted", "trusted"),
            WORD(d->interrupts, "?", "direct", "virtual"),
            WORD(d->paging, "?", "nested", "shadow", "any"));
    for (unsigned i = 0; i < d->ncores; i++)
        fprintf(out, " %u", d->core[i]);
    if (d->slice_us != 0)
        fprintf(out, ", slice %u us", d->slice_us);
    fprintf(out, "\n  rights    %s%s%s%s%s%s\n", (d->rights & BH_RIGHT_LOG) != 0 ? " log" : "",
            (d->rights & BH_RIGHT_CLOCK) != 0 ? " clock" : "",
            (d->rights & BH_RIGHT_ATTEST) != 0 ? " attest" : "",
            (d->rights & BH_RIGHT_KEYBOARD) != 0 ? " keyboard" : "",
            (d->rights & BH_RIGHT_USERCALL) != 0 ? " user-calls" : "",
            d->rights == 0 ? " none" : "");
    show_files(r, d, out);
    show_intercepts(d, out);
    show_bitmaps(r, d, out);
    fprintf(out, "  IOAPIC     pins 0x%x\n", d->ioapic_pins);
    show_functions(r, d, out);
    show_memory(r, d, out);
    show_rows(r, d, out);
}

static void show_channels(const struct reader *r, FILE *out)
{
    char name[BH_CMDLINE_SIZE];

    for (uint32_t i = 0; i < r->header->channels.count; i++) {
        const struct bh_channel *c = &r->channel[i];

        fprintf(out, "\nchannel %s: %llu KiB at 0x%llx\n", dump_name(c->name, name),
                (unsigned long long)c->size / 1024, (unsigned long long)c->base);
        for (unsigned j = 0; j < 2; j++)
            fprintf(out, "  %-10s at 0x%llx%s%s%s%s\n",
                    c->end[j].domain < r->header->domains.count
                        ? dump_name(r->domain[c->end[j].domain].name, name)
                        : "?",
                    (unsigned long long)c->end[j].gpa,
                    (c->end[j].rights & BH_CHANNEL_READ) != 0 ? " read" : "",
                    (c->end[j].rights & BH_CHANNEL_WRITE) != 0 ? " write" : "",
                    (c->end[j].rights & BH_CHANNEL_RING) != 0 ? " ring" : "",
                    (c->end[j].rights & BH_CHANNEL_DMA) != 0 ? " dma" : "");
    }
}

void dump_text(const struct reader *reader, FILE *out)
{
    show_header(reader, out);
    for (uint32_t i = 0; i < reader->header->domains.count; i++)
        show_domain(reader, i, out);
    show_channels(reader, out);
    fprintf(out, "\ndevice table (all others: %llx %llx %llx %llx)\n",
            (unsigned long long)reader->header->denied_dte[0],
            (unsigned long long)reader->header->denied_dte[1],
            (unsigned long long)reader->header->denied_dte[2],
            (unsigned long long)reader->header->denied_dte[3]);
    for (uint32_t i = 0; i < reader->header->dtes.count; i++) {
        const struct bh_dte *row = &reader->dte[i];

        fprintf(out, "  %02x:%02x.%x domain %u: %llx %llx %llx %llx\n", row->device_id >> 8,
                row->device_id >> 3 & 31, row->device_id & 7, row->domain,
                (unsigned long long)row->dte[0], (unsigned long long)row->dte[1],
                (unsigned long long)row->dte[2], (unsigned long long)row->dte[3]);
    }
}
