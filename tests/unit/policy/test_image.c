/*
 * image_check: a right image passes, and each single damage is found as what it is, at the
 * row where it stands.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/layout.h"
#include "core/policy/image.h"
#include "hw/amdvi.h"
#include "hw/npt.h"
#include "policy/sample.h"

static struct sample sample;

/* One way to damage the sample, and what must come of it. */
#define DAMAGES                                                                               \
    D(MAGIC, 0, h->magic[7] = 'X')                                                            \
    D(FORMAT, 0, h->format = 2)                                                               \
    D(HEADER_SIZE, 0, h->header_size -= 8)                                                    \
    D(TRUNCATED, 0, h->size += BH_PAGE)                                                       \
    D(TRUNCATED, 0, h->size = 0)                                                              \
    D(BASE, 0, h->base += 8)                                                                  \
    D(BASE, 0, h->base = 0)                                                                   \
    D(BASE, 0, h->base = 0 - (uint64_t)BH_PAGE)                                               \
    D(HEADER_NAME, 0, memset(h->name, 'x', sizeof h->name))                                   \
    D(HEADER_NAME, 0, h->name[0] = 0)                                                         \
    D(HEADER_NAME, 0, h->machine[1] = '\n')                                                   \
    D(HEADER_PADDING, 0, s->bytes[BH_PAGE - 1] = 1)                                           \
    D(HEADER_PADDING, 0, s->bytes[sizeof *h] = 1)                                             \
    D(FEATURES, 0, h->required_features |= 1ull << 63)                                        \
    D(DENIED_DTE, 0, h->denied_dte[0] = 0)                                                    \
    D(DENIED_DTE, 0, h->denied_dte[2] |= AMDVI_DTE2_NMI_PASS)                                 \
    D(TABLE_PLACE, 0, h->domains.count = BH_MAX_DOMAINS + 1)                                  \
    D(TABLE_PLACE, 0, h->domains.count = UINT32_MAX)                                          \
    D(TABLE_PLACE, 1, h->files.offset = SAMPLE_SIZE - 8)                                      \
    D(TABLE_PLACE, 2, h->regions.offset = UINT32_MAX & ~7u)                                   \
    D(TABLE_PLACE, 3, h->channels.offset = 0)                                                 \
    D(TABLE_PLACE, 4, h->functions.offset += 4)                                               \
    D(TABLE_PLACE, 5, h->dtes.count = BH_MAX_DTE + 1)                                         \
    D(TABLE_PLACE, 6, h->cpuid.count = BH_MAX_DOMAINS * BH_MAX_CPUID + 1)                     \
    D(TABLE_PLACE, 7, h->msrs.count = BH_MAX_DOMAINS * BH_MAX_MSR + 1)                        \
    D(REGION_FORM, 0, s->region[0].base += 1)                                                 \
    D(REGION_FORM, 1, s->region[1].size = 0)                                                  \
    D(REGION_FORM, 2, s->region[2].size = 100)                                                \
    D(REGION_FORM, 4, s->region[4].size = 0 - (uint64_t)BH_PAGE)                              \
    D(REGION_ORDER, 2, s->region[1].size = 0x900000)                                          \
    D(REGION_ORDER, 1, s->region[1].base = 0x1000)                                            \
    D(REGION_USE, 3, s->region[3].use = 0)                                                    \
    D(REGION_USE, 3, s->region[3].use = BH_REGION_CHANNEL + 1)                                \
    D(REGION_OWNER, 1, s->region[1].owner = 2)                                                \
    D(REGION_OWNER, 2, s->region[2].owner = 1)                                                \
    D(REGION_OWNER, 0, s->region[0].owner = 0)                                                \
    D(REGION_CORE, 0, h->regions.count--)                                                     \
    D(REGION_CORE, 0, s->region[4].size -= BH_PAGE)                                           \
    D(REGION_CORE, 0, s->region[3].use = BH_REGION_CORE)                                      \
    D(REGION_IMAGE, 0, s->region[0].size = SAMPLE_SIZE - BH_PAGE)                             \
    D(REGION_IMAGE, 0, h->base -= BH_PAGE)                                                    \
    D(REGION_DEVICE_TABLE, 0, s->region[3].size -= BH_PAGE)                                   \
    D(NO_DOMAINS, 0,                                                                          \
      (h->domains.count = 0, s->region[1].use = BH_REGION_CHANNEL, s->region[1].owner = 0))   \
    D(DOMAIN_NAME, 1, s->domain[1].name[0] = 0)                                               \
    D(DOMAIN_NAME, 0, s->domain[0].name[1] = ']')                                             \
    D(DOMAIN_NAME, 0, s->domain[0].name[31] = 'x')                                            \
    D(DOMAIN_TWIN, 1, strcpy(s->domain[1].name, "work"))                                      \
    D(DOMAIN_CMDLINE, 0, memset(s->domain[0].cmdline, 'x', BH_CMDLINE_SIZE))                  \
    D(DOMAIN_CMDLINE, 0, s->domain[0].cmdline[3] = '\033')                                    \
    D(DOMAIN_KIND, 0, s->domain[0].kind = 0)                                                  \
    D(DOMAIN_KIND, 0, s->domain[0].kind = 3)                                                  \
    D(DOMAIN_KIND, 0, s->domain[0].label = 0)                                                 \
    D(DOMAIN_KIND, 0, s->domain[0].label = 3)                                                 \
    D(DOMAIN_KIND, 1, s->domain[1].interrupts = 0)                                            \
    D(DOMAIN_KIND, 1, s->domain[1].interrupts = 3)                                            \
    D(DOMAIN_KIND, 1, s->domain[1].boot = 0)                                                  \
    D(DOMAIN_KIND, 1, s->domain[1].boot = 3)                                                  \
    D(DOMAIN_KIND, 1, s->domain[1].on_stop = 0)                                               \
    D(DOMAIN_PRIMARY, 1, s->domain[1].kind = BH_PRIMARY)                                      \
    D(DOMAIN_BOOT, 1, s->domain[1].boot = BH_BOOT_LINUX)                                      \
    D(DOMAIN_PADDING, 0, s->domain[0].pad = 1)                                                \
    D(DOMAIN_PADDING, 0, s->domain[0].rights = 1u << 31)                                      \
    D(DOMAIN_CORES, 0, s->domain[0].ncores = 0)                                               \
    D(DOMAIN_CORES, 0, s->domain[0].ncores = BH_MAX_CORES + 1)                                \
    D(DOMAIN_CORES, 0, s->domain[0].core[0] = BH_MAX_CORES)                                   \
    D(DOMAIN_CORES, 0, s->domain[0].core[1] = 3)                                              \
    D(DOMAIN_CORES, 1, s->domain[1].core[0] = 0)                                              \
    D(DOMAIN_MANY_CORES, 1, s->domain[1].ncores = 2)                                          \
    D(DOMAIN_ASID, 0, s->domain[0].asid = 0)                                                  \
    D(DOMAIN_ASID, 1, s->domain[1].asid = 1)                                                  \
    D(DOMAIN_MEMORY, 1, s->domain[1].memory_base = 0)                                         \
    D(DOMAIN_MEMORY, 1, s->domain[1].memory_size += BH_PAGE)                                  \
    D(DOMAIN_MEMORY, 1, s->domain[1].memory_size = 0)                                         \
    D(DOMAIN_MEMORY, 1, s->domain[1].memory_base += 8)                                        \
    D(DOMAIN_MEMORY, 0, s->domain[0].memory_base = BH_PAGE)                                   \
    D(DOMAIN_LOAD, 1, s->domain[1].load_gpa = SAMPLE_VAULT_SIZE - BH_PAGE)                    \
    D(DOMAIN_LOAD, 1, s->domain[1].load_gpa = 0 - (uint64_t)BH_PAGE)                          \
    D(DOMAIN_LOAD, 1, s->domain[1].entry_gpa = s->domain[1].load_gpa + s->file[2].size)       \
    D(DOMAIN_LOAD, 1, s->domain[1].entry_gpa = 0)                                             \
    D(DOMAIN_LOAD, 1, s->file[2].size = UINT64_MAX)                                           \
    D(DOMAIN_LOAD, 0, s->domain[0].entry_gpa = 1)                                             \
    D(DOMAIN_BITMAP, 0, s->domain[0].iopm += 8)                                               \
    D(DOMAIN_BITMAP, 0, s->domain[0].iopm = SAMPLE_BASE + SAMPLE_SIZE - BH_PAGE)              \
    D(DOMAIN_BITMAP, 1, s->domain[1].msrpm = SAMPLE_BASE - BH_PAGE)                           \
    D(DOMAIN_BITMAP, 1, s->domain[1].msrpm = UINT64_MAX - BH_PAGE + 1)                        \
    D(DOMAIN_INTERCEPT, 0, s->domain[0].intercepts[BH_INTERCEPT_MISC1] &= ~(1u << 2))         \
    D(DOMAIN_INTERCEPT, 1, s->domain[1].intercepts[BH_INTERCEPT_MISC1] &= ~1u)                \
    D(DOMAIN_INTERCEPT, 0, s->domain[0].intercepts[BH_INTERCEPT_MISC2] &= ~1u)                \
    D(DOMAIN_INTERCEPT, 0, s->domain[0].intercepts[BH_INTERCEPT_MISC3] |= 1u << 31)           \
    D(DOMAIN_PORT, 0, open_port(s, 0x51b))                                                    \
    D(DOMAIN_PORT, 0, open_port(s, 0xcf8))                                                    \
    D(DOMAIN_PORT, 0, open_port(s, 0xcf9))                                                    \
    D(DOMAIN_PORT, 0, open_port(s, 0x92))                                                     \
    D(DOMAIN_PORT, 0, open_port(s, 0x64))                                                     \
    D(DOMAIN_PORT, 0, open_port(s, 0xb2))                                                     \
    D(DOMAIN_PORT, 0, open_port(s, 0x10000))                                                  \
    D(DOMAIN_MSR, 0, open_msr(s, 0x1b, 1))                                                    \
    D(DOMAIN_MSR, 0, open_msr(s, 0x10, 2))                                                    \
    D(DOMAIN_MSR, 0, open_msr(s, 0x2000 + 0x80, 2))                                           \
    D(DOMAIN_MSR, 0, open_msr(s, 0x4000 + 0x117, 1))                                          \
    D(DOMAIN_MSR, 0, open_msr(s, 0x6000, 1))                                                  \
    D(DOMAIN_ROWS, 1, s->domain[1].files.offset = 1)                                          \
    D(DOMAIN_ROWS, 1, s->domain[1].msrs.offset = UINT32_MAX)                                  \
    D(DOMAIN_ROWS, 2, s->domain[1].cpuid.count = 0)                                           \
    D(DOMAIN_ROWS, 0, s->domain[0].functions.count = UINT32_MAX)                              \
    D(DOMAIN_ROWS, 0, s->file[1].domain = 1)                                                  \
    D(DOMAIN_ROWS, 0, s->function[1].domain = 1)                                              \
    D(FILE_FORM, 0, s->file[0].name[0] = 0)                                                   \
    D(FILE_FORM, 1, s->file[1].size = 0)                                                      \
    D(FILE_FORM, 2, s->file[2].role = 0)                                                      \
    D(FILE_FORM, 2, s->file[2].role = BH_FILE_FLAT + 1)                                       \
    D(FILE_ROLES, 0, s->file[1].role = BH_FILE_KERNEL)                                        \
    D(FILE_ROLES, 0, s->file[0].role = BH_FILE_INITRD)                                        \
    D(FILE_ROLES, 1, s->file[2].role = BH_FILE_KERNEL)                                        \
    D(CHANNEL_FORM, 0, s->channel[0].name[0] = 0)                                             \
    D(CHANNEL_FORM, 0, s->channel[0].size = 1)                                                \
    D(CHANNEL_FORM, 0, s->channel[0].end[1].domain = 0)                                       \
    D(CHANNEL_FORM, 0, s->channel[0].end[1].domain = 2)                                       \
    D(CHANNEL_FORM, 0, s->channel[0].end[0].rights |= 16)                                     \
    D(CHANNEL_PLACE, 0, s->channel[0].size = 2 * BH_PAGE)                                     \
    D(FUNCTION_FORM, 1, s->function[1].bdf = 0)                                               \
    D(FUNCTION_FORM, 0, s->function[0].granted = 2)                                           \
    D(FUNCTION_SHARED, 2, share_function(s))                                                  \
    D(FUNCTION_BAR, 1, s->function[1].bar[4].size = 3 * BH_PAGE)                              \
    D(FUNCTION_BAR, 1, s->function[1].bar[4].address += BH_PAGE)                              \
    D(FUNCTION_BAR, 1, s->function[1].bar[4].address = SAMPLE_VAULT)                          \
    D(FUNCTION_BAR, 1, s->function[1].bar[5].size = BH_PAGE)                                  \
    D(FUNCTION_BAR, 1, s->function[1].bar[0].address = 0x1000)                                \
    D(FUNCTION_BAR, 1, s->function[1].bar[4].flags = BH_BAR_IO)                               \
    D(FUNCTION_WRITE, 0, s->function[0].write_mask[1] = 1)                                    \
    D(FUNCTION_WRITE, 1, s->function[1].write_mask[9] = 1)                                    \
    D(FUNCTION_WRITE, 1, s->function[1].write_mask[12] = 1)                                   \
    D(CPUID_FORM, 0, s->cpuid[0].flags = 8)                                                   \
    D(CPUID_FORM, 2, s->cpuid[2].pad = 1)                                                     \
    D(CPUID_SVM, 1, s->cpuid[1].and_[2] |= 4)                                                 \
    D(CPUID_SVM, 1, s->cpuid[1].or_[2] |= 4)                                                  \
    D(CPUID_SVM, 2, s->cpuid[2].leaf = 0x8000000a)                                            \
    D(MSR_FORM, 1, s->msr[1].number = 0x1b)                                                   \
    D(MSR_FORM, 0, s->msr[0].read = 0)                                                        \
    D(MSR_FORM, 0, s->msr[0].read = BH_MSR_DROP)                                              \
    D(MSR_FORM, 2, s->msr[2].write = BH_MSR_HARDWARE)                                         \
    D(DTE_ORDER, 1, s->dte[1].device_id = 0x18)                                               \
    D(DTE_ORDER, 0, s->dte[0].domain = 2)                                                     \
    D(DTE_BITS, 0, s->dte[0].dte[0] &= ~AMDVI_DTE0_V)                                         \
    D(DTE_BITS, 0, s->dte[0].dte[0] &= ~AMDVI_DTE0_TV)                                        \
    D(DTE_BITS, 0, s->dte[0].dte[0] |= AMDVI_DTE0_GV)                                         \
    D(DTE_BITS, 0, s->dte[0].dte[1] |= AMDVI_DTE1_IOTLB)                                      \
    D(DTE_BITS, 1, s->dte[1].dte[2] &= ~AMDVI_DTE2_IV)                                        \
    D(DTE_BITS, 1, s->dte[1].dte[2] |= AMDVI_DTE2_NMI_PASS)                                   \
    D(DTE_BITS, 1, s->dte[1].dte[3] = 1)                                                      \
    D(DTE_ROOT, 0, s->dte[0].dte[0] += BH_PAGE)                                               \
    D(DTE_ROOT, 0, s->dte[0].dte[0] &= ~AMDVI_DTE0_MODE)                                      \
    D(DTE_OWNER, 1, s->dte[1].dte[0] = s->dte[0].dte[0])                                      \
    D(DTE_OWNER, 0, s->dte[0].device_id = 0)                                                  \
    D(DTE_ID, 0, s->dte[0].dte[1] = 0)                                                        \
    D(DTE_ID, 1, s->dte[1].dte[1] = 2)                                                        \
    D(DTE_ID, 1, s->dte[1].domain = 1)                                                        \
    D(DTE_INTERRUPTS, 1, s->dte[1].dte[2] = AMDVI_DTE2_IV | AMDVI_DTE2_INTCTL_FORWARD)        \
    D(DTE_INTERRUPTS, 1, s->dte[1].dte[2] |= AMDVI_DTE2_INTTABLEN)                            \
    D(DTE_INTERRUPTS, 0, s->dte[0].dte[2] |= 1ull << 40)                                      \
    D(DTE_INTERRUPTS, 0,                                                                      \
      *irte(s, 40) =                                                                          \
          AMDVI_IRTE_REMAP_EN | 4u << AMDVI_IRTE_TYPE_SHIFT | 40u << AMDVI_IRTE_VECTOR_SHIFT) \
    D(DTE_INTERRUPTS, 0, *irte(s, 8) = AMDVI_IRTE_REMAP_EN | 8u << AMDVI_IRTE_VECTOR_SHIFT)   \
    D(DTE_INTERRUPTS, 0, *irte(s, 40) |= AMDVI_IRTE_GUEST)                                    \
    D(DTE_INTERRUPTS, 0, *irte(s, 40) |= AMDVI_IRTE_LOGICAL)                                  \
    D(TABLE_ENTRY, 0, (s->domain[0].table = SAMPLE_BASE + 8, s->dte[0].dte[0] = 3))           \
    D(TABLE_ENTRY, 1, s->domain[1].table = SAMPLE_VAULT)                                      \
    D(TABLE_ENTRY, 1, *root(s, 1) = SAMPLE_VAULT | (*root(s, 1) & ~NPT_ADDRESS))              \
    D(TABLE_ENTRY, 1, *root(s, 1) &= ~NPT_P)                                                  \
    D(TABLE_ENTRY, 1, *root(s, 1) |= NPT_PS)                                                  \
    D(TABLE_ENTRY, 1, *root(s, 1) |= NPT_NX)                                                  \
    D(TABLE_ENTRY, 1, *root(s, 1) &= ~(NPT_NEXT))                                             \
    D(TABLE_ENTRY, 1, *root(s, 1) |= 1ull << 52)                                              \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) &= ~NPT_US)                                  \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) &= ~NPT_A)                                   \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) &= ~NPT_D)                                   \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) |= NPT_PWT)                                  \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) |= NPT_PS)                                   \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) |= NPT_IR | NPT_NX)                          \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x1000) |= 1ull << NPT_NEXT_SHIFT)                   \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x200000) += BH_PAGE)                                \
    D(TABLE_ENTRY, 1, *sample_leaf(s, 1, 0x3000) = NPT_IW)                                    \
    D(TABLE_SHARED, 1, make_circle(s))                                                        \
    D(TABLE_RUNS, 0, make_pieces(s))                                                          \
    D(MAPS_CORE, 0, sample_map(s, 0, CORE_BASE, CORE_BASE, BH_PAGE, 0))                       \
    D(MAPS_CORE, 0, sample_map(s, 0, CORE_END - BH_PAGE, CORE_END - BH_PAGE, BH_PAGE, NPT_W)) \
    D(MAPS_CORE, 0, sample_map(s, 0, SAMPLE_BASE, SAMPLE_BASE, BH_PAGE, 0))                   \
    D(MAPS_CORE, 1, sample_map(s, 1, 0x90000000, DEVICE_TABLE_BASE, BH_PAGE, 0))              \
    D(MAPS_CORE, 0, sample_map(s, 0, 0x10200000, 0x10200000, 0x200000, 0))                    \
    D(MAPS_FOREIGN, 0, sample_map(s, 0, SAMPLE_VAULT, SAMPLE_VAULT, BH_PAGE, 0))              \
    D(MAPS_FOREIGN, 0, *sample_leaf(s, 0, 0x1000) += SAMPLE_VAULT)                            \
    D(MAPS_FOREIGN, 1, s->channel[0].end[1].rights = 0)                                       \
    D(MAPS_CHANNEL, 1, s->channel[0].end[1].rights = BH_CHANNEL_READ)                         \
    D(MAPS_CHANNEL, 0,                                                                        \
      (*sample_leaf(s, 0, SAMPLE_CHANNEL) &= ~NPT_NX,                                         \
       *sample_leaf(s, 0, SAMPLE_CHANNEL) |= NPT_IR))                                         \
    D(MAPS_SHARED, 1, sample_map(s, 1, 0x90000000, 0x8000, BH_PAGE, 0))                       \
    D(MAPS_SHARED, 1, sample_map(s, 1, 0x90000000, SAMPLE_BAR, BH_PAGE, NPT_W))               \
    D(MAPS_SHARED, 1, sample_map(s, 1, 0x90000000, SAMPLE_RAM - 0x200000, 0x200000, 0))       \
    D(MAPS_STRAY, 0, sample_map(s, 0, 0xfec00000, 0xfec00000, BH_PAGE, NPT_UC))               \
    D(MAPS_STRAY, 0,                                                                          \
      sample_map(s, 0, SAMPLE_BAR + 4 * BH_PAGE, SAMPLE_BAR + 4 * BH_PAGE, BH_PAGE,           \
                 NPT_W | NPT_UC | NPT_NX))                                                    \
    D(MAPS_STRAY, 0, sample_map(s, 0, SAMPLE_RAM, SAMPLE_RAM, 0x200000, NPT_W))               \
    D(MAPS_STRAY, 0, s->domain[0].memory_size -= BH_PAGE)                                     \
    D(MAPS_STRAY, 1, sample_map(s, 1, 0x90000000, 0xfed80000, BH_PAGE, 0))                    \
    D(MAPS_INTERRUPTS, 0, *sample_leaf(s, 0, 0xfee00000) |= NPT_W)                            \
    D(MAPS_INTERRUPTS, 0, sample_map(s, 0, 0xfee01000, 0xfee01000, BH_PAGE, NPT_IR))          \
    D(MAPS_INTERRUPTS, 0, sample_map(s, 0, 0xffffe00000, 0xffffe00000, 0x200000, 0))

/* IOPM and MSRPM of `work`. */
static void open_port(struct sample *s, uint32_t port)
{
    ((uint8_t *)sample_at(s, s->domain[0].iopm))[port / 8] &= (uint8_t) ~(1u << port % 8);
}

/* MSRs are numbered through the three ranges of the map; rights: 1 read, 2 write. */
static void open_msr(struct sample *s, uint32_t n, uint32_t rights)
{
    ((uint8_t *)sample_at(s, s->domain[0].msrpm))[n / 4] &= (uint8_t) ~(rights << n % 4 * 2);
}

/* A row of vault's for the device that work has. */
static void share_function(struct sample *s)
{
    struct bh_table *table = &s->header.functions;
    uint64_t place = sample_pages(s, 1);
    struct bh_pci_function *row = sample_at(s, place);

    memcpy(row, s->function, 2 * sizeof *row);
    row[2] = row[1];
    row[2].domain = SAMPLE_VAULT_DOMAIN;
    row[2].granted = 0;
    *table = (struct bh_table){(uint32_t)(place - SAMPLE_BASE), 3};
    s->domain[1].functions.count = 1;
}

static uint32_t *irte(struct sample *s, uint32_t n)
{
    return (uint32_t *)sample_at(s, s->dte[0].dte[2] & AMDVI_DTE2_INTTABROOT) + n;
}

static uint64_t *root(struct sample *s, uint32_t domain)
{
    return sample_at(s, s->domain[domain].table);
}

/* A level-3 table page whose 512 entries all name one level-2 page. */
static void make_circle(struct sample *s)
{
    uint64_t *level3 = sample_at(s, *root(s, 1) & NPT_ADDRESS);

    for (uint32_t i = 1; i < NPT_ENTRIES; i++)
        level3[i] = level3[0];
}

/* Every second page of the first MiB read-only. */
static void make_pieces(struct sample *s)
{
    for (uint64_t gpa = 0; gpa < 0x100000; gpa += 2 * BH_PAGE)
        *sample_leaf(s, 0, gpa) &= ~NPT_W;
}

#define D(expected, at_row, damage) {#damage, POLICY_##expected, #expected, at_row},
static const struct {
    const char *damage;
    enum policy_check expected;
    const char *name;
    uint32_t row;
} damages[] = {DAMAGES};
#undef D

/* Does the n-th damage to the sample. */
static void damage(struct sample *s, size_t n)
{
    struct bh_header *h = &s->header;
    size_t i = 0;

#define D(expected, row, damage) \
    if (i++ == n) {              \
        (void)(damage);          \
    }
    DAMAGES
#undef D
}

static const char *name_of(enum policy_check check)
{
    static const char *const names[] = {
        "OK",
#define REFUSAL(name, section, shows, text, remedy) #name,
#include "tables/refusals.def"
#undef REFUSAL
    };

    return names[check];
}

static void right_image_passes(void **state)
{
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    if (!image_check(sample.bytes, SAMPLE_SIZE, &fault))
        fail_msg("refused: %s, row %u, value %#lx", name_of(fault.check), fault.row, fault.value);
    assert_int_equal(fault.check, POLICY_OK);
}

static void each_damage_is_found(void **state)
{
    uint32_t missed = 0;

    (void)state;
    for (size_t n = 0; n < sizeof damages / sizeof damages[0]; n++) {
        struct policy_fault fault;

        sample_build(&sample);
        damage(&sample, n);
        bool passed = image_check(sample.bytes, SAMPLE_SIZE, &fault);
        if (passed || fault.check != damages[n].expected || fault.row != damages[n].row) {
            print_error("%s\n  expected: %s, row %u\n  got:      %s, row %u, value %#lx\n",
                        damages[n].damage, damages[n].name, damages[n].row, name_of(fault.check),
                        fault.row, fault.value);
            missed++;
        }
    }
    assert_int_equal(missed, 0);
}

/* No check of an image is without a damage that shows it to work. */
static void each_check_is_tried(void **state)
{
    (void)state;
    for (uint32_t check = POLICY_MAGIC; check < POLICY_REGION_RAM; check++) {
        size_t n = 0;

        while (n < sizeof damages / sizeof damages[0] && damages[n].expected != check)
            n++;
        if (n == sizeof damages / sizeof damages[0])
            fail_msg("no damage expects %s", name_of(check));
    }
}

static void wrong_sizes_are_refused(void **state)
{
    static const size_t sizes[] = {0, 1, BH_PAGE - 1, BH_PAGE + 1, BH_MAX_IMAGE + BH_PAGE};
    struct policy_fault fault;

    (void)state;
    sample_build(&sample);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_false(image_check(sample.bytes, sizes[i], &fault));
        assert_int_equal(fault.check, POLICY_IMAGE_SIZE);
        assert_int_equal(fault.value, sizes[i]);
    }
    assert_false(image_check(sample.bytes, SAMPLE_SIZE - BH_PAGE, &fault));
    assert_int_equal(fault.check, POLICY_TRUNCATED);
}

/*
 * Any bytes at all: image_check must come to a verdict without reading outside of the image
 * (the address sanitizer watches) and in bounded time.
 */
static void random_damage_is_survived(void **state)
{
    uint8_t *exact = aligned_alloc(4096, SAMPLE_SIZE);
    uint64_t seed = 0x9e3779b97f4a7c15;

    (void)state;
    for (uint32_t round = 0; round < 3000; round++) {
        struct policy_fault fault;

        sample_build(&sample);
        memcpy(exact, sample.bytes, SAMPLE_SIZE);
        for (uint32_t i = 0; i < 1 + round % 3; i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            uint64_t place = (seed >> 20) % sample.used;
            exact[place] = (uint8_t)(seed >> 56);
        }
        (void)image_check(exact, SAMPLE_SIZE, &fault);
        assert_in_range(fault.check, POLICY_OK, POLICY_CHECKS - 1);
    }
    free(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_image_passes),        cmocka_unit_test(each_damage_is_found),
        cmocka_unit_test(each_check_is_tried),       cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(random_damage_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
