/* Doorbells of a domain with virtual interrupts. */
#include "domains/lib/call.h"
#include "tests/domains/interrupts.h"

#define BELL 0x91u

/* The other domain rings as fast as it can; each is seen once, and only after the last was taken.
 */
void run_doorbells(void (*end)(uint8_t vector))
{
    unsigned taken = 0;

    flat_print("case: doorbells are an interrupt, and one at a time");
    disable();
    on_interrupt = end;
    forget_arrivals();
    EXPECT(bh_call(BH_CALL_BELL, 0x1f, 0, 0).result == BH_E_ARG);
    EXPECT(bh_call(BH_CALL_BELL, 0x100, 0, 0).result == BH_E_ARG);
    EXPECT(bh_call(BH_CALL_BELL, BELL, BH_BELL_INJECTED, 0).result == BH_E_ARG);
    EXPECT(bh_call(BH_CALL_BELL, BELL, BH_BELL_APIC, 0).result == BH_OK);
    EXPECT(bh_call(BH_CALL_RUNG, 0, 0, 0).a == 0);
    shared[WORD_VIRTUAL_READY] = 1;
    while (!shared[WORD_STORM_OVER]) {
        if (shared[WORD_RING_ME] == 1) {
            EXPECT(bh_call(BH_CALL_RING, 0, 0, 0).result == BH_OK);
            shared[WORD_RING_ME] = 2;
        }
        enable();
        disable();
        EXPECT(arrivals <= taken + 1);
        if (arrivals > taken && bh_call(BH_CALL_RUNG, 0, 0, 0).a == 1) {
            taken++;
            shared[WORD_STORM_SEEN] = taken;
        }
    }
    enable();
    EXPECT(arrivals >= 1 && order[0] == BELL);
    EXPECT(arrivals <= taken + 1);
}
