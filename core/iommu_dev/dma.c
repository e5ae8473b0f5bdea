#include "core/iommu_dev/dma.h"

#include "bulkhead/layout.h"
#include "core/audit/audit.h"
#include "core/iommu_dev/backend.h"
#include "core/iommu_dev/masters.h"
#include "core/platform/platform.h"
#include "lib/format.h"

/* A domain's denied accesses are all printed up to this number, then those whose number is a power
 * of two: a device can't flood the console. */
#define PRINTED 16

/* Events of one call, so that a device can't hold the CPU by reporting as fast as core reads. */
#define EVENTS_AT_ONCE 64

#define NOBODY BH_MAX_DOMAINS /* devices without a row, and events without a device */

static const struct dma_backend *const backends[] = {&dma_amdvi};

static const struct dma_backend *backend;
static const struct bh_header *policy;
static uint64_t counts[BH_MAX_DOMAINS + 1];
static struct spinlock lock;

const volatile uint64_t *dma_news;

static void find_news(void)
{
    __atomic_store_n(&dma_news, backend->news(), __ATOMIC_RELAXED);
}

void dma_close(void)
{
    for (unsigned i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (backends[i]->find()) {
            backend = backends[i];
            backend->close();
            find_news();
            /* Else they would go on with the firmware's business as soon as a policy lets them. */
            print("devices: %u stopped that the firmware left running", masters_stop());
            return;
        }
    }
    fatal(
        "no IOMMU: the firmware has no ACPI table IVRS, so devices could reach all memory. Switch "
        "AMD-Vi (IOMMU) on in the firmware's set-up; for QEMU add -device amd-iommu");
}

static const void *rows_of(struct bh_table table)
{
    return (const uint8_t *)policy + table.offset;
}

static const char *name_of(uint32_t domain)
{
    if (domain == NOBODY) /* as all are before there is a policy */
        return "no domain";
    return ((const struct bh_domain *)rows_of(policy->domains))[domain].name;
}

/* The image's author laid memory out around a device table; it must be the one in use. */
static void check_place(void)
{
    const struct bh_region *regions = rows_of(policy->regions);

    for (uint32_t i = 0; i < policy->regions.count; i++)
        if (regions[i].use == BH_REGION_DEVICE_TABLE && regions[i].base == DEVICE_TABLE_BASE &&
            regions[i].size == DEVICE_TABLE_SIZE)
            return;
    fatal("policy image: it doesn't leave %x-%x to the device table. Build it with the policyc and "
          "the machine description of this release",
          DEVICE_TABLE_BASE, DEVICE_TABLE_BASE + DEVICE_TABLE_SIZE);
}

void dma_apply(const struct bh_header *checked)
{
    spinlock_take(&lock);
    policy = checked;
    check_place();
    backend->apply(policy);
    spinlock_release(&lock);
}

void dma_revoke(uint32_t domain)
{
    spinlock_take(&lock);
    backend->revoke(policy, domain);
    spinlock_release(&lock);
    print("%s: its devices are closed", name_of(domain));
}

void dma_forget_interrupts(uint16_t device)
{
    spinlock_take(&lock);
    backend->forget_interrupts(device);
    spinlock_release(&lock);
}

static uint32_t owner_of(const struct dma_event *event)
{
    if (!event->has_device || !policy)
        return NOBODY;

    const struct bh_dte *dtes = rows_of(policy->dtes);

    for (uint32_t i = 0; i < policy->dtes.count; i++)
        if (dtes[i].device_id == event->device)
            return dtes[i].domain;
    return NOBODY;
}

static void report(const struct dma_event *event)
{
    static const char *const kinds[] = {
        [DMA_DENIED_MEMORY] = "denied DMA",
        [DMA_DENIED_INTERRUPT] = "denied interrupt",
        [DMA_FAULT] = "IOMMU fault",
        [DMA_LOST] = "IOMMU reports lost",
    };
    static const char *const accesses[] = {
        [DMA_ACCESS] = "", [DMA_READ] = " read", [DMA_WRITE] = " write"};
    uint32_t owner = owner_of(event);
    uint64_t count = ++counts[owner];
    char device[sizeof("device 00:00.0, ")] = "";

    if (owner != NOBODY)
        audit_note(owner, VIOLATION_DMA, event->address);
    if (count > PRINTED && (count & (count - 1)))
        return;
    if (event->has_device)
        format(device, sizeof(device), "device %02x:%02x.%u, ", event->device >> 8,
               event->device >> 3 & 31, event->device & 7);
    print("%s: %s%s at 0x%lx (%s%s, IOMMU %u), report %lu", name_of(owner), kinds[event->kind],
          accesses[event->access], event->address, device, event->name, event->unit, count);
}

void dma_report(void)
{
    struct dma_event event;

    if (!spinlock_try(&lock))
        return; /* another CPU is at it */
    for (unsigned i = 0; i < EVENTS_AT_ONCE && backend->next_event(&event); i++)
        report(&event);
    find_news();
    spinlock_release(&lock);
}
