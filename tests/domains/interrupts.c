/* Runs the cases of the way in which this domain has its interrupts, and tells what came of it. */
#include "tests/domains/interrupts.h"

#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "lib/memory.h"

#define CPUID_ECX_X2APIC 0x00200000u

volatile uint8_t order[64];
volatile unsigned arrivals;
void (*volatile on_interrupt)(uint8_t vector);
volatile uint64_t *shared;

void forget_arrivals(void)
{
    arrivals = 0;
}

void flat_interrupt(struct flat_frame *frame)
{
    if (arrivals < sizeof(order))
        order[arrivals] = (uint8_t)frame->vector;
    arrivals++;
    if (on_interrupt)
        on_interrupt((uint8_t)frame->vector);
}

void flat_main(void)
{
    struct bh_answer channel = bh_call(BH_CALL_CHANNEL, 0, 0, 0);

    EXPECT(channel.result == BH_OK);
    shared = (volatile uint64_t *)(uintptr_t)channel.a;
    if (cpuid(1, 0).ecx & CPUID_ECX_X2APIC)
        run_virtual();
    else
        run_direct();
    flat_print("all cases hold");
}
