/* DMA by a device of its own to memory that isn't (QEMU's edu). */
#include "bulkhead/vault.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/edu.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "hw/x86.h"
#include "lib/memory.h"

#define CHUNK    32u /* bytes of one transfer, and of one slot in the device's buffer */
#define SLOTS    (EDU_BUFFER_SIZE / CHUNK)
#define STEP     0x80000u  /* a sample of the hole */
#define VAULT_AT 0x200000u /* policyc places domains at multiples of it */

static _Alignas(PAGE_SIZE) uint8_t buffer[EDU_BUFFER_SIZE];

struct targets {
    uint64_t gpa[SLOTS];
    unsigned count;
};

static void add(struct targets *targets, uint64_t gpa)
{
    if (targets->count < SLOTS && !is_granted(gpa) && !is_granted(gpa + CHUNK - 1))
        targets->gpa[targets->count++] = gpa;
}

/* Pages all over the hole, where vault's canary may be, core, tables, the channel's edges. */
static void list_targets(struct targets *targets)
{
    targets->count = 0;
    for (uint64_t gpa = POOL_BASE; gpa < HOLE_END; gpa += STEP)
        add(targets, gpa);
    for (uint64_t gpa = POOL_BASE; gpa < DEVICE_TABLE_BASE; gpa += VAULT_AT)
        add(targets, gpa + BH_VAULT_CANARY_GPA);
    add(targets, victim_channel() - CHUNK);
    add(targets, victim_channel() + victim_channel_size());
    add(targets, DEVICE_TABLE_BASE + EDU_BDF * CHUNK); /* the device's own entry */
    add(targets, HOLE_END - CHUNK);
    add(targets, VGA_WINDOW + 0x8000); /* SMRAM */
    add(targets, IOMMU_BASE);
    add(targets, FLASH_BASE);
}

/* The transfer brought nothing: the slot is as it was, or empty. */
static bool is_blank(const uint8_t *slot)
{
    bool filled = true, zero = true, ones = true;

    for (unsigned i = 0; i < CHUNK; i++) {
        filled = filled && slot[i] == (uint8_t)(attack_pattern() >> i % 8 * 8);
        zero = zero && slot[i] == 0;
        ones = ones && slot[i] == 0xff;
    }
    return filled || zero || ones;
}

/* Puts the pattern into the device's buffer. */
static bool fill_device(struct report *report)
{
    uint64_t pattern = attack_pattern();

    for (unsigned i = 0; i < sizeof(buffer); i += sizeof(pattern))
        memcpy(buffer + i, &pattern, sizeof(pattern));
    return edu_read_memory(report, (uintptr_t)buffer, 0, EDU_BUFFER_SIZE);
}

/* Fetches what the device has collected. */
static bool empty_device(struct report *report)
{
    memset(buffer, 0, sizeof(buffer));
    return edu_write_memory(report, (uintptr_t)buffer, 0, EDU_BUFFER_SIZE);
}

static void dma_read(struct report *report)
{
    static struct targets targets;

    if (!edu_ready(report) || !fill_device(report))
        return;
    list_targets(&targets);
    for (unsigned i = 0; i < targets.count; i++)
        if (!edu_read_memory(report, targets.gpa[i], i * CHUNK, CHUNK))
            return;
    if (!empty_device(report))
        return;
    if (holds_canary(buffer, sizeof(buffer)))
        report_breach(report, "vault's canary came along");
    for (unsigned i = 0; i < targets.count; i++)
        if (!is_blank(buffer + i * CHUNK))
            report_breach(report, "%lx brought %lx", targets.gpa[i],
                          *(uint64_t *)(void *)(buffer + i * CHUNK));
    report_detail(report, "%u places: nothing came", targets.count);
}

/*
 * Vault's check shows whether it was hit, core and the tables show it by going on; what else
 * was hit shows only from outside, by the pattern in the machine's memory.
 */
static void dma_write(struct report *report)
{
    static struct targets targets;

    if (!edu_ready(report) || !fill_device(report))
        return;
    list_targets(&targets);
    for (unsigned i = 0; i < targets.count; i++) {
        if (!edu_write_memory(report, targets.gpa[i], 0, CHUNK))
            return;
        if (i % 8 == 7)
            victim_check(report);
    }
    report_detail(report, "%u places: vault and core go on", targets.count);
}

/* Transfers that begin in its own memory and end outside, and the other way round. */
static void dma_straddle(struct report *report)
{
    uint64_t starts[] = {POOL_BASE - CHUNK / 2, HOLE_END - CHUNK / 2, victim_channel() - CHUNK / 2,
                         victim_channel() + victim_channel_size() - CHUNK / 2};
    size_t count = sizeof(starts) / sizeof(starts[0]);

    if (!edu_ready(report) || !fill_device(report))
        return;
    for (unsigned i = 0; i < count; i++)
        if (!edu_read_memory(report, starts[i], i * CHUNK, CHUNK))
            return;
    if (!empty_device(report))
        return;
    if (holds_canary(buffer, sizeof(buffer)))
        report_breach(report, "vault's canary came along");
    for (unsigned i = 0; i < count; i++) {
        /* Blank is asked of the half that isn't this domain's. */
        bool ends_outside = i % 2 == 0;
        uint8_t *slot = buffer + i * CHUNK;

        memcpy(ends_outside ? slot : slot + CHUNK / 2, ends_outside ? slot + CHUNK / 2 : slot,
               CHUNK / 2);
        if (!is_blank(slot))
            report_breach(report, "%lx brought %lx", starts[i],
                          *(uint64_t *)(void *)(ends_outside ? slot + CHUNK / 2 : slot));
    }
    if (!fill_device(report))
        return;
    for (unsigned i = 0; i < count; i++)
        if (!edu_write_memory(report, starts[i], 0, CHUNK))
            return;
    if (mmio_read32(POOL_BASE) != UINT32_MAX)
        report_breach(report, "the pool's first word can be seen");
    report_detail(report, "%zu transfers across edges: nothing beyond them", count);
}

/* The device's own BAR, moved over trusted RAM, would catch what others write there. */
static void bar_move(struct report *report)
{
    static const uint32_t places[] = {POOL_BASE, CORE_BASE, 0xfee00000, IOMMU_BASE, 0x00100000};
    uint32_t home;

    if (!edu_ready(report))
        return;
    home = edu_read_config(0x10);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        edu_write_config(0x10, places[i]);
        victim_check(report);
        if (mmio_read32(home & ~0xfu) != 0x010000ed)
            report_breach(report, "with its BAR at %x, the device left its place", places[i]);
        if (places[i] < HOLE_END && places[i] >= POOL_BASE && mmio_read32(places[i]) != UINT32_MAX)
            report_breach(report, "something answers at %x", places[i]);
    }
    edu_write_config(0x10, home);
    report_detail(report, "the BAR stays at %x", home & ~0xfu);
}

static const struct attack attacks[] = {
    {"dma-read", dma_read, "have a device read others' memory"},
    {"dma-write", dma_write, "have a device write others' memory"},
    {"dma-straddle", dma_straddle, "DMA across the edges of its own memory"},
    {"bar-move", bar_move, "move a BAR onto trusted memory"},
};
const struct subject dma_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
