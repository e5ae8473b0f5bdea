/*
 * Commands on COM2, one a line:
 *   list          name the attacks
 *   attack NAME   try one
 *   all           try all after which the domain goes on, then give the sum
 *   check         ask vault only
 *   endless       raise #DB without end
 *   probe NAME    do what the intercept of that name is for
 * Each attack ends with one line, after vault was asked whether it is intact.
 */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/com2.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK  0xa1
#define APIC_ENABLED    0x1ffu /* in APIC_SPURIOUS, with vector FFh */
#define EOIS            8      /* more than one interrupt may be in service */
#define PATIENCE        64

static const struct subject *const subjects[] = {
    &memory_attacks,      &port_attacks,         &pci_attacks,        &msr_attacks,
    &apic_attacks,        &sweep_memory_attacks, &sweep_port_attacks, &sweep_msr_attacks,
    &instruction_attacks, &call_attacks,         &mode_attacks,       &interrupt_attacks,
    &dma_attacks,         &msi_attacks,          &smm_attacks,        &state_attacks,
    &evidence_attacks,
};

static unsigned attacks, breaches;
static _Alignas(PAGE_SIZE) uint8_t spare_page[PAGE_SIZE];

/* All of the first 4 GiB is mapped as it is. */
uint8_t *map_physical(struct report *report, uint64_t address, size_t size)
{
    if (address + size > 1ull << 32) {
        report_breach(report, "not tried: %lx lies above 4 GiB", address);
        return NULL;
    }
    return (uint8_t *)(uintptr_t)address;
}

void unmap_physical(uint8_t *mapped, size_t size)
{
    (void)mapped;
    (void)size;
}

uint64_t own_page(void)
{
    return (uintptr_t)spare_page;
}

bool msrs_ready(struct report *report)
{
    (void)report;
    return true;
}

struct msr {
    uint32_t number;
    uint64_t value;
};

static void read_one(void *argument)
{
    struct msr *msr = argument;

    msr->value = read_msr(msr->number);
}

static void write_one(void *argument)
{
    struct msr *msr = argument;

    write_msr(msr->number, msr->value);
}

bool try_read_msr(uint32_t number, uint64_t *value)
{
    struct msr msr = {.number = number};

    if (flat_try(read_one, &msr) >= 0)
        return false;
    *value = msr.value;
    return true;
}

bool try_write_msr(uint32_t number, uint64_t value)
{
    struct msr msr = {number, value};

    return flat_try(write_one, &msr) < 0;
}

void let_interrupts_in(void)
{
    __asm__ volatile("sti" : : : "memory");
    for (int i = 0; i < PATIENCE; i++)
        __asm__ volatile("pause");
    __asm__ volatile("cli" : : : "memory");
    for (int i = 0; i < EOIS; i++)
        mmio_write32(APIC_BASE_DEFAULT + APIC_EOI, 0);
}

static void run(const struct attack *attack)
{
    struct report report = {0};
    char line[REPORT_LINE_MAX];

    attack->run(&report);
    victim_check(&report);
    report_line(&report, "standin", attack->name, line);
    flat_say(line);
    attacks++;
    breaches += report.breaches > 0;
}

/* Core must stop this domain; the line after the attack is only reached if it doesn't. */
static void run_fatal(const struct attack *attack)
{
    struct report report = {0};

    flat_print("standin: %s: expects to be stopped", attack->name);
    attack->run(&report);
    flat_print("standin: %s: BREACH (the domain goes on)", attack->name);
}

static const struct attack *find(const struct subject *subject, const char *name)
{
    for (size_t i = 0; i < subject->count; i++)
        if (strcmp(subject->attacks[i].name, name) == 0)
            return &subject->attacks[i];
    return NULL;
}

static void run_named(const char *name)
{
    const struct attack *attack = find(&fatal_attacks, name);

    if (!attack)
        attack = find(&cores_ends, name);
    if (attack) {
        run_fatal(attack);
        return;
    }
    attack = find(&cores_attacks, name);
    if (attack) {
        run(attack);
        return;
    }
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        attack = find(subjects[i], name);
        if (attack) {
            run(attack);
            return;
        }
    }
    flat_print("standin: error: there is no attack %s", name);
}

static void run_all(void)
{
    attacks = breaches = 0;
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        for (size_t n = 0; n < subjects[i]->count; n++)
            run(&subjects[i]->attacks[n]);
    flat_print("standin: %u attacks, %u refused, %u breaches", attacks, attacks - breaches,
               breaches);
}

static void list_subject(const struct subject *subject, const char *kind)
{
    for (size_t i = 0; i < subject->count; i++)
        flat_print("standin: %s %s: %s", kind, subject->attacks[i].name, subject->attacks[i].text);
}

static void list(void)
{
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        list_subject(subjects[i], "attack");
    list_subject(&fatal_attacks, "fatal");
    list_subject(&cores_attacks, "cores");
    list_subject(&cores_ends, "cores");
    flat_print("standin: end of list");
}

static void check(void)
{
    struct report report = {0};
    char line[REPORT_LINE_MAX];

    report_detail(&report, "vault is intact");
    victim_check(&report);
    report_line(&report, "standin", "check", line);
    flat_say(line);
}

static void obey(const char *line)
{
    static const char attack[] = "attack ", probe[] = "probe ";

    if (strcmp(line, "list") == 0)
        list();
    else if (strcmp(line, "all") == 0)
        run_all();
    else if (strcmp(line, "check") == 0)
        check();
    else if (strcmp(line, "endless") == 0)
        endless_debug();
    else if (strlen(line) > sizeof(attack) - 1 && memcmp(line, attack, sizeof(attack) - 1) == 0)
        run_named(line + sizeof(attack) - 1);
    else if (memcmp(line, probe, sizeof(probe) - 1) == 0)
        probe_named(line + sizeof(probe) - 1);
    else
        flat_print("standin: error: unknown command: %s", line);
}

void flat_main(void)
{
    char line[80];

    com2_start();
    out8(PIC_MASTER_MASK, 0xff); /* its vectors would look like exceptions */
    out8(PIC_SLAVE_MASK, 0xff);
    mmio_write32(APIC_BASE_DEFAULT + APIC_SPURIOUS, APIC_ENABLED);
    flat_print("standin: %s", victim_find() ? "channel found" : "no channel");
    flat_print("standin: ready");
    for (;;) {
        com2_read_line(line, sizeof(line));
        obey(line);
    }
}
