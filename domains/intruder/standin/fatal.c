/* Attacks that core answers by stopping this domain. Each needs a machine of its own. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

#define WINDOW_GIB 3u /* a part of the address space whose page directory is bent */

static void reload_cr3(void)
{
    __asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

/*
 * Page tables of its own that point into others' memory: the CPU's walk would read it, and
 * write accessed bits into it.
 */
static void page_walk(struct report *report)
{
    (void)report;
    flat_pd[WINDOW_GIB].entry[0] = CORE_BASE | PTE_P | PTE_RW;
    reload_cr3();
    mmio_read64((uintptr_t)WINDOW_GIB << 30);
}

/*
 * Page tables in the machine's first page, which is this domain's but isn't mapped in core, and
 * code behind their second entry (the first lies at address 0, which core takes for nothing
 * anyway). To know the instruction that exits, core has to look there.
 */
static void page_zero(struct report *report)
{
    uintptr_t page = 0;

    (void)report;
    __asm__("" : "+r"(page)); /* gcc takes it for a null pointer else */
    for (unsigned i = 0; i < PAGE_ENTRIES; i++)
        ((volatile uint64_t *)page)[i] = flat_pml4.entry[i == 1 ? 0 : i];
    __asm__ volatile("mov %0, %%cr3\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "bts $39, %%rax\n\t"
                     "jmp *%%rax\n"
                     "1:\tcpuid"
                     :
                     : "r"(page)
                     : "rax", "rbx", "rcx", "rdx", "memory");
}

/* Anything but a plain MOV: core decodes no more than that. */
static void read_modify_write(struct report *report)
{
    (void)report;
    __asm__ volatile("lock addq $1, (%0)" : : "r"((uintptr_t)CORE_BASE) : "memory", "cc");
}

static void string_copy(struct report *report)
{
    uint64_t from = POOL_BASE, count = 64;
    static uint8_t copy[64];
    uint8_t *to = copy;

    (void)report;
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
}

static void foreign_stack(struct report *report)
{
    (void)report;
    __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; push %%rax; mov %%rbx, %%rsp"
                     :
                     : "r"((uint64_t)POOL_BASE + 0x1000)
                     : "rbx", "memory");
}

/* An interrupt table in others' memory: the CPU reads the gate there. */
static void foreign_idt(struct report *report)
{
    struct table_pointer pointer = {0xfff, POOL_BASE};

    (void)report;
    __asm__ volatile("lidt %0; ud2" : : "m"(pointer));
}

static void triple_fault(struct report *report)
{
    struct table_pointer none = {0, 0};

    (void)report;
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void stop(struct report *report)
{
    (void)report;
    flat_stop();
}

static const struct attack attacks[] = {
    {"page-walk", page_walk, "page tables of its own that point into core"},
    {"page-zero", page_zero, "page tables in machine page 0, where core has no memory"},
    {"read-modify-write", read_modify_write, "LOCK ADD on core's memory"},
    {"string-copy", string_copy, "REP MOVSB out of the policy image"},
    {"foreign-stack", foreign_stack, "PUSH into others' memory"},
    {"foreign-idt", foreign_idt, "an interrupt table in others' memory"},
    {"triple-fault", triple_fault, "an exception without an interrupt table"},
    {"stop", stop, "end by hypercall, as a domain may"},
};
const struct subject fatal_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
