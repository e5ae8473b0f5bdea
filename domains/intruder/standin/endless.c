/*
 * A #DB whose handler begins with a breakpoint, so that it is never done being delivered: on a CPU
 * without an intercept no interrupt would come through. Here the domain's own timer ends it.
 */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

#define ENDING_VECTOR 0x90
#define TIMER_TICKS   20000000u
#define DB_IST        2
#define GATE_TRAP     0x8f /* leaves IF as it is */
#define EXECUTE_AT_D0 0x402u

extern uint8_t endless_handler[], endless_end[];

__asm__(".text\n"
        "endless_handler: nop; jmp endless_handler\n"
        "endless_end: and $-16, %rsp; call flat_stop\n");

static void set_gate(struct gate *gate, const uint8_t *handler, uint8_t ist)
{
    uint64_t to = (uintptr_t)handler;

    *gate = (struct gate){.offset_low = (uint16_t)to,
                          .offset_middle = (uint16_t)(to >> 16),
                          .offset_high = (uint32_t)(to >> 32),
                          .selector = SELECTOR_CODE,
                          .ist = ist,
                          .type = GATE_TRAP};
}

static struct tss *own_tss(void)
{
    uint64_t low = flat_gdt[SELECTOR_TSS / 8];

    return (struct tss *)(uintptr_t)((low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24 |
                                     flat_gdt[SELECTOR_TSS / 8 + 1] << 32);
}

void endless_debug(void)
{
    static _Alignas(16) uint8_t stack[4096];
    struct table_pointer idt;
    struct gate *gates;

    __asm__ volatile("sidt %0" : "=m"(idt));
    gates = (struct gate *)(uintptr_t)idt.base;
    own_tss()->ist[DB_IST - 1] = (uintptr_t)(stack + sizeof(stack));
    set_gate(&gates[VECTOR_DB], endless_handler, DB_IST);
    set_gate(&gates[ENDING_VECTOR], endless_end, 0);
    mmio_write32(APIC_BASE_DEFAULT + APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_1);
    mmio_write32(APIC_BASE_DEFAULT + APIC_LVT_TIMER, ENDING_VECTOR);
    mmio_write32(APIC_BASE_DEFAULT + APIC_TIMER_COUNT, TIMER_TICKS);
    __asm__ volatile("mov %0, %%dr0\n\t"
                     "mov %1, %%dr7\n\t"
                     "sti\n\t"
                     "jmp endless_handler"
                     :
                     : "r"(endless_handler), "r"((uint64_t)EXECUTE_AT_D0)
                     : "memory");
}
