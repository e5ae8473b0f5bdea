#include "core/platform/smp.h"

#include "core/platform/apic.h"
#include "core/platform/instructions.h"
#include "core/platform/panic.h"
#include "core/platform/time.h"

/* Far more than any of it takes: emulated CPUs can stand still while their host is busy. */
#define CALL_LIMIT_US 10000000

/* Written by the boot CPU: function first, then number, which tells the others to go. */
static void (*work)(struct cpu *cpu);
static uint32_t work_number;

static uint32_t joined;   /* CPUs that run core, but for the one that booted */
static uint32_t finished; /* CPUs other than the boot CPU that are done with work_number */

uint32_t smp_count(void)
{
    return 1 + __atomic_load_n(&joined, __ATOMIC_ACQUIRE);
}

/* Until an interrupt. One that came while interrupts were off ends it at once. */
static void sleep(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

void smp_join(struct cpu *cpu)
{
    uint32_t seen = __atomic_load_n(&work_number, __ATOMIC_ACQUIRE);

    __atomic_add_fetch(&joined, 1, __ATOMIC_RELEASE);
    for (;;) {
        while (__atomic_load_n(&work_number, __ATOMIC_ACQUIRE) == seen)
            sleep();
        seen++;
        work(cpu);
        __atomic_add_fetch(&finished, 1, __ATOMIC_RELEASE);
    }
}

static void give_out(void (*function)(struct cpu *cpu))
{
    work = function;
    finished = 0;
    __atomic_add_fetch(&work_number, 1, __ATOMIC_RELEASE);
    if (smp_count() > 1 && !apic_send(0, APIC_ICR_OTHERS | APIC_ICR_ASSERT | VECTOR_WAKE))
        fatal("local APIC doesn't send: CPU %u. Switch the machine off and on again",
              cpu_current()->index);
    function(cpu_current());
}

void smp_call(void (*function)(struct cpu *cpu))
{
    uint32_t others = smp_count() - 1;

    give_out(function);

    uint64_t deadline = time_after(CALL_LIMIT_US);

    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) != others) {
        if (time_is_over(deadline))
            fatal(
                "CPUs don't answer: %u of %u after 10 seconds. Switch the machine off and on again",
                others - finished, others);
        pause();
    }
}

bool smp_kick(uint32_t index)
{
    struct cpu *cpu = &cpu_areas[index].cpu;

    if (__atomic_exchange_n(&cpu->kicked, 1, __ATOMIC_ACQ_REL))
        return true;
    if (apic_send(cpu->apic_id, APIC_ICR_NMI | APIC_ICR_ASSERT))
        return true;
    __atomic_store_n(&cpu->kicked, 0, __ATOMIC_RELEASE);
    return false;
}

void smp_enter(void (*function)(struct cpu *cpu))
{
    give_out(function);
    fatal("run loop ended: CPU %u. This is a bug in core: report it", cpu_current()->index);
}
