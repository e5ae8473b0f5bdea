/*
 * How SMM is taken. Where a CPU's SMBASE points can't be read from outside, and CPUs may differ:
 * after reset it is 30000h, firmware may move it to SMRAM at A0000h or elsewhere. So a handler is
 * planted in both places, each CPU sends itself an SMI, and what it finds there moves it to a stub
 * in core's memory. A second SMI shows that the stub is in use.
 */
#include <sodium/crypto_hash_sha256.h>

#include "core/audit/audit.h"
#include "core/platform/platform.h"
#include "core/smm_container/handlers.h"
#include "core/smm_container/smm.h"
#include "core/smm_container/smram.h"
#include "lib/memory.h"

/* An SMI that a CPU sends to itself is taken after some instructions: this is ages, even for an
 * emulated CPU whose host is busy. */
#define TAKEN_WITHIN_US 100000

/* Written by CPUs in SMM, which don't know of core's page tables: data, never executable there. */
static _Alignas(4096) uint8_t smm_stubs[STUBS_SIZE(CPU_MAX)];

/* A place where firmware may have left a CPU's SMBASE. */
struct place {
    uint32_t base;
    bool is_used;
    uint8_t entry[RELOCATE_SIZE]; /* what was there */
    uint8_t save[SMM_SAVE_END - SMM_SAVE];
};
static struct place in_ram, in_smram;

static struct spinlock turn; /* one CPU after the other: the places are shared */
static uint32_t moved;       /* CPUs that have a stub now; guarded by turn */

static uint32_t stub_base(uint32_t cpu)
{
    return (uint32_t)(uint64_t)smm_stubs - SMM_ENTRY + cpu * SMM_SPACING;
}

static volatile uint32_t *word(uint32_t base, uint32_t offset)
{
    return at_physical(base + offset);
}

/* Memory that doesn't keep what is written to it is no domain's either: a chipset may hide the
 * reset SMBASE, too, and firmware that locked SMRAM will have had it do so. */
static void plant(struct place *place, uint32_t base)
{
    uint8_t *entry = at_physical(base + SMM_ENTRY);
    size_t length = (size_t)(smm_relocate_end - smm_relocate);

    place->base = base;
    memcpy(place->entry, entry, sizeof(place->entry));
    memcpy(place->save, at_physical(place->base + SMM_SAVE), sizeof(place->save));
    memset(entry, 0, RELOCATE_SIZE);
    memcpy(entry, smm_relocate, length);
    place->is_used = memcmp(entry, smm_relocate, length) == 0;
}

static void restore(struct place *place)
{
    if (!place->is_used)
        return;
    memcpy(at_physical(place->base + SMM_ENTRY), place->entry, sizeof(place->entry));
    memcpy(at_physical(place->base + SMM_SAVE), place->save, sizeof(place->save));
    place->is_used = false;
}

/* In both places: where the CPU with this APIC ID is to go. */
static void announce(uint32_t apic, uint32_t base)
{
    if (in_ram.is_used)
        *word(in_ram.base, SMM_ENTRY + RELOCATE_BASES + apic * 4) = base;
    if (in_smram.is_used)
        *word(in_smram.base, SMM_ENTRY + RELOCATE_BASES + apic * 4) = base;
}

static uint32_t relocations_in(const struct place *place)
{
    return place->is_used ? *word(place->base, SMM_ENTRY + RELOCATE_COUNT) : 0;
}

static uint32_t relocations(void)
{
    return relocations_in(&in_ram) + relocations_in(&in_smram);
}

static uint32_t stub_count(uint32_t cpu)
{
    return *word(stub_base(cpu), SMM_ENTRY + STUB_COUNT);
}

static void send_smi(const struct cpu *cpu)
{
    if (!apic_send(apic_id(), APIC_ICR_SMI))
        fatal("SMM: the APIC of CPU %u doesn't send an SMI. Switch the machine off and on again",
              cpu->index);
}

/* The stub must count an SMI, and the CPU must have saved its state there. */
static void prove(const struct cpu *cpu)
{
    uint32_t base = stub_base(cpu->index), before = stub_count(cpu->index);
    uint64_t deadline = time_after(TAKEN_WITHIN_US);

    send_smi(cpu);
    while (stub_count(cpu->index) == before && !time_is_over(deadline))
        pause();
    if (stub_count(cpu->index) != before + 1 || *word(base, SMM_SAVE_BASE) != base)
        fatal(
            "SMM: CPU %u didn't go to its new SMI handler at %x, revision %x. Report this machine",
            cpu->index, base + SMM_ENTRY, *word(base, SMM_SAVE_REVISION));
}

/* On each CPU. */
static void move(struct cpu *cpu)
{
    spinlock_take(&turn);

    uint32_t apic = apic_id(), before = relocations();
    uint64_t deadline = time_after(TAKEN_WITHIN_US);

    announce(apic, stub_base(cpu->index));
    send_smi(cpu);
    while (relocations() == before && !time_is_over(deadline))
        pause();
    announce(apic, 0);
    if (relocations() != before) {
        prove(cpu);
        moved++;
    }

    spinlock_release(&turn);
}

static void make_stubs(void)
{
    for (uint32_t i = 0; i < CPU_MAX; i++)
        memcpy(smm_stubs + i * SMM_SPACING, smm_stub, (size_t)(smm_stub_end - smm_stub));
}

static void lock_smram(void)
{
    /* The relocating handler stays there: with an empty table it does nothing. */
    memcpy(at_physical(SMBASE_SMRAM + SMM_SAVE), in_smram.save, sizeof(in_smram.save));
    if (!smram_lock())
        fatal("SMM: SMRAM can't be locked, register %x holds %x. Report this machine", Q35_SMRAM,
              pci_read8(PCI_FUNCTION(0, 0, 0), Q35_SMRAM));
    in_smram.is_used = false;
}

/* Which of the handlers that it could have left firmware used: the digest is that of SMRAM's. */
static void judge(struct bh_event_smm *found, uint32_t native, const uint8_t digest[BH_DIGEST])
{
    *found = (struct bh_event_smm){.mode = native                      ? BH_SMM_FIRMWARE
                                           : relocations_in(&in_smram) ? BH_SMM_REPLACED
                                                                       : BH_SMM_NONE};
    if (found->mode == BH_SMM_REPLACED)
        memcpy(found->sha256, digest, sizeof found->sha256);
}

void smm_take(struct bh_event_smm *found)
{
    enum smram_state smram = smram_state();
    uint8_t digest[BH_DIGEST] = {0};

    make_stubs();
    moved = 0;
    plant(&in_ram, SMBASE_RESET);
    if (smram == SMRAM_UNLOCKED) {
        smram_open();
        crypto_hash_sha256(digest, at_physical(SMBASE_SMRAM + SMM_ENTRY), SMM_SAVE - SMM_ENTRY);
        plant(&in_smram, SMBASE_SMRAM);
    }
    if (in_ram.is_used || in_smram.is_used)
        smp_call(move);

    uint32_t native = smp_count() - moved;

    judge(found, native, digest);
    restore(&in_ram);
    if (smram == SMRAM_UNLOCKED)
        lock_smram();
    if (native && smram != SMRAM_LOCKED && !hwcr_has_smmlock())
        fatal("SMM: %u CPUs keep the firmware's SMI handler, and nothing protects it. Switch SMM "
              "lock on in the firmware's set-up",
              native);
    if (hwcr_has_smmlock())
        audit_hide_smis(); /* the intercept has no effect then (APM vol. 2, 3.2.10) */
    if (native)
        print("SMM: %u CPUs relocated, %u native: their SMI handler is the firmware's, which has "
              "locked it",
              moved, native);
    else
        print("SMM: %u CPUs relocated, SMRAM %s", moved,
              smram == SMRAM_UNKNOWN ? "left alone: unknown chipset" : "locked");
}
