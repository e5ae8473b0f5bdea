/*
 * AMD-Vi. All units share one device table, which denies everything to everybody until the policy
 * opens entries. Interrupts have entries of 32 bits (control register GAEn=0).
 */
#include "hw/amdvi.h"
#include "bulkhead/layout.h"
#include "core/iommu_dev/backend.h"
#include "core/iommu_dev/ivrs.h"
#include "core/iommu_dev/unit.h"
#include "core/platform/platform.h"

static struct rings {
    _Alignas(4096) struct amdvi_command commands[AMDVI_RING_ENTRIES];
    _Alignas(4096) struct amdvi_event events[AMDVI_RING_ENTRIES];
} rings[IVRS_UNITS];

static struct unit units[IVRS_UNITS];
static uint32_t unit_count;

static const uint64_t denied[AMDVI_DTE_QWORDS] = AMDVI_DTE_DENIED;

_Static_assert(DEVICE_TABLE_SIZE == AMDVI_DEVICE_TABLE_BYTES, "one entry a requester id");

static struct amdvi_dte *device_table(void)
{
    return at_physical(DEVICE_TABLE_BASE);
}

static bool amdvi_find(void)
{
    struct ivrs ivrs;
    size_t size, at;
    const void *table = acpi_find("IVRS", &size);

    if (!table)
        return false;

    enum ivrs_error error = ivrs_read(table, size, &ivrs, &at);

    if (error)
        fatal("IOMMU: ACPI table IVRS %s, at offset %zx. Update the firmware, or switch AMD-Vi "
              "(IOMMU) on in its set-up",
              ivrs_error_text(error), at);
    for (uint32_t i = 0; i < ivrs.count; i++) {
        if (ivrs.units[i].base > PAGING_END - AMDVI_MMIO_BYTES)
            fatal("IOMMU %u: its registers at %lx lie above 4 GiB, where core can't reach them. "
                  "Switch \"above 4G decoding\" off in the firmware's set-up",
                  i, ivrs.units[i].base);
        units[i] = unit_make(&ivrs.units[i], i, rings[i].commands, rings[i].events);
    }
    unit_count = ivrs.count;
    return true;
}

/*
 * Opening writes the quadword that lets accesses pass last, closing writes it first: no state in
 * between grants more than the richer one, or has translations cached under a foreign DomainID.
 */
static void write_entry(uint32_t device, const uint64_t entry[AMDVI_DTE_QWORDS], bool closing)
{
    static const uint8_t opening_order[AMDVI_DTE_QWORDS] = {3, 1, 2, 0};
    struct amdvi_dte *to = &device_table()[device];

    for (unsigned i = 0; i < AMDVI_DTE_QWORDS; i++) {
        unsigned q = opening_order[closing ? AMDVI_DTE_QWORDS - 1 - i : i];

        __atomic_store_n(&to->q[q], entry[q], __ATOMIC_RELEASE);
    }
}

static void amdvi_close(void)
{
    for (uint32_t i = 0; i < AMDVI_DEVICES; i++)
        write_entry(i, denied, true);
    for (uint32_t i = 0; i < unit_count; i++)
        unit_start(&units[i]);
    for (uint32_t i = 0; i < unit_count; i++) {
        unit_forget_all(&units[i]);
        unit_verify(&units[i]);
        print("IOMMU %u at %lx: memory and interrupts closed to all devices", i, units[i].base);
    }
}

/* The policy's checker has looked at what an entry points to; here, whether it is one that leaves
 * nothing untranslated. */
static void require_sound(const struct bh_dte *row)
{
    static const uint64_t used[AMDVI_DTE_QWORDS] = {AMDVI_DTE0_USED, AMDVI_DTE1_USED,
                                                    AMDVI_DTE2_USED, AMDVI_DTE3_USED};
    uint64_t control = row->dte[2] & AMDVI_DTE2_INTCTL;
    bool sound = row->dte[0] & AMDVI_DTE0_V && row->dte[0] & AMDVI_DTE0_TV &&
                 row->dte[2] & AMDVI_DTE2_IV &&
                 (control == AMDVI_DTE2_INTCTL_ABORT || control == AMDVI_DTE2_INTCTL_REMAP);

    for (unsigned i = 0; i < AMDVI_DTE_QWORDS; i++)
        sound = sound && !(row->dte[i] & ~used[i]);
    if (!sound)
        fatal("policy image: the device-table entry of %02x:%02x.%u leaves requests unchecked. "
              "Build the image with the policyc of this release",
              row->device_id >> 8, row->device_id >> 3 & 31, row->device_id & 7);
}

static const struct bh_dte *dtes_of(const struct bh_header *policy)
{
    return (const struct bh_dte *)((const uint8_t *)policy + policy->dtes.offset);
}

/* Makes all units read the entry of this row again. */
static void queue_row(const struct bh_dte *row)
{
    for (uint32_t i = 0; i < unit_count; i++) {
        unit_queue_device(&units[i], row->device_id);
        unit_queue_pages(&units[i], row->dte[1] & AMDVI_DTE1_DOMAIN);
    }
}

static void complete_all(void)
{
    for (uint32_t i = 0; i < unit_count; i++)
        unit_complete(&units[i]);
}

static void amdvi_apply(const struct bh_header *policy)
{
    const struct bh_dte *rows = dtes_of(policy);

    for (uint32_t i = 0; i < policy->dtes.count; i++) {
        require_sound(&rows[i]);
        write_entry(rows[i].device_id, rows[i].dte, false);
        queue_row(&rows[i]);
    }
    complete_all();
    print("devices: %u granted", policy->dtes.count);
}

static void amdvi_revoke(const struct bh_header *policy, uint32_t domain)
{
    const struct bh_dte *rows = dtes_of(policy);

    for (uint32_t i = 0; i < policy->dtes.count; i++) {
        if (rows[i].domain != domain)
            continue;
        write_entry(rows[i].device_id, denied, true);
        queue_row(&rows[i]);
    }
    complete_all();
}

/* The entries are in memory before the commands are: unit_complete() waits for both. */
static void amdvi_forget_interrupts(uint16_t device)
{
    for (uint32_t i = 0; i < unit_count; i++)
        unit_queue_interrupts(&units[i], device);
    complete_all();
}

/* Of several units one may have news: all are looked at then. */
static const volatile uint64_t *amdvi_news(void)
{
    static const uint64_t always = 1;

    return unit_count == 1 && !units[0].drained ? unit_slot(&units[0]) : &always;
}

static bool amdvi_next_event(struct dma_event *event)
{
    for (uint32_t i = 0; i < unit_count; i++)
        if (unit_next_event(&units[i], event))
            return true;
    return false;
}

const struct dma_backend dma_amdvi = {
    .find = amdvi_find,
    .close = amdvi_close,
    .apply = amdvi_apply,
    .revoke = amdvi_revoke,
    .forget_interrupts = amdvi_forget_interrupts,
    .news = amdvi_news,
    .next_event = amdvi_next_event,
};
