/* A domain with direct interrupts: the hardware's own, without an exit; and what core gives it. */
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "hw/apic.h"
#include "tests/domains/interrupts.h"
#include "tests/domains/x2apic.h"

#define TICKS    100u
#define TICK     100000u /* of the APIC's timer */
#define PERIODIC 0x20000u
#define TIMER    0x40u
#define BELL     0x51u
#define STORM    20000u
#define INJECTED 0x61u /* class 6 */
#define HALTS    500u
#define PIC1     0x21
#define PIC2     0xa1

static const uintptr_t apic = APIC_BASE_DEFAULT;

static unsigned rings; /* by core's injection */

static void end(uint8_t vector)
{
    if (vector != VECTOR_NMI)
        mmio_write32(apic + APIC_EOI, 0);
}

static void send(uint8_t vector)
{
    mmio_write32(apic + APIC_ICR_LOW, APIC_ICR_SELF | vector);
}

static void ticks(void)
{
    flat_print("case: %u timer interrupts", TICKS);
    on_interrupt = end;
    mmio_write32(apic + APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_1);
    mmio_write32(apic + APIC_LVT_TIMER, PERIODIC | TIMER);
    mmio_write32(apic + APIC_TIMER_COUNT, TICK);
    enable();
    AWAIT(flat_arrived[TIMER] >= TICKS);
    disable();
    mmio_write32(apic + APIC_LVT_TIMER, APIC_LVT_MASKED);
    EXPECT(arrivals == flat_arrived[TIMER]);
}

static volatile unsigned depth, deepest;

static void in_nmi(uint8_t vector)
{
    if (vector != VECTOR_NMI) {
        end(vector);
        return;
    }
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (flat_arrived[VECTOR_NMI] == 1) {
        mmio_write32(apic + APIC_ICR_LOW, APIC_ICR_NMI | APIC_ICR_ASSERT);
        for (unsigned i = 0; i < 100; i++)
            __asm__ volatile("pause");
    }
    depth--;
}

static void nmi(void)
{
    flat_print("case: an NMI isn't interrupted by another");
    on_interrupt = in_nmi;
    mmio_write32(apic + APIC_ICR_HIGH, mmio_read32(apic + APIC_ID));
    mmio_write32(apic + APIC_ICR_LOW, APIC_ICR_NMI | APIC_ICR_ASSERT);
    AWAIT(flat_arrived[VECTOR_NMI] == 2);
    EXPECT(deepest == 1);
}

/* It comes by the domain's own APIC: so TPR and EOI are what they are for every other interrupt. */
static void doorbell(void)
{
    flat_print("case: a doorbell is an interrupt of the vector that was chosen");
    on_interrupt = end;
    EXPECT(bh_call(BH_CALL_BELL, BELL, 0, 0).result == BH_OK);
    AWAIT(shared[WORD_VIRTUAL_READY]);
    shared[WORD_RING_ME] = 1;
    AWAIT(shared[WORD_RING_ME] == 2);
    AWAIT(mmio_read32(apic + 0x200 + BELL / 32 * 0x10) >> BELL % 32 & 1); /* pending in its IRR */
    EXPECT(flat_arrived[BELL] == 0);
    enable();
    EXPECT(flat_arrived[BELL] == 1);
    disable();
    EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 1);
    EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 0);
}

static void expect_held(uint8_t vector)
{
    enable();
    EXPECT(flat_arrived[vector] == 0);
    disable();
}

static void expect_taken(uint8_t vector)
{
    enable();
    EXPECT(flat_arrived[vector] == 1);
    disable();
    flat_arrived[vector] = 0;
    EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 1);
}

/* Once the other has rung any exit makes sure that the CPU knows of it. */
static void ring(void)
{
    shared[WORD_RING_ME] = 1;
    AWAIT(shared[WORD_RING_ME] == 2);
    rings++;
    EXPECT(bh_call(BH_CALL_VERSION, 0, 0, 0).result == BH_ABI_VERSION);
}

static void no_end(uint8_t vector)
{
    (void)vector;
}

static void injected(void)
{
    flat_print("case: a doorbell that core injects is no interrupt of the APIC's");
    on_interrupt = no_end;
    EXPECT(bh_call(BH_CALL_BELL, INJECTED, BH_BELL_WAYS, 0).result == BH_E_ARG);
    EXPECT(bh_call(BH_CALL_BELL, INJECTED, BH_BELL_INJECTED, 0).result == BH_OK);
    for (unsigned i = 0; i < 3; i++) { /* no EOI, and yet the next one comes */
        ring();
        EXPECT(flat_arrived[INJECTED] == 0);
        EXPECT(!(mmio_read32(apic + 0x200 + INJECTED / 32 * 0x10) >> INJECTED % 32 & 1));
        expect_taken(INJECTED);
    }
    ring();
    write_cr8(INJECTED >> 4 | 1);
    expect_held(INJECTED);
    write_cr8((INJECTED >> 4) - 1);
    expect_taken(INJECTED);

    write_cr8(15);
    EXPECT(bh_call(BH_CALL_BELL, INJECTED, BH_BELL_INJECTED_ANY, 0).result == BH_OK);
    ring();
    EXPECT(flat_arrived[INJECTED] == 0);
    expect_taken(INJECTED);
    write_cr8(0);
}

/* 15.21.4: whatever their vectors. */
static void physical_first(void)
{
    flat_print("case: the hardware's interrupts come before injected ones");
    on_interrupt = end;
    forget_arrivals();
    ring();
    send(TIMER);
    EXPECT(arrivals == 0);
    enable();
    EXPECT(arrivals == 2 && order[0] == TIMER && order[1] == INJECTED);
    disable();
    flat_arrived[INJECTED] = 0;
    EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 1);
}

/* Nothing else wakes it: a doorbell that came between STI and HLT and didn't would be the last. */
static void halts(void)
{
    flat_print("case: %u times HLT ends by a doorbell that core injects", HALTS);
    on_interrupt = no_end;
    for (unsigned i = 0; i < HALTS; i++) {
        flat_arrived[INJECTED] = 0;
        shared[WORD_RING_ME] = 1;
        for (unsigned wait = i % 50 * 20; wait > 0; wait--)
            __asm__ volatile("pause");
        while (flat_arrived[INJECTED] == 0)
            __asm__ volatile("sti; hlt; cli" : : : "memory");
        rings++;
        AWAIT(shared[WORD_RING_ME] == 2);
        EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 1);
    }
    flat_print("%u doorbells were injected", rings);
}

static void storm(void)
{
    flat_print("case: a storm of doorbells");
    for (unsigned i = 0; i < STORM; i++)
        EXPECT(bh_call(BH_CALL_RING, 0, 0, 0).result == BH_OK);
    AWAIT(shared[WORD_STORM_SEEN]);
    shared[WORD_STORM_OVER] = 1;
}

static bool is_in_service(uint8_t vector)
{
    return mmio_read32(apic + APIC_ISR + vector / 32 * 0x10) >> vector % 32 & 1;
}

static void nmi_on(uint64_t stack)
{
    mmio_write32(apic + APIC_ICR_HIGH, mmio_read32(apic + APIC_ID));
    __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; movl %1, (%2); nop; mov %%rbx, %%rsp"
                     :
                     : "r"(stack), "r"(APIC_ICR_NMI | APIC_ICR_ASSERT), "r"(apic + APIC_ICR_LOW)
                     : "rbx", "memory");
}

void run_direct(void)
{
    static const struct way way = {send, is_in_service, end, nmi_on};

    out8(PIC1, 0xff);
    out8(PIC2, 0xff);
    mmio_write32(apic + APIC_SPURIOUS, APIC_SPURIOUS_ENABLE | 0xff);
    ticks();
    nmi();
    run_faults(&way);
    doorbell();
    injected();
    physical_first();
    halts();
    storm();
}
