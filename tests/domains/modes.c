/*
 * What a system sees of paging and of the modes around it, as lines on COM2. The same program says
 * the same on the bare machine, with nested paging and with shadow tables; what is said hangs on no
 * address that differs there.
 */
#include "tests/domains/modes.h"

#include <stdbool.h>

#include "domains/lib/com2.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "hw/x86.h"
#include "lib/memory.h"

#define PLACE   0x8000000000ul /* linear address, level 4's second entry: nothing else is there */
#define A_AND_D (PTE_A | PTE_D)
#define ACTIVE  (PTE_P | PTE_RW)
#define PTE_G   0x100
#define ORDERS  60
#define STEPS   10

uint32_t modes_directory[1024] __attribute__((aligned(4096)));
uint64_t modes_pdpt[512] __attribute__((aligned(4096)));
uint64_t modes_pml4[512] __attribute__((aligned(4096)));
static uint32_t table_2level[1024] __attribute__((aligned(4096)));
static uint64_t long_pdpt[512] __attribute__((aligned(4096)));
static uint64_t window_directory[512] __attribute__((aligned(4096)));
static uint64_t window_table[512] __attribute__((aligned(4096)));
static uint64_t pml4[2][512] __attribute__((aligned(4096)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint32_t frame[4][1024] __attribute__((aligned(4096)));
static struct note notes[4 * STEPS];

static uint64_t read_cr(unsigned number)
{
    uint64_t value;

    if (number == 0)
        __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    else if (number == 3)
        __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    else
        __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static void write_cr(unsigned number, uint64_t value)
{
    if (number == 0)
        __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
    else if (number == 3)
        __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
    else
        __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static void invlpg(uintptr_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* One access, and what came of it. */
static volatile uint32_t *at;
static uint32_t got;

static void load(void *unused)
{
    (void)unused;
    got = *at;
}

static void store(void *unused)
{
    (void)unused;
    *at = 0x600d600d;
}

static void run(void *unused)
{
    (void)unused;
    ((void (*)(void))(uintptr_t)at)();
}

static void load_with_ac(void *unused)
{
    (void)unused;
    __asm__ volatile("stac" : : : "memory");
    got = *at;
    __asm__ volatile("clac" : : : "memory");
}

static void try(const char *what, void (*access)(void *), uintptr_t address)
{
    uint32_t error;
    int vector;

    at = (volatile uint32_t *)address;
    got = 0;
    vector = flat_try(access, NULL);
    /* A reserved bit is one of an entry that is present (8.4.2); QEMU 7.2 doesn't say so. */
    error = flat_fault.error | (flat_fault.error >> 3 & 1);
    if (vector < 0)
        flat_print("%s: done, got %x, entry %lx", what, got, table[address >> 12 & 511] & 0xfff);
    else
        flat_print("%s: exception %d error %x CR2 %lx, entry %lx", what, vector, error,
                   vector == VECTOR_PF ? flat_fault.cr2 : 0, table[address >> 12 & 511] & 0xfff);
}

/* Sets an entry of the last level and has the CPU forget the old one. */
static uintptr_t map(unsigned entry, unsigned number, uint64_t bits)
{
    table[entry] = (uintptr_t)frame[number] | bits;
    invlpg(PLACE + entry * 4096ul);
    return PLACE + entry * 4096ul;
}

static void print_registers(const char *where)
{
    flat_print("%s: CR0 %lx, CR3 %s, CR4 %lx, EFER %lx", where, read_cr(0),
               read_cr(3) == (uintptr_t)pml4[0] ? "as written" : "ANOTHER", read_cr(4),
               read_msr(MSR_EFER));
}

static void rights(void)
{
    uint64_t cr0 = read_cr(0), cr4 = read_cr(4);
    bool smap = cpuid(CPUID_STRUCTURED, 0).ebx & CPUID_STRUCTURED_EBX_SMAP;
    bool smep = cpuid(CPUID_STRUCTURED, 0).ebx & CPUID_STRUCTURED_EBX_SMEP;

    try("absent, load", load, map(1, 0, 0));
    try("absent, store", store, map(1, 0, 0));
    try("accessed", load, map(1, 0, ACTIVE));
    try("dirty", store, map(1, 0, ACTIVE));
    try("made present, no INVLPG", load, (table[2] = (uintptr_t)frame[1] | ACTIVE, PLACE + 0x2000));
    try("read-only", store, map(1, 1, PTE_P));
    table[1] |= PTE_RW; /* more rights need no INVLPG: APM vol. 2, 5.5.2 */
    try("made writable, no INVLPG", store, PLACE + 0x1000);
    try("read-only below", store, (directory[0] &= ~2ul, invlpg(PLACE + 0x1000), PLACE + 0x1000));
    directory[0] |= PTE_RW;
    write_cr(0, cr0 & ~(uint64_t)CR0_WP);
    try("read-only, WP clear", store, map(1, 1, PTE_P));
    try("user's and read-only, WP clear", store, map(1, 2, PTE_P | PTE_US));
    try("then loaded", load, PLACE + 0x1000);
    write_cr(0, cr0);
    try("read-only, WP set again", store, PLACE + 0x1000);
    frame[3][0] = 0xc3c3c3c3; /* RET */
    try("executable", run, map(3, 3, ACTIVE));
    try("not executable", run, map(3, 3, ACTIVE | PTE_NX));
    write_msr(MSR_EFER, read_msr(MSR_EFER) & ~(uint64_t)EFER_NXE);
    try("reserved without NXE", load, map(3, 3, ACTIVE | PTE_NX));
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
    try("no longer reserved", load, PLACE + 0x3000);
    flat_print("smep %d smap %d", smep, smap);
    write_cr(4, cr4 | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0));
    try("user's, executed", run, map(3, 3, ACTIVE | PTE_US));
    try("user's, loaded", load, PLACE + 0x3000);
    if (smap)
        try("user's, loaded with AC", load_with_ac, PLACE + 0x3000);
    print_registers("with SMEP and SMAP");
    write_cr(4, cr4);
    try("user's, executed without SMEP", run, PLACE + 0x3000);
}

static void remapping(void)
{
    uint64_t cr4 = read_cr(4);

    for (unsigned i = 0; i < 4; i++)
        frame[i][1] = 0xf00 + i;
    try("frame 0", load, map(5, 0, ACTIVE) + 4);
    try("frame 1, INVLPG", load, map(5, 1, ACTIVE) + 4);
    table[5] = (uintptr_t)frame[2] | ACTIVE;
    write_cr(3, read_cr(3));
    try("frame 2, CR3", load, PLACE + 0x5004);
    write_cr(4, cr4 | CR4_PGE);
    try("frame 3, global", load, map(5, 3, ACTIVE | PTE_G) + 4);
    table[5] = (uintptr_t)frame[0] | ACTIVE | PTE_G;
    write_cr(4, cr4);
    try("frame 0, PGE cleared", load, PLACE + 0x5004);
    memcpy(pml4[1], pml4[0], sizeof(pml4[1]));
    pml4[1][1] = 0;
    write_cr(3, (uintptr_t)pml4[1]);
    try("not in this space", load, PLACE + 0x5004);
    write_cr(3, (uintptr_t)pml4[0]);
    try("in this one", load, PLACE + 0x5004);
    directory[1] = ((uintptr_t)frame & ~(LARGE_PAGE_SIZE - 1ul)) | ACTIVE | PTE_PS;
    write_cr(3, (uintptr_t)pml4[0]);
    at = (volatile uint32_t *)(PLACE + LARGE_PAGE_SIZE +
                               ((uintptr_t)&frame[2][1] & (LARGE_PAGE_SIZE - 1)));
    flat_print("2-MiB page: %x, entry %lx", *at, directory[1] & 0xfff);
    pdpt[1] = 0 | ACTIVE | PTE_PS;
    at = (volatile uint32_t *)(PLACE + 0x40000000 + (uintptr_t)&frame[3][1]);
    if (cpuid(CPUID_EXTENDED, 0).edx & 0x04000000)
        flat_print("1-GiB page: %x, entry %lx", *at, pdpt[1] & 0xfff);
}

/* Level 4's last entry is the table itself: its tables can be written where they are seen. */
static void self_map(void)
{
    uintptr_t entry = 0xffffff8000000000 + (PLACE >> 9) + 7 * 8;

    pml4[0][511] = (uintptr_t)pml4[0] | ACTIVE;
    write_cr(3, (uintptr_t)pml4[0]);
    for (unsigned i = 0; i < 12; i++) {
        *(volatile uint64_t *)entry = (uintptr_t)frame[i % 4] | ACTIVE;
        invlpg(PLACE + 0x7000);
        at = (volatile uint32_t *)(PLACE + 0x7004);
        flat_print("through itself: %x, entry %lx", *at, *(volatile uint64_t *)entry & 0xfff);
    }
}

/*
 * In 32-bit code, by segments of this program. What they forbid isn't here: QEMU's CPU looks at no
 * limits and types (tests/unit/exits/test_segments.c has them).
 */
#define SELECTOR_OWN   0x38
#define OWN(low, high) ((uint64_t)(high) << 32 | (uint32_t)(low))

static const struct {
    const char *what;
    uint64_t descriptor;
    uint32_t offset;
} segments[] = {
    {"flat", DESCRIPTOR_DATA, 0},
    {"odd", DESCRIPTOR_DATA, 1},
    {"limit", OWN(0x00000fff, 0x00409300), 0xffe},
    {"grows down", OWN(0x00000fff, 0x00409700), 0x1000},
    {"grows down to 64 KiB", OWN(0x00000fff, 0x00009700), 0xfffe},
};

static bool is_lmsw;

/* `argument`: the offset, in the segment that DS holds then. */
static void word_32(void *argument)
{
    __asm__ volatile("lea 1f, %%rdx\n\t"
                     "push %0\n\t"
                     "push %%rdx\n\t"
                     "lretq\n\t"
                     ".code32\n"
                     "1:\tmov %%eax, %%ds\n\t"
                     "test %%ecx, %%ecx\n\t"
                     "jz 2f\n\t"
                     "lmsw (%%ebx)\n\t"
                     "jmp 3f\n"
                     "2:\tsmsw (%%ebx)\n"
                     "3:\tljmp %1, $4f\n\t"
                     ".code64\n"
                     "4:"
                     :
                     : "i"(SELECTOR_CODE32), "i"(SELECTOR_CODE), "a"(SELECTOR_OWN), "c"(is_lmsw),
                       "b"(segments[(uintptr_t)argument].offset)
                     : "rdx", "memory");
}

static void words_by_segments(void)
{
    static uint64_t gdt[SELECTOR_OWN / 8 + 1];
    struct table_pointer pointer = {sizeof(gdt) - 1, (uintptr_t)gdt};
    uint64_t base = (uintptr_t)frame[1];

    memcpy(gdt, flat_gdt, SELECTOR_OWN);
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    for (uintptr_t i = 0; i < 2 * sizeof(segments) / sizeof(segments[0]); i++) {
        uintptr_t row = i / 2;
        int vector;

        gdt[SELECTOR_OWN / 8] =
            segments[row].descriptor | (base & 0xffffff) << 16 | (base >> 24) << 56;
        is_lmsw = i % 2;
        memset(frame[1], 1, 2 * sizeof(frame[1])); /* PE */
        vector = flat_try(word_32, (void *)row);
        __asm__ volatile("mov %0, %%ds" : : "r"(SELECTOR_DATA));
        flat_print("%s by a segment, %s: %d, error %x, %x %x, CR0 %lx", is_lmsw ? "LMSW" : "SMSW",
                   segments[row].what, vector, vector < 0 ? 0 : flat_fault.error, frame[1][0],
                   frame[2][0], read_cr(0));
    }
    flat_load_tables();
}

static void build_tables(void)
{
    for (unsigned i = 0; i < 512; i++)
        pml4[0][i] = flat_pml4.entry[i];
    pml4[0][1] = (uintptr_t)pdpt | ACTIVE | PTE_US;
    pdpt[0] = (uintptr_t)directory | ACTIVE | PTE_US;
    directory[0] = (uintptr_t)table | ACTIVE | PTE_US;
    for (unsigned i = 0; i < 4;
         i++) { /* PAE's topmost entries have no rights (APM vol. 2, 5.2.3) */
        modes_pdpt[i] =
            (uintptr_t)(i == WINDOW >> 30 ? window_directory : flat_pd[i].entry) | PTE_P;
        long_pdpt[i] = modes_pdpt[i] | ACTIVE;
    }
    modes_pml4[0] = (uintptr_t)long_pdpt | ACTIVE;
    window_directory[0] = (uintptr_t)window_table | ACTIVE;
    for (unsigned i = 0; i < 1024; i++)
        modes_directory[i] = i << 22 | ACTIVE | PTE_PS;
    modes_directory[WINDOW >> 22] = (uint32_t)(uintptr_t)table_2level | ACTIVE;
    for (unsigned i = 0; i < 2; i++) {
        window_table[i] = (uintptr_t)frame[i] | ACTIVE;
        table_2level[i] = (uint32_t)(uintptr_t)frame[2 + i] | ACTIVE;
    }
}

static uint32_t hash_of(const struct note *from, const struct note *to)
{
    const uint8_t *byte = (const uint8_t *)from;
    uint32_t hash = 2166136261; /* FNV-1a */

    for (; byte < (const uint8_t *)to; byte++)
        hash = (hash ^ *byte) * 16777619;
    return hash;
}

static void trip(const char *steps, bool tell)
{
    struct note *end = modes_trip(steps, notes);

    flat_load_tables();
    flat_print("%s: %d notes, hash %x", steps, (int)(end - notes), hash_of(notes, end));
    for (const struct note *n = notes; tell && n < end; n++)
        flat_print("  %c: CR0 %x CR3 %x CR4 %x EFER %x read %x", (char)n->step, n->cr0, n->cr3,
                   n->cr4, n->efer, n->read);
}

static void trips(void)
{
    static const char all[] = "A2LeRT";
    uint32_t seed = 1;

    memcpy((void *)REAL_CODE, modes_real_code, (size_t)(modes_real_code_end - modes_real_code));
    trip("A2LeeRT", true);
    trip("RARTA2RL2A", true);
    for (unsigned order = 0; order < ORDERS; order++) {
        char steps[STEPS + 1] = {0};

        for (unsigned i = 0; i < STEPS; i++) {
            seed = seed * 1664525 + 1013904223;
            steps[i] = all[(seed >> 16) % 6];
        }
        trip(steps, false);
    }
    for (unsigned i = 0; i < 4; i++)
        flat_print("frame %u: %x %x", i, frame[i][0], frame[i][1]);
}

void flat_main(void)
{
    com2_start();
    build_tables();
    write_cr(3, (uintptr_t)pml4[0]);
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
    print_registers("at first");
    rights();
    remapping();
    self_map();
    words_by_segments();
    trips();
    print_registers("at last");
    flat_print("modes: end");
}
