/* What each CPU has of its own: descriptor tables, stacks, the page behind FS. */
#ifndef CORE_PLATFORM_CPU_H
#define CORE_PLATFORM_CPU_H

#define CPU_MAX       16
#define CPU_AREA_SIZE 0x10000

#ifndef __ASSEMBLER__
#include <stdint.h>

#include "hw/x86.h"

struct cpu {
    uint32_t index; /* 0: the CPU that the firmware started */
    uint32_t apic_id;
    uint32_t nmi_count;   /* NMIs that arrived here and weren't core's own; only this CPU writes */
    uint32_t stray_count; /* interrupts that nobody waited for; likewise */
    uint64_t timer_deadline; /* as timer_set() was told last; likewise */
    uint32_t kicked;         /* an NMI of core's own is on its way: smp_kick() */
    uint64_t doze;   /* the HLT that an NMI must end even if it comes just before, 0: none */
    uint64_t gdt[6]; /* null, code, data, 32-bit code, TSS (two entries) */
    struct tss tss;
};

typedef uint8_t cpu_page[PAGE_SIZE];

/*
 * All of it for one CPU, aligned to its size: clearing the low bits of RSP finds struct cpu from
 * any of the CPU's stacks, without GS or TR, which are the guest's while exits are handled. Guard
 * pages are unmapped; a stack that overflows runs into the one below it. The memory of the last one
 * is VMRUN's, for the host's state (core/svm/svm.c).
 */
struct cpu_area {
    union {
        struct cpu cpu;
        cpu_page cpu_space;
    };
    cpu_page fs; /* FS base points here; libraries find their stack canary at %fs:28h */
    cpu_page nmi_guard;
    cpu_page nmi_stack;
    cpu_page df_guard;
    cpu_page df_stack;
    cpu_page mc_guard;
    cpu_page mc_stack;
    cpu_page guard;
    cpu_page stack[7];
} __attribute__((aligned(CPU_AREA_SIZE)));
static_assert(sizeof(struct cpu) <= PAGE_SIZE, "struct cpu has one page");
static_assert(sizeof(struct cpu_area) == CPU_AREA_SIZE, "the area's size is its alignment");

extern struct cpu_area cpu_areas[CPU_MAX];

/* The CPU that runs this. */
static inline struct cpu *cpu_current(void)
{
    uint64_t rsp;

    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct cpu *)(rsp & ~(uint64_t)(CPU_AREA_SIZE - 1));
}

/*
 * Gives the calling CPU, which already runs on the stack of cpu_areas[index], its own GDT, TSS and
 * FS base, the boot IDT, and the protections of CR4.
 */
void cpu_setup(uint32_t index);

/*
 * The two IDTs. In the boot IDT, NMI, #DF and #MC have stacks of their own through the TSS. A
 * #VMEXIT leaves the guest's TR behind, so from the first VMRUN until the host's own VMLOAD an IST
 * gate would write where the guest says (APM vol. 2, 15.5.1 and 15.6): the run IDT uses no IST.
 * idt_init makes both; each CPU loads the boot IDT in cpu_setup.
 */
void idt_init(void);
void idt_load_boot(void);
void idt_load_run(void);
#endif

#endif
