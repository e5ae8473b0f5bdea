#include "core/platform/cpu.h"

#include "core/platform/instructions.h"
#include "core/platform/timer.h"

struct cpu_area cpu_areas[CPU_MAX] __attribute__((section(".cpus")));

/* Offset in the FS page of the stack canary that code with -fstack-protector reads (System V ABI
 * for AMD64 as gcc implements it). */
#define FS_CANARY 0x28

static uint64_t top_of(const cpu_page *stack)
{
    return (uint64_t)(stack + 1);
}

static void load_tables(struct cpu_area *area)
{
    struct cpu *cpu = &area->cpu;
    uint64_t tss = (uint64_t)&cpu->tss;

    cpu->tss.io_map = sizeof(cpu->tss);
    cpu->tss.ist[0] = top_of(&area->nmi_stack);
    cpu->tss.ist[1] = top_of(&area->df_stack);
    cpu->tss.ist[2] = top_of(&area->mc_stack);

    cpu->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE;
    cpu->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    cpu->gdt[SELECTOR_CODE32 / 8] = DESCRIPTOR_CODE32;
    cpu->gdt[SELECTOR_TSS / 8] = DESCRIPTOR_TSS_AVAILABLE | (sizeof(cpu->tss) - 1) |
                                 (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
    cpu->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;

    /* The selectors in use mean the same in this table as in the one that start.S loaded. */
    struct table_pointer pointer = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    __asm__ volatile("ltr %0" : : "r"((uint16_t)SELECTOR_TSS));
}

static uint64_t protections(void)
{
    uint64_t cr4 = CR4_MCE;

    if (cpuid(0, 0).eax < CPUID_STRUCTURED)
        return cr4;

    uint32_t features = cpuid(CPUID_STRUCTURED, 0).ebx;

    if (features & CPUID_STRUCTURED_EBX_SMEP)
        cr4 |= CR4_SMEP;
    if (features & CPUID_STRUCTURED_EBX_SMAP)
        cr4 |= CR4_SMAP;
    return cr4;
}

void cpu_setup(uint32_t index)
{
    struct cpu_area *area = &cpu_areas[index];

    area->cpu.index = index;
    area->cpu.timer_deadline = TIMER_NEVER;
    load_tables(area);
    idt_load_boot();

    /* Unpredictable enough to catch a mistake; no attacker's code runs yet. */
    *(uint64_t *)(area->fs + FS_CANARY) = read_tsc() * 0x9e3779b97f4a7c15u;
    write_msr(MSR_FS_BASE, (uint64_t)area->fs);
    write_msr(MSR_GS_BASE, 0);
    write_msr(MSR_PAT, PAT_CORE);
    write_cr4(read_cr4() | protections());
}
