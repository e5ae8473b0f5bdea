/* Memory that isn't this domain's. */
#include "domains/intruder/attacks/attack.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/lib/cpu.h"

#include "hw/x86.h"

#define ALL_ONES UINT64_MAX

/* Reads and writes one page in a few places. What is denied reads all ones, also afterwards. */
static void try_page(struct report *report, uintptr_t at, uint64_t gpa)
{
    static const unsigned offsets[] = {0, 0x808, PAGE_SIZE - 8};

    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint64_t before = mmio_read64(at + offsets[i]), after;

        mmio_write64(at + offsets[i], attack_pattern());
        after = mmio_read64(at + offsets[i]);
        if (before != ALL_ONES || after != ALL_ONES)
            report_breach(report, "%lx read %lx, after a write %lx", (long)gpa + offsets[i],
                          (long)before, (long)after);
    }
}

static void try_range(struct report *report, uint64_t from, uint64_t to)
{
    uint8_t *mapped = map_physical(report, from, to - from);
    unsigned pages = 0;

    if (!mapped)
        return;
    for (uint64_t gpa = from; gpa < to; gpa += PAGE_SIZE) {
        if (is_granted(gpa))
            continue;
        try_page(report, (uintptr_t)(mapped + (gpa - from)), gpa);
        pages++;
    }
    unmap_physical(mapped, to - from);
    report_detail(report, "%u pages from %lx: reads give all ones, writes are dropped", pages,
                  (long)from);
}

/* The policy image comes first in the pool: rights, page tables, bitmaps of all domains. */
static void policy_image(struct report *report)
{
    try_range(report, POOL_BASE, POOL_BASE + 16 * PAGE_SIZE);
}

/* All of the pool: vault's memory with its key, page tables, bitmaps. */
static void vault_memory(struct report *report)
{
    try_range(report, POOL_BASE, DEVICE_TABLE_BASE);
}

/* Entries of the device table decide which device reaches which memory. */
static void device_table(struct report *report)
{
    try_range(report, DEVICE_TABLE_BASE, CORE_BASE);
}

static void core_memory(struct report *report)
{
    try_range(report, CORE_BASE, CORE_END);
}

/* Registers in memory that would undo everything: IOMMU off, MMCONFIG, flash, SMRAM. */
static void platform_registers(struct report *report)
{
    static const uint64_t pages[] = {
        VGA_WINDOW,        MMCONFIG_SEABIOS, MMCONFIG_OVMF,       HPET_BASE,  RCBA_BASE, TPM_BASE,
        TPM_BASE + 0x2000, IOMMU_BASE,       IOMMU_BASE + 0x2000, FLASH_BASE, 0xfffff000};
    size_t count = sizeof(pages) / sizeof(pages[0]);

    for (size_t i = 0; i < count; i++) {
        uint8_t *mapped = map_physical(report, pages[i], PAGE_SIZE);

        if (!mapped)
            return;
        try_page(report, (uintptr_t)mapped, pages[i]);
        unmap_physical(mapped, PAGE_SIZE);
    }
    report_detail(report, "%zu pages of IOMMU, MMCONFIG, TPM, HPET, flash, SMRAM read all ones",
                  count);
}

static const struct attack attacks[] = {
    {"policy-image", policy_image, "read and change the compiled rights of all domains"},
    {"vault-memory", vault_memory, "read and change vault's memory and all else in the pool"},
    {"device-table", device_table, "give devices rights in the IOMMU's table"},
    {"core-memory", core_memory, "read and change core"},
    {"platform-registers", platform_registers, "reach IOMMU, MMCONFIG, TPM, flash, SMRAM"},
};
const struct subject memory_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
