#include "core/platform/interrupts.h"

#include "core/platform/apic.h"
#include "core/platform/console.h"
#include "core/platform/timer.h"

static bool is_in_service(uint8_t vector)
{
    return apic_read(APIC_ISR + vector / 32u * 0x10) >> vector % 32 & 1;
}

void interrupt_take(struct cpu *cpu, uint8_t vector)
{
    if (vector == VECTOR_TIMER)
        cpu->timer_deadline = TIMER_NEVER; /* it is off until it is set again */
    if (vector != VECTOR_WAKE && vector != VECTOR_TIMER) {
        uint32_t strays = ++cpu->stray_count;

        if ((strays & (strays - 1)) == 0)
            print("CPU %u: interrupt %u, which nobody waits for; so far %u such", cpu->index,
                  vector, strays);
    }
    /* A spurious one isn't in service (16.4.7), nor is what comes from an 8259. */
    if (is_in_service(vector))
        apic_write(APIC_EOI, 0);
}
