#include "core/platform/paging.h"

#include "bulkhead/layout.h"
#include "core/platform/cpu.h"
#include "core/platform/instructions.h"

/* Set by the linker script: rights change at these pages. */
extern const char core_text_end[], core_rodata_end[], core_end[];

/* Made by start.S */
extern struct page_table core_pml4, core_pd[4];

#define CORE_TABLES (CORE_SIZE / LARGE_PAGE_SIZE)
#define DATA_RIGHTS (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define UNCACHED    (PTE_PCD | PTE_PWT) /* PAT entry 3: UC, APM vol. 2, 7.8.2 */

/* PAT entry 4 as cpu_setup sets it */
#define WRITE_COMBINING PTE_LARGE_PAT

#define VGA_START 0xa0000
#define VGA_END   0xc0000

static struct page_table first_2m, core_pages[CORE_TABLES];

static_assert(CORE_BASE % LARGE_PAGE_SIZE == 0 && CORE_SIZE % LARGE_PAGE_SIZE == 0,
              "core's 4-KiB pages fill whole tables");

static uint64_t core_rights(uint64_t address)
{
    if (address < (uint64_t)core_text_end)
        return PTE_P | PTE_A;
    if (address < (uint64_t)core_rodata_end)
        return PTE_P | PTE_A | PTE_NX;
    return DATA_RIGHTS;
}

static uint64_t *core_entry(uint64_t address)
{
    uint64_t page = (address - CORE_BASE) / PAGE_SIZE;

    return &core_pages[page / PAGE_ENTRIES].entry[page % PAGE_ENTRIES];
}

static uint64_t *large_entry(uint64_t address)
{
    uint64_t page = address / LARGE_PAGE_SIZE;

    return &core_pd[page / PAGE_ENTRIES].entry[page % PAGE_ENTRIES];
}

static void unmap_guards(const struct cpu_area *area)
{
    *core_entry((uint64_t)area->nmi_guard) = 0;
    *core_entry((uint64_t)area->df_guard) = 0;
    *core_entry((uint64_t)area->mc_guard) = 0;
    *core_entry((uint64_t)area->guard) = 0;
}

static void flush(void)
{
    write_cr3((uint64_t)&core_pml4);
}

void paging_init(void)
{
    for (uint64_t a = CORE_BASE; a < CORE_END; a += PAGE_SIZE)
        *core_entry(a) = a | core_rights(a);
    for (unsigned i = 0; i < CPU_MAX; i++)
        unmap_guards(&cpu_areas[i]);

    for (uint64_t a = PAGE_SIZE; a < LARGE_PAGE_SIZE; a += PAGE_SIZE)
        first_2m.entry[a / PAGE_SIZE] =
            a | DATA_RIGHTS | (a >= VGA_START && a < VGA_END ? UNCACHED : 0);

    /* These tables are in use: each entry changes once, from right to right. */
    for (uint64_t a = 0; a < PAGING_END; a += LARGE_PAGE_SIZE) {
        if (a == 0)
            *large_entry(a) = (uint64_t)&first_2m | PTE_P | PTE_RW;
        else if (a >= CORE_BASE && a < CORE_END)
            *large_entry(a) =
                (uint64_t)&core_pages[(a - CORE_BASE) / LARGE_PAGE_SIZE] | PTE_P | PTE_RW;
        else
            *large_entry(a) = a | DATA_RIGHTS | PTE_PS;
    }
    flush();
}

void paging_set_uncached_from(uint64_t address)
{
    uint64_t a = (address + LARGE_PAGE_SIZE - 1) & ~(uint64_t)(LARGE_PAGE_SIZE - 1);

    for (; a < PAGING_END; a += LARGE_PAGE_SIZE)
        *large_entry(a) |= UNCACHED;
    flush();
}

void paging_set_write_combining(uint64_t start, uint64_t end)
{
    uint64_t a = (start + LARGE_PAGE_SIZE - 1) & ~(uint64_t)(LARGE_PAGE_SIZE - 1);

    for (; a + LARGE_PAGE_SIZE <= end && a < PAGING_END; a += LARGE_PAGE_SIZE)
        *large_entry(a) = (*large_entry(a) & ~(uint64_t)UNCACHED) | WRITE_COMBINING;
    flush();
}

bool paging_is_outside_core(uint64_t start, uint64_t length)
{
    if (start < PAGE_SIZE || length > PAGING_END || start > PAGING_END - length)
        return false;
    return start + length <= CORE_BASE || start >= (uint64_t)core_end;
}
