/*
 * What a policy may have intercepted, one thing each, with all of its outcome: a test compares it
 * with that of a boot without the intercept. Named as in include/tables/intercepts.def.
 */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define PICTURE    0x123456789a000 /* what registers and memory are filled with */
#define NOT_MAPPED (1ull << 40)
#define WINDOW     0xc0000000 /* mapped by flat_pd[3].entry[0] */
#define WORDS      4

/* Selectors of this file's own descriptors, and their quadwords: data that isn't present. */
#define SELECTOR_ABSENT   0x38
#define DESCRIPTOR_ABSENT 0x00cf13000000ffff

static uint64_t seen[WORDS];

#define READ_REGISTER(name, text)                   \
    static void name(void *unused)                  \
    {                                               \
        (void)unused;                               \
        __asm__ volatile(text : "=r"(seen[0]) : :); \
    }
READ_REGISTER(cr0_read, "mov %%cr0, %0")
READ_REGISTER(cr2_read, "mov %%cr2, %0")
READ_REGISTER(cr3_read, "mov %%cr3, %0")
READ_REGISTER(cr4_read, "mov %%cr4, %0")
READ_REGISTER(cr8_read, "mov %%cr8, %0")
READ_REGISTER(dr0_read, "mov %%dr0, %0")
READ_REGISTER(dr1_read, "mov %%dr1, %0")
READ_REGISTER(dr2_read, "mov %%dr2, %0")
READ_REGISTER(dr3_read, "mov %%dr3, %0")
READ_REGISTER(dr4_read, ".byte 0x0f, 0x21, 0xe0; mov %%rax, %0")
READ_REGISTER(dr5_read, ".byte 0x0f, 0x21, 0xe8; mov %%rax, %0")
READ_REGISTER(dr6_read, "mov %%dr6, %0")
READ_REGISTER(dr7_read, "mov %%dr7, %0")

/* Writes another value, reads it, and writes the old one again. */
#define WRITE_REGISTER(name, reg, change)                                      \
    static void name(void *unused)                                             \
    {                                                                          \
        uint64_t old;                                                          \
                                                                               \
        (void)unused;                                                          \
        __asm__ volatile("mov %%" reg ", %0" : "=r"(old));                     \
        __asm__ volatile("mov %0, %%" reg : : "r"(old ^ (change)) : "memory"); \
        __asm__ volatile("mov %%" reg ", %0" : "=r"(seen[0]));                 \
        __asm__ volatile("mov %0, %%" reg : : "r"(old) : "memory");            \
        __asm__ volatile("mov %%" reg ", %0" : "=r"(seen[1]));                 \
    }
WRITE_REGISTER(cr0_write, "cr0", (uint64_t)CR0_TS)
WRITE_REGISTER(cr0_sel_write, "cr0", (uint64_t)CR0_AM)
WRITE_REGISTER(cr2_write, "cr2", PICTURE)
WRITE_REGISTER(cr3_write, "cr3", 0x18ull) /* PWT, PCD */
WRITE_REGISTER(cr4_write, "cr4", (uint64_t)CR4_DE)
WRITE_REGISTER(cr8_write, "cr8", 5ull)
WRITE_REGISTER(dr0_write, "dr0", PICTURE)
WRITE_REGISTER(dr1_write, "dr1", PICTURE + 1)
WRITE_REGISTER(dr2_write, "dr2", PICTURE + 2)
WRITE_REGISTER(dr3_write, "dr3", PICTURE + 3)
WRITE_REGISTER(dr6_write, "dr6", 5ull)
WRITE_REGISTER(dr7_write, "dr7", 0xf0000ull)

/* The assembler has no names for DR4 and DR5. */
static void dr4_write(void *unused)
{
    (void)unused;
    __asm__ volatile("mov $0xffff0ff3, %%eax; .byte 0x0f, 0x23, 0xe0; mov %%dr6, %0"
                     : "=r"(seen[0])
                     :
                     : "rax");
}

static void dr5_write(void *unused)
{
    (void)unused;
    __asm__ volatile("mov $0x00050400, %%eax; .byte 0x0f, 0x23, 0xe8; mov %%dr7, %0"
                     : "=r"(seen[0])
                     :
                     : "rax");
}

/* An instruction that may take RAX, RCX and RDX, and their values afterwards. */
#define INSTRUCTION(name, text, rax, rcx)                                      \
    static void name(void *unused)                                             \
    {                                                                          \
        uint64_t a = (rax), c = (rcx), d = 0;                                  \
                                                                               \
        (void)unused;                                                          \
        __asm__ volatile(text : "+a"(a), "+c"(c), "+d"(d) : : "memory", "cc"); \
        seen[0] = a;                                                           \
        seen[1] = c;                                                           \
        seen[2] = d;                                                           \
    }
INSTRUCTION(exception_de, "div %%rcx", 1, 0)
INSTRUCTION(exception_db, "pushf; orq $0x100, (%%rsp); popf; nop; mov $1, %%ecx", 0, 0)
INSTRUCTION(int3, "int3; mov $1, %%ecx", 0, 0)
INSTRUCTION(exception_ud, "ud2", 0, 0)
INSTRUCTION(exception_nm, "mov %%cr0, %%rax; or $8, %%rax; mov %%rax, %%cr0; fninit", 0, 0)
INSTRUCTION(exception_gp, "mov (%%rax), %%rcx", 1ull << 62, 0)
INSTRUCTION(exception_pf, "mov %%rcx, 8(%%rax)", NOT_MAPPED, 0)
INSTRUCTION(exception_mf, "fninit; push $0x37b; fldcw (%%rsp); pop %%rcx; fldz; fld1; fdivp; fwait",
            0, 0)
INSTRUCTION(exception_ts, "int $8", 0, 0)
INSTRUCTION(exception_np, "mov %%ecx, %%es", 0, SELECTOR_ABSENT)
INSTRUCTION(exception_ss, "mov %%ecx, %%ss", 0, SELECTOR_ABSENT)
INSTRUCTION(idtr_read, "sub $16, %%rsp; sidt (%%rsp); add $16, %%rsp", 0, 0)
INSTRUCTION(gdtr_read, "sub $16, %%rsp; sgdt (%%rsp); add $16, %%rsp", 0, 0)
INSTRUCTION(ldtr_read, "sldt %%ax", 0, 0)
INSTRUCTION(tr_read, "str %%ax", 0, 0)
INSTRUCTION(ldtr_write, "lldt %%ax", 0, 0)
INSTRUCTION(rdpmc, "rdpmc", 0, 0)
INSTRUCTION(pushf, "pushf; pop %%rax; and $0xd5, %%eax", 0, 0)
INSTRUCTION(popf, "pushf; popf", 0, 0)
INSTRUCTION(cpuid_probe, "push %%rbx; cpuid; pop %%rbx", 0x40000000, 0)
INSTRUCTION(rsm, "rsm", 0, 0)
INSTRUCTION(iret, "int $0x81", 0, 0)
INSTRUCTION(invd, "invd", PICTURE, 0)
INSTRUCTION(pause, "pause", PICTURE, 1)
INSTRUCTION(invlpga, "invlpga", 0, 0)
INSTRUCTION(ioio, "in $0x92, %%al", 0, 0)
INSTRUCTION(msr, "rdmsr", 0, MSR_EFER)
INSTRUCTION(vmrun, "vmrun", 0, 0)
INSTRUCTION(vmload, "vmload", 0, 0)
INSTRUCTION(vmsave, "vmsave", 0, 0)
INSTRUCTION(stgi, "stgi", 0, 0)
INSTRUCTION(clgi, "clgi", 0, 0)
INSTRUCTION(skinit, "skinit", 0, 0)
INSTRUCTION(wbinvd, "wbinvd", PICTURE, 0)
INSTRUCTION(monitor, "monitor", 0, 0)
INSTRUCTION(mwait, "mwait", 0, 0)

/* BOUND isn't there in 64-bit code. */
static void exception_br(void *unused)
{
    static const uint32_t bounds[2] = {1, 2};

    (void)unused;
    __asm__ volatile("lea 1f, %%rdx\n\t"
                     "push %0\n\t"
                     "push %%rdx\n\t"
                     "lretq\n\t"
                     ".code32\n"
                     "1:\tbound %%eax, (%%ecx)\n\t"
                     ".code64"
                     :
                     : "i"(SELECTOR_CODE32), "a"(3), "c"(bounds)
                     : "rdx", "memory");
}

/* It arrives once, and the next instruction is executed. */
static void int_n(void *unused)
{
    uint64_t after = 0;

    (void)unused;
    __asm__ volatile("int $0x80; mov $1, %0" : "+r"(after) : : "memory");
    seen[0] = flat_arrived[0x80];
    seen[1] = after;
    flat_arrived[0x80] = 0;
}

static void rdtsc(void *unused)
{
    uint64_t before = read_tsc(), after = read_tsc();

    (void)unused;
    seen[0] = after > before;
    seen[1] = after - before < 1ull << 32;
}

static void rdtscp(void *unused)
{
    uint64_t before = read_tsc();
    uint32_t low, high, aux;

    (void)unused;
    write_msr(MSR_TSC_AUX, 0x89abcdef);
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
    seen[0] = ((uint64_t)high << 32 | low) > before;
    seen[1] = aux;
}

/* Another page appears where one was mapped and read. */
static void invlpg(void *unused)
{
    static _Alignas(PAGE_SIZE) volatile uint64_t page[PAGE_ENTRIES];
    uintptr_t large = (uintptr_t)page & ~(uintptr_t)(LARGE_PAGE_SIZE - 1);
    volatile uint64_t *window = (volatile uint64_t *)(WINDOW + ((uintptr_t)page - large));
    uint64_t old = flat_pd[3].entry[0];

    (void)unused;
    page[0] = PICTURE;
    *(volatile uint64_t *)&flat_pd[3].entry[0] =
        (large ^ LARGE_PAGE_SIZE) | PTE_P | PTE_RW | PTE_PS;
    __asm__ volatile("invlpg %0" : : "m"(*window) : "memory");
    seen[0] = window[0] == PICTURE;
    *(volatile uint64_t *)&flat_pd[3].entry[0] = large | PTE_P | PTE_RW | PTE_PS;
    __asm__ volatile("invlpg %0" : : "m"(*window) : "memory");
    seen[1] = window[0];
    flat_pd[3].entry[0] = old;
    __asm__ volatile("invlpg %0" : : "m"(*window) : "memory");
}

static void vmmcall(void *unused)
{
    (void)unused;
    seen[0] = (uint64_t)bh_call(BH_CALL_VERSION, 0, 0, 0).result;
}

static const struct probe {
    const char *name;
    void (*run)(void *);
} probes[] = {
#define P(name)     \
    {               \
#name, name \
    }
    P(cr0_read),
    P(cr2_read),
    P(cr3_read),
    P(cr4_read),
    P(cr8_read),
    P(cr0_write),
    P(cr0_sel_write),
    P(cr2_write),
    P(cr3_write),
    P(cr4_write),
    P(cr8_write),
    P(dr0_read),
    P(dr1_read),
    P(dr2_read),
    P(dr3_read),
    P(dr4_read),
    P(dr5_read),
    P(dr6_read),
    P(dr7_read),
    P(dr0_write),
    P(dr1_write),
    P(dr2_write),
    P(dr3_write),
    P(dr4_write),
    P(dr5_write),
    P(dr6_write),
    P(dr7_write),
    P(exception_de),
    P(exception_db),
    P(int3),
    P(exception_br),
    P(exception_ud),
    P(exception_nm),
    P(exception_ts),
    P(exception_np),
    P(exception_ss),
    P(exception_gp),
    P(exception_pf),
    P(exception_mf),
    P(idtr_read),
    P(gdtr_read),
    P(ldtr_read),
    P(tr_read),
    P(ldtr_write),
    P(rdtsc),
    P(rdpmc),
    P(pushf),
    P(popf),
    {"cpuid", cpuid_probe},
    P(rsm),
    P(iret),
    P(int_n),
    P(invd),
    P(pause),
    P(invlpg),
    P(invlpga),
    P(ioio),
    P(msr),
    P(vmrun),
    P(vmmcall),
    P(vmload),
    P(vmsave),
    P(stgi),
    P(clgi),
    P(skinit),
    P(rdtscp),
    P(wbinvd),
    P(monitor),
    P(mwait),
#undef P
};

/* Descriptor tables in which something is missing: a segment, and most of the TSS. */
static void spoil_tables(void)
{
    static uint64_t gdt[SELECTOR_ABSENT / 8 + 1];
    struct table_pointer pointer = {sizeof(gdt) - 1, (uintptr_t)gdt};

    memcpy(gdt, flat_gdt, SELECTOR_ABSENT);
    gdt[SELECTOR_ABSENT / 8] = DESCRIPTOR_ABSENT;
    gdt[SELECTOR_TSS / 8] &= ~(2ull << 40 | 0xffff);
    gdt[SELECTOR_TSS / 8] |= 0x1f;
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(SELECTOR_TSS) : "memory");
}

/* Ends what an exception leaves half done. */
static void tidy(void)
{
    uint64_t cr0;

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 & ~(uint64_t)CR0_TS));
    __asm__ volatile("fnclex; fninit");
}

static void run(const struct probe *probe)
{
    bool spoils = strcmp(probe->name, "exception_ts") == 0 ||
                  strcmp(probe->name, "exception_np") == 0 ||
                  strcmp(probe->name, "exception_ss") == 0;
    int vector;

    memset(seen, 0, sizeof(seen));
    flat_fault = (struct flat_fault){0};
    if (spoils)
        spoil_tables();
    vector = flat_try(probe->run, NULL);
    if (spoils)
        flat_load_tables();
    flat_print("standin: %s: vector %d error %x rip %lx cr2 %lx seen %lx %lx %lx %lx", probe->name,
               vector, flat_fault.error, flat_fault.rip, vector == VECTOR_PF ? flat_fault.cr2 : 0,
               seen[0], seen[1], seen[2], seen[3]);
    tidy();
}

void probe_named(const char *name)
{
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
        if (strcmp(probes[i].name, name) == 0) {
            run(&probes[i]);
            return;
        }
    flat_print("standin: error: there is no probe %s", name);
}
