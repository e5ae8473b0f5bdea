#include "policy/sample.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "bulkhead/layout.h"
#include "hw/amdvi.h"
#include "hw/npt.h"

#define MIB_2 0x200000ull

uint64_t sample_pages(struct sample *s, uint32_t count)
{
    uint64_t address = SAMPLE_BASE + s->used;

    s->used += count * BH_PAGE;
    assert(s->used <= SAMPLE_SIZE);
    return address;
}

void *sample_at(struct sample *s, uint64_t address)
{
    return &s->bytes[address - SAMPLE_BASE];
}

/* The entry of `gpa` in the table page at `level`, with the pages above it made. */
static uint64_t *entry_at(struct sample *s, uint32_t domain, uint64_t gpa, uint32_t level)
{
    uint64_t page = s->domain[domain].table;

    for (uint32_t l = NPT_LEVELS;; l--) {
        uint64_t *entry = (uint64_t *)sample_at(s, page) + (gpa >> (12 + 9 * (l - 1)) & 511);

        if (l == level || (*entry & NPT_PS) != 0)
            return entry;
        if (*entry == 0)
            *entry = sample_pages(s, 1) | NPT_P | NPT_W | NPT_US | NPT_A | NPT_IR | NPT_IW |
                     (uint64_t)(l - 1) << NPT_NEXT_SHIFT;
        page = *entry & NPT_ADDRESS;
    }
}

void sample_map(struct sample *s, uint32_t domain, uint64_t gpa, uint64_t machine, uint64_t size,
                uint64_t bits)
{
    const uint64_t always = NPT_P | NPT_US | NPT_A | NPT_D;

    while (size > 0) {
        bool large = ((gpa | machine) & (MIB_2 - 1)) == 0 && size >= MIB_2 && gpa != 0;
        uint64_t step = large ? MIB_2 : BH_PAGE;

        *entry_at(s, domain, gpa, large ? 2 : 1) = machine | always | bits | (large ? NPT_PS : 0);
        gpa += step;
        machine += step;
        size -= step;
    }
}

uint64_t *sample_leaf(struct sample *s, uint32_t domain, uint64_t gpa)
{
    return entry_at(s, domain, gpa, 1);
}

/* Hands out the rows of one table. */
static void *rows(struct sample *s, struct bh_table *table, uint32_t count, size_t size)
{
    void *first = &s->bytes[s->used];

    *table = (struct bh_table){.offset = s->used, .count = count};
    s->used += (uint32_t)(count * size);
    return first;
}

static void build_rows(struct sample *s)
{
    struct bh_header *h = &s->header;

    s->used = BH_PAGE;
    s->domain = rows(s, &h->domains, 2, sizeof *s->domain);
    s->file = rows(s, &h->files, 3, sizeof *s->file);
    s->region = rows(s, &h->regions, 5, sizeof *s->region);
    s->channel = rows(s, &h->channels, 1, sizeof *s->channel);
    s->function = rows(s, &h->functions, 2, sizeof *s->function);
    s->dte = rows(s, &h->dtes, 2, sizeof *s->dte);
    s->cpuid = rows(s, &h->cpuid, 3, sizeof *s->cpuid);
    s->msr = rows(s, &h->msrs, 3, sizeof *s->msr);
    s->used = (s->used + BH_PAGE - 1) / BH_PAGE * BH_PAGE;
}

static void build_header(struct sample *s)
{
    static const uint64_t denied[] = AMDVI_DTE_DENIED;
    struct bh_header *h = &s->header;

    memcpy(h->magic, BH_IMAGE_MAGIC, sizeof h->magic);
    h->format = BH_IMAGE_FORMAT;
    h->header_size = sizeof *h;
    h->size = SAMPLE_SIZE;
    h->base = SAMPLE_BASE;
    h->version = 1;
    strcpy(h->name, "laptop");
    strcpy(h->machine, "qemu-q35");
    memcpy(h->denied_dte, denied, sizeof denied);
    h->required_features = BH_FEATURE_NPT | BH_FEATURE_AMDVI;
    h->attest = BH_ATTEST_REQUIRED;
}

static void build_regions(struct sample *s)
{
    s->region[0] = (struct bh_region){SAMPLE_BASE, 0x400000, BH_REGION_IMAGE, BH_NOBODY};
    s->region[1] =
        (struct bh_region){SAMPLE_VAULT, SAMPLE_VAULT_SIZE, BH_REGION_DOMAIN, SAMPLE_VAULT_DOMAIN};
    s->region[2] = (struct bh_region){SAMPLE_CHANNEL, BH_PAGE, BH_REGION_CHANNEL, 0};
    s->region[3] = (struct bh_region){DEVICE_TABLE_BASE, AMDVI_DEVICE_TABLE_BYTES,
                                      BH_REGION_DEVICE_TABLE, BH_NOBODY};
    s->region[4] = (struct bh_region){CORE_BASE, CORE_SIZE, BH_REGION_CORE, BH_NOBODY};
}

/* What both domains have alike: floor of intercepts, closed bitmaps, an empty table. */
static void build_domain(struct sample *s, uint32_t n, const char *name)
{
    struct bh_domain *d = &s->domain[n];
    enum { OFF = 0, SHADOW = 0, VIRTUAL_ONLY = 0, DEFAULT = 1, FLOOR = 1, DIRECT_OFF = 2 };

#define INTERCEPT(name, word, bit, rule, text)                               \
    if ((rule) == 1 || ((rule) == DIRECT_OFF && n == SAMPLE_VAULT_DOMAIN)) { \
        d->intercepts[BH_INTERCEPT_##word] |= 1u << (bit);                   \
    }
#include "tables/intercepts.def"
#undef INTERCEPT
    strcpy(d->name, name);
    d->on_stop = BH_ON_STOP_HALT;
    d->ncores = 1;
    d->core[0] = (uint8_t)n;
    d->paging = BH_PAGING_NESTED;
    d->iopm = sample_pages(s, BH_IOPM_SIZE / BH_PAGE);
    memset(sample_at(s, d->iopm), 0xff, BH_IOPM_SIZE);
    d->msrpm = sample_pages(s, BH_MSRPM_SIZE / BH_PAGE);
    memset(sample_at(s, d->msrpm), 0xff, BH_MSRPM_SIZE);
    d->table = sample_pages(s, 1);
}

static void build_work(struct sample *s)
{
    struct bh_domain *d = &s->domain[SAMPLE_WORK];
    const uint64_t ram = NPT_W | NPT_IR | NPT_IW;

    build_domain(s, SAMPLE_WORK, "work");
    d->kind = BH_PRIMARY;
    d->label = BH_UNTRUSTED;
    d->interrupts = BH_DIRECT;
    d->boot = BH_BOOT_LINUX;
    strcpy(d->cmdline, "console=ttyS1");
    d->memory_size = SAMPLE_RAM;
    d->files = (struct bh_table){0, 2};
    d->functions = (struct bh_table){0, 2};
    d->cpuid = (struct bh_table){0, 2};
    d->msrs = (struct bh_table){0, 2};
    sample_map(s, SAMPLE_WORK, 0, 0, SAMPLE_BASE, ram);
    sample_map(s, SAMPLE_WORK, CORE_END, CORE_END, SAMPLE_RAM - CORE_END, ram);
    sample_map(s, SAMPLE_WORK, SAMPLE_CHANNEL, SAMPLE_CHANNEL, BH_PAGE, NPT_W | NPT_NX);
    sample_map(s, SAMPLE_WORK, SAMPLE_BAR, SAMPLE_BAR, 4 * BH_PAGE, NPT_W | NPT_UC | NPT_NX);
    sample_map(s, SAMPLE_WORK, 0xfee00000, 0xfee00000, BH_PAGE, NPT_UC | NPT_NX);
}

static void build_vault(struct sample *s)
{
    struct bh_domain *d = &s->domain[SAMPLE_VAULT_DOMAIN];

    build_domain(s, SAMPLE_VAULT_DOMAIN, "vault");
    d->kind = BH_MICROVM;
    d->label = BH_TRUSTED;
    d->interrupts = BH_VIRTUAL;
    d->boot = BH_BOOT_FLAT;
    d->rights = BH_RIGHT_LOG;
    d->memory_base = SAMPLE_VAULT;
    d->memory_size = SAMPLE_VAULT_SIZE;
    d->load_gpa = 0x100000;
    d->entry_gpa = 0x100000;
    d->files = (struct bh_table){2, 1};
    d->functions = (struct bh_table){2, 0};
    d->cpuid = (struct bh_table){2, 1};
    d->msrs = (struct bh_table){2, 1};
    sample_map(s, SAMPLE_VAULT_DOMAIN, 0, SAMPLE_VAULT, SAMPLE_VAULT_SIZE, NPT_W);
    sample_map(s, SAMPLE_VAULT_DOMAIN, 0x80000000, SAMPLE_CHANNEL, BH_PAGE, NPT_W | NPT_NX);
}

static void build_devices(struct sample *s)
{
    struct bh_pci_function *bridge = &s->function[0], *net = &s->function[1];
    uint64_t irt = sample_pages(s, 1);

    *bridge = (struct bh_pci_function){.bdf = 0, .vendor = 0x8086, .device = 0x29c0};
    *net = (struct bh_pci_function){
        .bdf = 0x18, .vendor = 0x1af4, .device = 0x1041, .granted = 1, .msix = 0x98};
    net->bar[4].address = SAMPLE_BAR;
    net->bar[4].size = 4 * BH_PAGE;
    net->bar[4].flags = BH_BAR_64 | BH_BAR_PREFETCH;
    net->write_mask[1] = 0x407;
    for (uint32_t vector = 32; vector < 256; vector++)
        ((uint32_t *)sample_at(s, irt))[vector] =
            AMDVI_IRTE_REMAP_EN | AMDVI_IRTE_FIXED | vector << AMDVI_IRTE_VECTOR_SHIFT;
    for (uint32_t i = 0; i < 2; i++) {
        s->dte[i].dte[0] = AMDVI_DTE0_V | AMDVI_DTE0_TV;
        s->dte[i].dte[1] = 1;
        s->dte[i].dte[2] = AMDVI_DTE2_IV | AMDVI_DTE2_INTCTL_REMAP | irt |
                           (uint64_t)AMDVI_IRT_LENGTH << AMDVI_DTE2_INTTABLEN_SHIFT;
    }
    s->dte[0].device_id = 0x18;
    s->dte[0].dte[0] |= s->domain[SAMPLE_WORK].table | AMDVI_DTE0_IR | AMDVI_DTE0_IW |
                        (uint64_t)NPT_LEVELS << AMDVI_DTE0_MODE_SHIFT;
    s->dte[1].device_id = AMDVI_IOAPIC_DEVICE;
}

void sample_build(struct sample *s)
{
    memset(s, 0, sizeof *s);
    build_header(s);
    build_rows(s);
    build_regions(s);
    build_work(s);
    build_vault(s);
    build_devices(s);
    strcpy(s->file[0].name, "work.kernel");
    s->file[0].size = 8 << 20;
    s->file[0].role = BH_FILE_KERNEL;
    strcpy(s->file[1].name, "work.initrd");
    s->file[1].size = 3 << 20;
    s->file[1].role = BH_FILE_INITRD;
    strcpy(s->file[2].name, "vault.image");
    s->file[2].size = 50000;
    s->file[2].role = BH_FILE_FLAT;
    s->file[2].domain = SAMPLE_VAULT_DOMAIN;
    s->channel[0] = (struct bh_channel){
        .name = "sign",
        .base = SAMPLE_CHANNEL,
        .size = BH_PAGE,
        .end = {{SAMPLE_WORK, BH_CHANNEL_READ | BH_CHANNEL_WRITE | BH_CHANNEL_RING, SAMPLE_CHANNEL},
                {SAMPLE_VAULT_DOMAIN, BH_CHANNEL_READ | BH_CHANNEL_WRITE, 0x80000000}}};
    s->cpuid[0] = (struct bh_cpuid){.leaf = 0, .and_ = {~0u, ~0u, ~0u, ~0u}};
    s->cpuid[1] = (struct bh_cpuid){.leaf = 0x80000001, .and_ = {~0u, ~0u, ~4u, ~0u}};
    s->cpuid[2] = (struct bh_cpuid){.leaf = 0, .and_ = {~0u, ~0u, ~0u, ~0u}};
    s->msr[0] = (struct bh_msr){.number = 0x1b, .read = BH_MSR_APIC_BASE, .write = BH_MSR_GP};
    s->msr[1] = (struct bh_msr){.number = 0xc0000080, .read = BH_MSR_EFER, .write = BH_MSR_EFER};
    s->msr[2] = (struct bh_msr){.number = 0x1b, .read = BH_MSR_CONSTANT, .write = BH_MSR_GP};
}
