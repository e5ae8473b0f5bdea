/* Attacks that core answers by stopping this domain. Each needs a machine of its own. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

/*
 * A topmost page table in what others have: the CPU's walk would read it, and write accessed bits
 * into it. (Tables below the topmost are tried with each page of the machine, by
 * tests/domains/sweep.c.)
 */
#define PAGE_ROOT(name, address)                                                        \
    static void name(struct report *report)                                             \
    {                                                                                   \
        (void)report;                                                                   \
        __asm__ volatile("mov %0, %%cr3; nop" : : "r"((uint64_t)(address)) : "memory"); \
    }
PAGE_ROOT(root_core, CORE_BASE)
PAGE_ROOT(root_policy, POOL_BASE)
PAGE_ROOT(root_device_table, DEVICE_TABLE_BASE)
PAGE_ROOT(root_iommu, IOMMU_BASE)
PAGE_ROOT(root_rom, 0xf0000)
PAGE_ROOT(root_nowhere, 1ull << 39)

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
    {"root-core", root_core, "core as its page tables"},
    {"root-policy", root_policy, "the policy image as its page tables"},
    {"root-device-table", root_device_table, "the IOMMU's device table as its page tables"},
    {"root-iommu", root_iommu, "the IOMMU's registers as its page tables"},
    {"root-rom", root_rom, "the firmware's ROM, which it may read, as its page tables"},
    {"root-nowhere", root_nowhere, "page tables above all memory"},
    {"page-zero", page_zero, "page tables in machine page 0, where core has no memory"},
    {"read-modify-write", read_modify_write, "LOCK ADD on core's memory"},
    {"string-copy", string_copy, "REP MOVSB out of the policy image"},
    {"foreign-stack", foreign_stack, "PUSH into others' memory"},
    {"foreign-idt", foreign_idt, "an interrupt table in others' memory"},
    {"triple-fault", triple_fault, "an exception without an interrupt table"},
    {"stop", stop, "end by hypercall, as a domain may"},
};
const struct subject fatal_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
