#include "models/smm_model.h"

#include <string.h>
#include <sys/mman.h>

#include "core/platform/platform.h"
#include "core/smm_container/handlers.h"
#include "core/smm_container/smram.h"
#include "models/pci_model.h"
#include "testing.h"

#define PLACE_SIZE 0x10000

struct smm_model smm_model;

static struct pci_model *bridge;
static uint32_t current; /* the CPU that runs */
static uint8_t smram[PLACE_SIZE], vga[PLACE_SIZE];
static bool is_open;
static uint8_t locked_value; /* of the SMRAM register, 0: unlocked */
static uint64_t now;

static uint8_t *memory(uint32_t address)
{
    return (uint8_t *)(uint64_t)address;
}

uint8_t smm_model_pattern(uint32_t offset)
{
    return (uint8_t)(offset * 7 + 3);
}

static void violate(const char *text)
{
    if (!smm_model.violation)
        smm_model.violation = text;
}

/* SMRAM and VGA share the addresses: what isn't seen is kept aside. */
static void show(bool open)
{
    if (open == is_open)
        return;
    memcpy(is_open ? smram : vga, memory(SMBASE_SMRAM), PLACE_SIZE);
    memcpy(memory(SMBASE_SMRAM), open ? smram : vga, PLACE_SIZE);
    is_open = open;
}

static void write_register(struct pci_model *model, uint16_t offset)
{
    uint8_t *value = &model->config[Q35_SMRAM];

    if (offset != Q35_SMRAM)
        return;
    *value = (uint8_t)((*value & ~7) | Q35_SMRAM_BASE);
    if (smm_model.lock_is_ignored)
        *value &= (uint8_t)~Q35_SMRAM_LOCK;
    if (locked_value && !smm_model.opens_though_locked)
        *value = locked_value;
    if (*value & Q35_SMRAM_LOCK)
        *value &= (uint8_t)~Q35_SMRAM_OPEN;
    locked_value = *value & Q35_SMRAM_LOCK ? *value : 0;
    show(*value & Q35_SMRAM_OPEN && *value & Q35_SMRAM_ENABLE);
}

static void map(uint32_t address)
{
    void *place = mmap(memory(address), PLACE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    assert_ptr_equal(place, memory(address));
}

void smm_model_make(uint32_t cpus, uint32_t smbase, uint8_t control)
{
    memset(&smm_model, 0, sizeof(smm_model));
    smm_model.cpus = cpus;
    for (uint32_t i = 0; i < cpus; i++) {
        smm_model.smbase[i] = smbase;
        smm_model.apic_id[i] = (uint8_t)(i * 3 + 1); /* firmware may leave gaps */
    }
    pci_model_reset();
    bridge = pci_model_add(0, 0x06);
    memcpy(bridge->config, &(uint32_t){Q35_HOST_BRIDGE}, 4);
    map(SMBASE_RESET);
    map(SMBASE_SMRAM);
    is_open = false;
    for (uint32_t i = 0; i < PLACE_SIZE; i++) {
        memory(SMBASE_RESET)[i] = smm_model_pattern(i);
        smram[i] = smm_model_pattern(i);
    }
    locked_value = 0;
    bridge->config[Q35_SMRAM] = control;
    write_register(bridge, Q35_SMRAM);
    bridge->on_write = write_register;
}

void smm_model_forget_chipset(void)
{
    bridge->config[PCI_DEVICE] ^= 1;
}

uint8_t smm_model_register(void)
{
    return bridge->config[Q35_SMRAM];
}

bool smm_model_is_restored(void)
{
    for (uint32_t i = 0; i < PLACE_SIZE; i++)
        if (memory(SMBASE_RESET)[i] != smm_model_pattern(i))
            return false;
    return true;
}

/* Memory as a CPU in SMM sees it. */
static uint8_t *smm_memory(uint32_t base)
{
    return base == SMBASE_SMRAM && !is_open ? smram : memory(base);
}

static uint32_t *word(uint8_t *base, uint32_t offset)
{
    return (uint32_t *)(base + offset);
}

static bool has_handler(const uint8_t *base, const uint8_t *code, const uint8_t *end)
{
    return memcmp(base + SMM_ENTRY, code, (size_t)(end - code)) == 0;
}

void smm_model_smi(uint32_t cpu)
{
    uint32_t smbase = smm_model.smbase[cpu];

    if (smbase == SMM_MODEL_HIDDEN) {
        smm_model.firmware_ran++;
        return;
    }

    uint8_t *base = smm_memory(smbase);

    memset(base + SMM_SAVE, 0xcc, SMM_SAVE_END - SMM_SAVE);
    *word(base, SMM_SAVE_REVISION) = SMM_REVISION_RELOCATES | 0x64;
    *word(base, SMM_SAVE_BASE) = smbase;
    if (has_handler(base, smm_stub, smm_stub_end)) {
        ++*word(base, SMM_ENTRY + STUB_COUNT);
    } else if (has_handler(base, smm_relocate, smm_relocate_end)) {
        uint32_t to = *word(base, SMM_ENTRY + RELOCATE_BASES + smm_model.apic_id[cpu] * 4u);

        if (to) {
            *word(base, SMM_SAVE_BASE) = to;
            ++*word(base, SMM_ENTRY + RELOCATE_COUNT);
        }
    } else {
        violate("a CPU ran what lay at its SMBASE, and that was no handler of core's");
    }
    if (!smm_model.ignores_relocation)
        smm_model.smbase[cpu] = *word(base, SMM_SAVE_BASE);
}

/* What core calls */

/* Linked in memcmp's place: memory that is hidden never reads as it was written. */
int __wrap_memcmp(const void *a, const void *b, size_t length);
int __real_memcmp(const void *a, const void *b, size_t length);

int __wrap_memcmp(const void *a, const void *b, size_t length)
{
    if (smm_model.hides_reset_base && a == memory(SMBASE_RESET + SMM_ENTRY))
        return 1;
    return __real_memcmp(a, b, length);
}

uint32_t apic_id(void)
{
    return smm_model.apic_id[current];
}

bool apic_send(uint32_t destination, uint32_t command)
{
    assert_int_equal(command, APIC_ICR_SMI);
    for (uint32_t i = 0; i < smm_model.cpus; i++)
        if (smm_model.apic_id[i] == destination)
            smm_model_smi(i);
    return true;
}

uint32_t smp_count(void)
{
    return smm_model.cpus;
}

void smp_call(void (*function)(struct cpu *cpu))
{
    static struct cpu cpu;

    for (current = 0; current < smm_model.cpus; current++) {
        cpu.index = current;
        function(&cpu);
    }
    current = 0;
}

uint64_t time_after(uint32_t microseconds)
{
    return now + microseconds;
}

bool time_is_over(uint64_t deadline)
{
    return ++now > deadline;
}

bool hwcr_has_smmlock(void)
{
    return smm_model.is_amd_locked;
}
