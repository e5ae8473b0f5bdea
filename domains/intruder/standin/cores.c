/*
 * Attacks by a domain that has two cores: IPIs of every kind while it may send some, and memory
 * that its second core changes under core's eyes.
 */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/second.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define SECOND_APIC 2u /* of the test's policy: cores 0, 2 */
#define SECOND_CPU  (SECOND_APIC << APIC_ID_SHIFT)
#define VECTOR      0x71u
#define STORM       300u
#define RACES       3000u
#define CODE        0xa000u /* a page for an instruction that changes */
#define TEXT        0xb000u
#define TEXT_SIZE   64u
#define UD_VECTOR   0x18u /* in real mode's table: IP, then CS */

static const uintptr_t apic = APIC_BASE_DEFAULT;
static struct second_data *const second = (struct second_data *)SECOND_DATA;

static void send(uint32_t high, uint32_t low)
{
    mmio_write32(apic + APIC_ICR_HIGH, high);
    mmio_write32(apic + APIC_ICR_LOW, low);
}

static bool has_grown(void *argument)
{
    const volatile uint32_t *before = argument;

    return second->starts > before[0] && second->rounds > before[1];
}

static bool start_at(uint32_t page)
{
    uint32_t before[2] = {second->starts, second->rounds};

    send(SECOND_CPU, APIC_ICR_INIT | APIC_ICR_ASSERT);
    send(SECOND_CPU, APIC_ICR_STARTUP | APIC_ICR_ASSERT | page >> 12);
    send(SECOND_CPU, APIC_ICR_STARTUP | APIC_ICR_ASSERT | page >> 12);
    return wait_until(has_grown, before);
}

/* Has the second core run with that order. False, with a breach, if it doesn't start. */
static bool start(struct report *report, uint32_t order)
{
    memcpy((void *)SECOND_PAGE, second_begin, (size_t)(second_end - second_begin));
    second->order = order;
    if (start_at(SECOND_PAGE))
        return true;
    report_breach(report, "not tried: the second core doesn't start");
    return false;
}

/* A destination that means others, too, or nobody else than others. */
static const struct {
    const char *name;
    uint32_t high, low;
} destinations[] = {
    {"physical", FOREIGN_APIC, 0},
    {"physical, nobody's", 3, 0},
    {"physical broadcast", 0xff, 0},
    {"physical, id 0Fh", 0x0f, 0},
    {"logical", 1u << FOREIGN_APIC, APIC_ICR_LOGICAL},
    {"logical, its own among them", 0x0f, APIC_ICR_LOGICAL},
    {"logical broadcast", 0xff, APIC_ICR_LOGICAL},
    {"shorthand all", 0, APIC_ICR_ALL},
    {"shorthand others", 0, APIC_ICR_OTHERS},
};

static void cores_ipi(struct report *report)
{
    unsigned tried = 0;

    for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++)
        for (uint32_t mode = 0; mode < MODES; mode++) {
            unsigned breaches = report->breaches;

            if (!start(report, SECOND_COUNT))
                return;
            send(destinations[i].high << APIC_ID_SHIFT,
                 destinations[i].low | APIC_ICR_ASSERT | mode << APIC_ICR_MODE_SHIFT | VECTOR);
            let_interrupts_in();
            victim_check(report);
            tried++;
            if (report->breaches > breaches)
                report_breach(report, "after mode %u to %s", mode, destinations[i].name);
        }
    report_detail(report, "%u forms: vault answered after each", tried);
}

static void cores_storm(struct report *report)
{
    uint32_t nmis = flat_arrived[VECTOR_NMI];

    if (!start(report, SECOND_COUNT))
        return;
    for (unsigned i = 0; i < STORM; i++) {
        send(SECOND_CPU, APIC_ICR_INIT | APIC_ICR_ASSERT);
        send(SECOND_CPU, APIC_ICR_NMI | APIC_ICR_ASSERT);
        send(SECOND_CPU, APIC_ICR_STARTUP | (i % 2 ? SECOND_PAGE >> 12 : 0x70));
    }
    if (!start(report, SECOND_COUNT))
        return;
    if (flat_arrived[VECTOR_NMI] != nmis)
        report_breach(report, "an NMI to the second core came to the first");
    report_detail(report, "%u times INIT, NMI, SIPI: it starts again", STORM);
}

static bool has_faulted(void *argument)
{
    return second->faults > *(uint32_t *)argument;
}

/* The page belongs to nobody in this domain: what the core would execute there isn't there. */
static void cores_sipi(struct report *report)
{
    uint32_t faults = second->faults;

    if (!start(report, SECOND_COUNT))
        return;
    mmio_write32(UD_VECTOR, (uint32_t)(second_undefined - second_begin) | SECOND_PAGE << 12);
    send(SECOND_CPU, APIC_ICR_INIT | APIC_ICR_ASSERT);
    send(SECOND_CPU, APIC_ICR_STARTUP | VGA_WINDOW >> 12);
    if (!wait_until(has_faulted, &faults))
        report_breach(report, "it runs at %x", VGA_WINDOW);
    report_detail(report, "#UD at %x", VGA_WINDOW);
}

/* The text that core is to print becomes another one, and ends the line, while core looks. */
static void cores_text(struct report *report)
{
    volatile uint32_t *text = (volatile uint32_t *)TEXT;

    for (unsigned i = 0; i < TEXT_SIZE / 4; i++)
        text[i] = 0x2e2e2e2e;
    second->target = TEXT + TEXT_SIZE / 2;
    second->value[0] = 0x0a0d0a0d;
    second->value[1] = 0x41414141;
    if (!start(report, SECOND_CHANGE))
        return;
    for (unsigned i = 0; i < 40; i++)
        if (bh_call(BH_CALL_LOG, TEXT, TEXT_SIZE, 0).result != BH_OK)
            report_breach(report, "core doesn't print what it may");
    report_detail(report, "40 lines while their text changed");
}

/*
 * Two stores to the ICR, of which one is an IPI to itself and the other an INIT to vault's core:
 * the second core exchanges the instructions while core decodes.
 */
static void cores_code(struct report *report)
{
    static const uint8_t store_eax[] = {0x89, 0x07, 0xc3, 0x90},
                         store_ecx[] = {0x89, 0x0f, 0xc3, 0x90};

    memcpy((void *)CODE, store_eax, sizeof(store_eax));
    second->target = CODE;
    memcpy((void *)&second->value[0], store_eax, 4);
    memcpy((void *)&second->value[1], store_ecx, 4);
    if (!start(report, SECOND_CHANGE))
        return;
    mmio_write32(apic + APIC_ICR_HIGH, FOREIGN_APIC << APIC_ID_SHIFT);
    for (unsigned i = 0; i < RACES; i++)
        __asm__ volatile("call *%0"
                         :
                         : "r"((uint64_t)CODE), "D"(apic + APIC_ICR_LOW),
                           "a"(APIC_ICR_SELF | VECTOR), "c"(APIC_ICR_INIT | APIC_ICR_ASSERT)
                         : "memory");
    let_interrupts_in();
    report_detail(report, "%u stores that changed meanwhile", RACES);
}

static const struct attack attacks[] = {
    {"cores-ipi", cores_ipi, "every delivery mode to every destination with others among them"},
    {"cores-storm", cores_storm, "INIT, NMI, SIPI to its own second core without end"},
    {"cores-sipi", cores_sipi, "start its second core in memory that isn't there"},
    {"cores-text", cores_text, "change a text while core checks and prints it"},
    {"cores-msi", msi_of_cores, "the same as msi, and by the network card's MSI-X table"},
    {"cores-code", cores_code, "change the instruction while core decodes it"},
};
const struct subject cores_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};

static void cores_stop(struct report *report)
{
    if (start(report, SECOND_COUNT))
        flat_stop();
}

/* Core stops this one, too: it never comes to an end itself. */
static void cores_triple_fault(struct report *report)
{
    if (start(report, SECOND_END))
        for (;;)
            __asm__ volatile("pause");
}

static const struct attack ends[] = {
    {"cores-stop", cores_stop, "end by hypercall while the second core runs"},
    {"cores-triple-fault", cores_triple_fault, "a triple fault of the second core"},
};
const struct subject cores_ends = {ends, sizeof(ends) / sizeof(ends[0])};
