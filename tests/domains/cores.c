/*
 * Two CPUs of one domain, whose interrupts are core's: what they ask of each other through their
 * local APICs in x2APIC mode (APM vol. 2, 16.5, 16.11). A domain without x2APIC is the one that
 * rings, and sees the others' end.
 */
#include "tests/domains/cores.h"

#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "lib/memory.h"
#include "tests/domains/interrupts.h"
#include "tests/domains/x2apic.h"

#define ROUNDS   10000u
#define AWAKE    200u
#define SHOOTS   100u
#define STARTS   20u
#define BELL     0xa1u
#define PING     0x51u
#define PONG     0x52u
#define SHOOT    0x61u
#define STOP_IPI 0x71u
#define TICK     0x44u
#define SOON     2000000u

#define ASSERT    0x4000u
#define LOGICAL   0x800u
#define LOWEST    0x100u
#define NMI_IPI   0x400u
#define INIT_IPI  0x500u
#define START_IPI 0x600u
#define TO_SELF   0x40000u
#define TO_ALL    0x80000u
#define TO_OTHERS 0xc0000u

#define WINDOW 0x40000000ull

enum { HEARTBEAT, ENDING };

volatile uint64_t *shared;
static volatile uint32_t count[2][256]; /* interrupts, by CPU and vector */
static volatile uint32_t starts, second_says;
static volatile enum { IDLE, ECHO, SPIN, TIMER, ASK_BELL, READ, CLOSED, IN_NMI } task;
static volatile uint32_t acknowledged, reads;
static volatile uint64_t seen, dr0;
static bool is_two = true;
static _Alignas(4096) struct page_table table;
static _Alignas(4096) volatile uint64_t pages[2][512];
struct table_pointer cores_idt;

static unsigned self(void)
{
    return (unsigned)read_msr(ID);
}

static void send(uint32_t low, uint32_t to)
{
    write_msr(ICR, (uint64_t)to << 32 | low);
}

static void flush(uint64_t linear)
{
    __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

void flat_interrupt(struct flat_frame *frame)
{
    unsigned cpu;

    if (!is_two)
        return; /* injected: no EOI is due */
    cpu = self();
    count[cpu][frame->vector]++;
    if (frame->vector == VECTOR_NMI) {
        while (task == IN_NMI)
            __asm__ volatile("pause");
        return;
    }
    if (frame->vector == PING)
        send(PONG, 0);
    if (frame->vector == SHOOT) {
        flush(WINDOW);
        acknowledged++;
    }
    write_msr(EOI, 0);
}

static void sleep(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* What the second CPU does, again and again. IF is set in between but where it says. */
_Noreturn void cores_second(void)
{
    __asm__ volatile("mov %%dr0, %0" : "=r"(dr0));
    __asm__ volatile("mov %0, %%dr0" : : "r"(0x1234ull));
    EXPECT(read_msr(ID) == 1 && (cpuid(1, 0).ebx >> 24) == 1);
    EXPECT(!(read_msr(MSR_APIC_BASE) & 0x100));
    EXPECT(read_msr(SVR) == 0xff); /* as INIT leaves it */
    write_msr(SVR, 0x1ff);
    write_msr(DIVIDE, 0xb);
    starts++;
    for (;;) {
        second_says = task;
        shared[HEARTBEAT]++;
        switch (task) {
        case TIMER:
            write_msr(LVT_TIMER, TICK);
            write_msr(COUNT, SOON);
            sleep();
            break;
        case ASK_BELL:
            EXPECT(bh_call(BH_CALL_BELL, BELL, BH_BELL_APIC, 0).result == BH_OK);
            task = IDLE;
            break;
        case READ:
            seen = *(volatile uint64_t *)WINDOW;
            reads++;
            enable();
            disable();
            break;
        case CLOSED: /* IF stays clear */
            break;
        case IDLE:
            sleep();
            break;
        case ECHO:
        case SPIN:
        case IN_NMI:
            enable();
            disable();
        }
    }
}

/* One task after the other; the second CPU, if it sleeps, is woken. */
static void give(unsigned what)
{
    task = what;
    send(STOP_IPI, 1);
    AWAIT(second_says == what);
}

static void start_second(void)
{
    unsigned before = starts;

    send(INIT_IPI | ASSERT, 1);
    task = SPIN;
    send(START_IPI | AP_PAGE >> 12, 1);
    AWAIT(starts == before + 1);
    AWAIT(second_says == SPIN);
}

static void topology(void)
{
    flat_print("case: what CPUID and the APIC say of them");
    EXPECT(read_msr(ID) == 0 && cpuid(1, 0).ebx >> 24 == 0);
    EXPECT((cpuid(1, 0).ebx >> 16 & 0xff) == 2 && (cpuid(1, 0).edx >> 28 & 1));
    EXPECT((cpuid(0x80000008, 0).ecx & 0xf0ff) == 0x1001);
    EXPECT(read_msr(MSR_APIC_BASE) & 0x100);
    EXPECT(read_msr(0x80d) == 1); /* LDR: cluster 0, the first */
}

static void waits(void)
{
    flat_print("case: the second waits for INIT and SIPI");
    send(PING, 1); /* its APIC isn't enabled */
    EXPECT(starts == 0);
    start_second();
    EXPECT(dr0 == 0);
    send(START_IPI | AP_PAGE >> 12, 1); /* one that runs ignores it */
    send(PING, 1);
    enable();
    AWAIT(count[0][PONG] == 1);
    EXPECT(starts == 1);
}

/* How often each got it. */
static void reaches(uint32_t low, uint32_t to, unsigned first, unsigned second)
{
    uint8_t vector = 0x81;
    uint32_t nmis[2] = {count[0][VECTOR_NMI], count[1][VECTOR_NMI]};

    count[0][vector] = count[1][vector] = 0;
    send(low | (low & NMI_IPI ? 0 : vector), to);
    if (low & NMI_IPI) {
        AWAIT(count[1][VECTOR_NMI] == nmis[1] + second);
        EXPECT(count[0][VECTOR_NMI] == nmis[0] + first);
        return;
    }
    AWAIT(count[1][vector] == second);
    EXPECT(count[0][vector] == first);
}

static void kinds(void)
{
    flat_print("case: each kind of IPI reaches whom it names");
    enable();
    for (unsigned i = 0; i < 5; i++) {
        reaches(0, 0, 1, 0);
        reaches(0, 1, 0, 1);
        reaches(0, 2, 0, 0);
        reaches(0, 0xffffffff, 1, 1);
        reaches(TO_SELF, 1, 1, 0);
        reaches(TO_ALL, 0, 1, 1);
        reaches(TO_OTHERS, 0, 0, 1);
        reaches(LOGICAL, 1, 1, 0);
        reaches(LOGICAL, 2, 0, 1);
        reaches(LOGICAL, 3, 1, 1);
        reaches(LOGICAL, 4, 0, 0);
        reaches(LOGICAL, 0x10003, 0, 0); /* another cluster */
        reaches(LOWEST, 1, 0, 1);
        reaches(LOWEST | LOGICAL, 2, 0, 1);
        reaches(LOWEST | LOGICAL, 3, 1, 0); /* one of them */
        reaches(NMI_IPI, 1, 0, 1);
        reaches(NMI_IPI, 0, 1, 0);
        reaches(NMI_IPI | TO_OTHERS, 0, 0, 1);
        reaches(NMI_IPI | TO_ALL, 0, 1, 1);
    }
    give(CLOSED);
    reaches(NMI_IPI, 1, 0, 1);
    task = SPIN;
    AWAIT(second_says == SPIN);
}

/* Nothing else comes: an IPI that got lost would be the last. */
static void to_and_fro(bool by_halt)
{
    unsigned rounds = by_halt ? ROUNDS : AWAKE;

    flat_print("case: %u IPIs to and fro, %s", rounds, by_halt ? "asleep" : "awake");
    task = by_halt ? IDLE : ECHO;
    disable();
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t before = count[0][PONG];

        send(PING, 1);
        while (count[0][PONG] == before) {
            if (by_halt) {
                sleep();
            } else {
                enable();
                disable();
            }
        }
        EXPECT(count[0][PONG] == before + 1);
    }
    give(SPIN);
}

static void timers(void)
{
    flat_print("case: each has its timer");
    give(TIMER);
    write_msr(LVT_TIMER, TICK);
    for (unsigned i = 0; i < 20; i++) {
        uint32_t before = count[0][TICK], others = count[1][TICK];

        write_msr(COUNT, SOON);
        while (count[0][TICK] == before)
            sleep();
        EXPECT(count[0][TICK] == before + 1);
        AWAIT(count[1][TICK] > others);
    }
    give(SPIN);
}

/* A page of both is changed under the other's eyes. */
static void shootdown(void)
{
    flat_print("case: %u times a page is exchanged", SHOOTS);
    flat_pd[WINDOW >> 30].entry[0] = (uintptr_t)&table | PTE_P | PTE_RW;
    pages[0][0] = 1;
    pages[1][0] = 2;
    table.entry[0] = (uintptr_t)pages[0] | PTE_P | PTE_RW;
    flush(WINDOW);
    give(READ);
    for (unsigned i = 1; i <= SHOOTS; i++) {
        uint32_t before = acknowledged;

        table.entry[0] = (uintptr_t)pages[i % 2] | PTE_P | PTE_RW;
        flush(WINDOW);
        send(SHOOT, 1);
        AWAIT(acknowledged == before + 1);
        before = reads; /* one may have been cut off by the IPI */
        AWAIT(reads - before >= 2);
        EXPECT(seen == 1 + i % 2 && *(volatile uint64_t *)WINDOW == seen);
    }
    give(SPIN);
}

static void bells(void)
{
    flat_print("case: doorbells go to the CPU that asks for them");
    give(SPIN);
    task = ASK_BELL;
    AWAIT(task == IDLE);
    for (unsigned i = 0; i < 100; i++) {
        unsigned to = i % 2 == 0;

        if (to == 0)
            EXPECT(bh_call(BH_CALL_BELL, BELL, BH_BELL_APIC, 0).result == BH_OK);
        count[0][BELL] = count[1][BELL] = 0;
        EXPECT(bh_call(BH_CALL_RING, 0, 0, 0).result == BH_OK); /* it rings back */
        enable();
        AWAIT(count[to][BELL] == 1);
        EXPECT(count[!to][BELL] == 0);
        EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 1);
        if (to == 0) {
            give(SPIN);
            task = ASK_BELL;
            AWAIT(task == IDLE);
        }
    }
}

static void again(void)
{
    static const uint8_t states[] = {SPIN, IDLE, CLOSED, IN_NMI, TIMER};

    flat_print("case: %u times INIT and SIPI, whatever it does", STARTS);
    for (unsigned i = 0; i < STARTS; i++) {
        give(SPIN);
        task = states[i % sizeof(states)];
        send(task == IN_NMI ? NMI_IPI : STOP_IPI, 1);
        start_second();
        EXPECT(dr0 == 0);
    }
    send(INIT_IPI | ASSERT, 1);
    send(NMI_IPI, 1); /* who waits for SIPI takes none */
    start_second();
    reaches(NMI_IPI, 1, 0, 1);
}

static void run_two(void)
{
    __asm__ volatile("sidt %0" : "=m"(cores_idt));
    memcpy((void *)(uintptr_t)AP_PAGE, cores_begin, (size_t)(cores_end - cores_begin));
    write_msr(SVR, 0x1ff);
    write_msr(DIVIDE, 0xb);
    topology();
    waits();
    kinds();
    to_and_fro(false);
    to_and_fro(true);
    timers();
    shootdown();
    bells();
    again();
    give(SPIN);
    shared[ENDING] = 1;
    bh_call(BH_CALL_RING, 0, 0, 0);
    flat_print("all cases hold");
}

/* Its heart must beat before, and not for ever. */
static void run_other(void)
{
    uint64_t beat, start;

    is_two = false;
    EXPECT(bh_call(BH_CALL_BELL, BELL, BH_BELL_INJECTED_ANY, 0).result == BH_OK);
    while (!shared[ENDING]) {
        sleep();
        if (bh_call(BH_CALL_RUNG, 0, 0, 0).a)
            EXPECT(bh_call(BH_CALL_RING, 0, 0, 0).result == BH_OK);
    }
    do {
        beat = shared[HEARTBEAT];
        EXPECT(beat > 0);
        start = read_tsc();
        while (read_tsc() - start < 20000000)
            ;
    } while (shared[HEARTBEAT] != beat);
    flat_print("all cases hold");
}

void flat_main(void)
{
    struct bh_answer channel = bh_call(BH_CALL_CHANNEL, 0, 0, 0);

    EXPECT(channel.result == BH_OK);
    shared = (volatile uint64_t *)(uintptr_t)channel.a;
    if (cpuid(1, 0).ecx >> 21 & 1)
        run_two();
    else
        run_other();
}
