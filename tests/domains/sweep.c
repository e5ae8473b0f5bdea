/*
 * Tries every page below 4 GiB, and some ranges above, in each way that a CPU can use memory, and
 * logs ranges of pages with what came of it: r, w, x for what could be read, written and run, t
 * for a page that the CPU took as a page table. What the domain was meant to have it doesn't know.
 *
 * A page is tried by eight bytes in it. Reads of what isn't there give all ones, writes of it are
 * dropped, calls into it are #UD there, and page tables in it have reserved bits set.
 */
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define OFFSET 0x7f8u /* of the eight bytes, far from the stack's end */
#define ENTRY  (OFFSET / 8)
#define CHUNK  512u                    /* pages: as many as one directory has page tables */
#define PLACE  (1ul << 39)             /* where they are tried as such */
#define HIGH   (PLACE + (510ul << 30)) /* where memory above 4 GiB is seen */
#define RET    0xc3u
#define ENDING 0x5a5a5a5a12345678ul

/* RET as code, and as the entry of a page table `marker`, present and writable. */
#define PATTERN (((uintptr_t)marker & PTE_ADDRESS) | RET)

/*
 * Each thing that is denied takes an exit. So where nothing is, as far as the machine's description
 * goes, each page is read, but only one in SPARSE written, one run, and one walked: what can't be
 * read isn't present, and no entry grants anything else without that (APM vol. 2, 5.4).
 * tests/machine/test_sweep.py counts after these rules.
 */
#define SPARSE 64u

enum way { READ, WRITE, EXECUTE, WALK, WAYS };
#define CAN(way) (1u << (way))
#define STRANGE  CAN(WAYS) /* neither what is granted nor what is denied looks like that */

static uint64_t pdpt[PAGE_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static volatile uint64_t directory[PAGE_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static uint64_t high_directory[PAGE_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static volatile uint64_t marker[PAGE_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static uint8_t scratch;

void flat_say(const char *line)
{
    bh_call(BH_CALL_LOG, (uintptr_t)line, strlen(line), 0);
}

/* Where somebody has something, domains or platform: policy/machines/qemu-q35.machine. */
static bool is_somewhere(uint64_t gpa)
{
    return gpa < 0x400000 || (gpa >= 0x10000000 && gpa < 0x11200000) ||
           (gpa >= 0xd0000000 && gpa < 0xd0200000) || (gpa >= 0xfec00000 && gpa < 0xfef00000);
}

static bool is_due(uint64_t gpa, enum way way)
{
    return is_somewhere(gpa) || gpa / PAGE_SIZE % SPARSE == way * 16;
}

static void call(void *at)
{
    ((void (*)(void))(uintptr_t)at)();
}

/* One instruction, single-stepped: ADD AL to where RAX points. */
static void step(void *at)
{
    __asm__ volatile("mov %%rsp, %%rcx\n\t"
                     "push %0\n\t"
                     "push %%rcx\n\t"
                     "pushf\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "push %1\n\t"
                     "push %2\n\t"
                     "iretq"
                     :
                     : "i"(SELECTOR_DATA), "i"(SELECTOR_CODE), "r"(at), "a"(&scratch)
                     : "rcx", "memory");
}

static uint64_t found;

static void load(void *at)
{
    found = mmio_read64((uintptr_t)at);
}

static bool is_fault(int vector, const uint8_t *at)
{
    return vector == VECTOR_UD && flat_fault.rip == (uintptr_t)at;
}

/* Runs what stands at `at`: RET, or what is denied. */
static unsigned execute(uint8_t *at)
{
    int vector = flat_try(call, at);

    return vector < 0 ? CAN(EXECUTE) : is_fault(vector, at) ? 0 : STRANGE;
}

/* Runs a page that can be read but not written: a RET that it has, or two bytes of zeros. */
static unsigned execute_what_stands_in(uint8_t *page)
{
    int vector;

    for (unsigned i = 0; i < PAGE_SIZE; i++)
        if (page[i] == RET)
            return execute(page + i);
    for (unsigned i = 0; i < PAGE_SIZE - 1; i++)
        if (page[i] == 0 && page[i + 1] == 0) {
            vector = flat_try(step, page + i);
            if (vector == VECTOR_DB && flat_fault.rip == (uintptr_t)(page + i + 2))
                return CAN(EXECUTE);
            return is_fault(vector, page + i) ? 0 : STRANGE;
        }
    return execute(page);
}

/* The page is the table of entry `index` of the directory. A device's may say anything. */
static unsigned walk(unsigned index, bool is_device)
{
    uintptr_t at = PLACE + index * LARGE_PAGE_SIZE + ENTRY * PAGE_SIZE;
    int vector = flat_try(load, (void *)at);

    if (vector < 0)
        return found == ENDING ? CAN(WALK) : STRANGE;
    if (vector != VECTOR_PF || flat_fault.cr2 != at)
        return STRANGE;
    return flat_fault.error & 8 ? 0 : is_device ? CAN(WALK) : STRANGE;
}

/* The program's own code is left as it is: written with what stands there, and no table. */
static unsigned try_own_code(uint8_t *page)
{
    uint64_t before = mmio_read64((uintptr_t)page);

    mmio_write64((uintptr_t)page, before);
    return CAN(READ) | CAN(WRITE) | CAN(WALK) | execute_what_stands_in(page);
}

/* `last`: what could be done to the page before. */
static unsigned try_page(uint8_t *page, uint64_t gpa, unsigned index, unsigned last)
{
    uintptr_t at = (uintptr_t)page + OFFSET;
    uint64_t before = mmio_read64(at);
    unsigned can = before != UINT64_MAX ? CAN(READ) : 0;

    if (page >= flat_text && page < flat_rodata)
        return try_own_code(page);
    if (can || last || is_due(gpa, WRITE))
        mmio_write64(at, PATTERN);
    if ((can || last) && mmio_read64(at) == PATTERN) /* RAM may have held ones */
        can = CAN(READ) | CAN(WRITE);
    if (can == CAN(READ))
        can |= execute_what_stands_in(page);
    else if (can || is_due(gpa, EXECUTE))
        can |= execute((uint8_t *)at);
    if (is_due(gpa, WALK) || can != (last & ~CAN(WALK)))
        can |= walk(index, can == CAN(READ));
    else
        can |= last & CAN(WALK);
    if (can & CAN(WRITE))
        mmio_write64(at, before);
    return can;
}

/* What a range has in common, until a page is otherwise. */
static uint64_t first, next;
static unsigned common;

static void note(uint64_t gpa, unsigned can)
{
    if (gpa == next && can == common) {
        next += PAGE_SIZE;
        return;
    }
    if (next != first)
        flat_print("sweep: %lx %lx %c%c%c%c%s", first, next, common & CAN(READ) ? 'r' : '-',
                   common & CAN(WRITE) ? 'w' : '-', common & CAN(EXECUTE) ? 'x' : '-',
                   common & CAN(WALK) ? 't' : '-', common & STRANGE ? "?" : "");
    first = gpa;
    next = gpa + PAGE_SIZE;
    common = can;
}

static void try_chunk(uint64_t gpa, uintptr_t linear)
{
    for (unsigned i = 0; i < CHUNK; i++)
        directory[i] = (gpa + i * PAGE_SIZE) | PTE_P | PTE_RW;
    __asm__ volatile("mov %0, %%cr3" : : "r"(&flat_pml4) : "memory");
    for (unsigned i = 0; i < CHUNK; i++)
        note(gpa + i * PAGE_SIZE,
             try_page((uint8_t *)linear + i * PAGE_SIZE, gpa + i * PAGE_SIZE, i, common));
}

void flat_main(void)
{
    static const uint64_t high[] = {1ul << 32, 6ul << 30, 1ul << 39, 0xfd00000000, 0xffffe00000};

    marker[0] = ENDING;
    flat_pml4.entry[1] = (uintptr_t)pdpt | PTE_P | PTE_RW;
    pdpt[0] = (uintptr_t)directory | PTE_P | PTE_RW;
    pdpt[510] = (uintptr_t)high_directory | PTE_P | PTE_RW;
    for (unsigned i = 0; i < sizeof(high) / sizeof(high[0]); i++)
        high_directory[i] = high[i] | PTE_P | PTE_RW | PTE_PS;
    flat_print("sweep: begins");
    for (uint64_t gpa = 0; gpa < 1ul << 32; gpa += CHUNK * PAGE_SIZE)
        try_chunk(gpa, gpa);
    for (unsigned i = 0; i < sizeof(high) / sizeof(high[0]); i++)
        try_chunk(high[i], HIGH + i * LARGE_PAGE_SIZE);
    note(0, 0);
    flat_print("sweep: end");
}
