/* The program's own W^X page tables: a mistake of its own ends in a page fault. */
#include <stddef.h>

#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

static struct page_table pages; /* the first 2 MiB; everything of a flat domain is there */
static uint64_t no_execute;

static void map_range(const uint8_t *from, const uint8_t *to, uint64_t flags)
{
    for (uintptr_t address = (uintptr_t)from; address < (uintptr_t)to; address += PAGE_SIZE)
        pages.entry[address / PAGE_SIZE] = address | flags;
}

static void reload_cr3(void)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(&flat_pml4) : "memory");
}

void flat_confine(void)
{
    if (cpuid(CPUID_EXTENDED, 0).edx & CPUID_EXTENDED_EDX_NX) {
        write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
        no_execute = PTE_NX;
    }
    map_range(flat_text, flat_rodata, PTE_P);
    map_range(flat_rodata, flat_data, PTE_P | no_execute);
    map_range(flat_data, flat_guard, PTE_P | PTE_RW | no_execute);
    map_range(flat_stack, flat_stack_top, PTE_P | PTE_RW | no_execute);

    for (size_t i = 1; i < PAGE_ENTRIES; i++)
        flat_pd[0].entry[i] = 0;
    for (size_t i = 1; i < PAGE_ENTRIES; i++)
        flat_pdpt.entry[i] = 0;
    flat_pd[0].entry[0] = (uintptr_t)&pages | PTE_P | PTE_RW;
    reload_cr3();
}

void flat_map(uintptr_t address, uint64_t gpa)
{
    pages.entry[address / PAGE_SIZE % PAGE_ENTRIES] =
        (gpa & PTE_ADDRESS) | PTE_P | PTE_RW | no_execute;
    reload_cr3();
}
