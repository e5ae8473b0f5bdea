/* How each row of include/tables/vcpu_state.def is read and written by a domain. */
#include "tests/domains/share_registers.h"
#include "domains/lib/cpu.h"
#include "lib/memory.h"

#define CANONICAL 0x00007fffffffffffull
#define CR4_KEPT  (CR4_TSD | CR4_DE | CR4_PCE | CR4_OSXSAVE)
#define CR0_KEPT  (CR0_AM | CR0_NE | CR0_MP)
#define ALL       UINT64_MAX

/* An area of XSAVE (APM vol. 2, 11.5.7). */
static _Alignas(64) struct {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved_5;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint64_t st[8][2], xmm[16][2];
    uint8_t reserved_416[96];
    uint64_t components, reserved_520[7];
    uint64_t ymm[16][2];
    uint8_t more[64];
} area;
_Static_assert(sizeof(area) == 896, "x87, SSE, header, AVX, filled up");

static void write_xcr0(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"(0));
}

static uint64_t read_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* With all components on, whatever the row `xcr0` has left. */
static void save_area(void)
{
    uint64_t xcr0 = read_xcr0();

    write_xcr0(7);
    memset(&area, 0, sizeof(area));
    __asm__ volatile("xsave64 %0" : "=m"(area) : "a"(7), "d"(0));
    write_xcr0(xcr0);
}

static void load_area(void)
{
    uint64_t xcr0 = read_xcr0();

    write_xcr0(7);
    area.components = 7;
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(7), "d"(0));
    write_xcr0(xcr0);
}

static void get_area(unsigned row, uint64_t *words)
{
    save_area();
    switch (row) {
    case ROW_x87:
        words[0] = area.fsw | (uint64_t)area.ftw << 16;
        for (unsigned i = 0; i < 16; i++)
            words[1 + i] = area.st[i / 2][i % 2];
        break;
    case ROW_fcw:
        words[0] = area.fcw;
        break;
    case ROW_mxcsr:
        words[0] = area.mxcsr;
        break;
    case ROW_xmm:
        memcpy(words, area.xmm, sizeof(area.xmm));
        break;
    default:
        memcpy(words, area.ymm, sizeof(area.ymm));
    }
}

static void set_area(unsigned row, const uint64_t *words)
{
    save_area();
    switch (row) {
    case ROW_x87:
        area.fsw = (uint16_t)words[0];
        area.ftw = (uint8_t)(words[0] >> 16);
        for (unsigned i = 0; i < 16; i++)
            area.st[i / 2][i % 2] = words[1 + i];
        break;
    case ROW_fcw:
        area.fcw = (uint16_t)words[0];
        break;
    case ROW_mxcsr:
        area.mxcsr = (uint32_t)words[0];
        break;
    case ROW_xmm:
        memcpy(area.xmm, words, sizeof(area.xmm));
        break;
    default:
        memcpy(area.ymm, words, sizeof(area.ymm));
    }
    load_area();
}

static void get_msr(unsigned number, uint64_t *words)
{
    words[0] = read_msr(number);
}

static void set_msr(unsigned number, const uint64_t *words)
{
    write_msr(number, words[0]);
}

/* By RDTSCP, too. */
static void get_aux(unsigned number, uint64_t *words)
{
    uint32_t aux;

    __asm__ volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
    words[0] = read_msr(number);
    words[1] = aux;
}

static void get_efer(unsigned number, uint64_t *words)
{
    words[0] = read_msr(number) & ~(uint64_t)(EFER_LME | EFER_LMA); /* by which it got here */
}

static void set_efer(unsigned number, const uint64_t *words)
{
    write_msr(number, words[0] | EFER_LME | EFER_LMA);
}

#define GETTER(name)                                               \
    static void get_##name(unsigned number, uint64_t *words)       \
    {                                                              \
        (void)number;                                              \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(words[0]));  \
    }                                                              \
    static void set_##name(unsigned number, const uint64_t *words) \
    {                                                              \
        (void)number;                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(words[0]));    \
    }
GETTER(cr2)
GETTER(cr8)
GETTER(dr0)
GETTER(dr1)
GETTER(dr2)
GETTER(dr3)
GETTER(dr6)
GETTER(dr7)
#undef GETTER

static uint64_t read_cr0(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static void write_cr4(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

/* With CR4 and the limits of GDTR and IDTR. */
static void get_cr0(unsigned number, uint64_t *words)
{
    struct table_pointer gdt, idt;

    (void)number;
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    words[0] = read_cr0() & CR0_KEPT;
    words[1] = read_cr4() & CR4_KEPT;
    words[2] = gdt.limit;
    words[3] = idt.limit;
}

static void set_cr0(unsigned number, const uint64_t *words)
{
    struct table_pointer gdt, idt;

    (void)number;
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    gdt.limit = (uint16_t)words[2];
    idt.limit = (uint16_t)words[3];
    __asm__ volatile("lgdt %0; lidt %1" : : "m"(gdt), "m"(idt));
    __asm__ volatile("mov %0, %%cr0" : : "r"((read_cr0() & ~(uint64_t)CR0_KEPT) | words[0]));
    write_cr4((read_cr4() & ~(uint64_t)CR4_KEPT) | words[1]);
}

/* General registers and flags are loaded by share_spin(), and stored in the end. */
static void get_spun(unsigned first, uint64_t *words)
{
    memcpy(words, share_spin_registers + first, (first ? 1 : 16) * sizeof(*words));
    if (first)
        words[0] &= SHARE_FLAGS;
}

static void set_spun(unsigned first, const uint64_t *words)
{
    memcpy(share_spin_registers + first, words, (first ? 1 : 16) * sizeof(*words));
}

static void get_xcr0(unsigned number, uint64_t *words)
{
    (void)number;
    words[0] = read_xcr0();
}

static void set_xcr0(unsigned number, const uint64_t *words)
{
    (void)number;
    write_xcr0(words[0]);
}

static void get_pkru(unsigned number, uint64_t *words)
{
    uint32_t value = 0, high;

    (void)number;
    if (share_has_keys)
        __asm__ volatile("rdpkru" : "=a"(value), "=d"(high) : "c"(0));
    words[0] = value;
}

static void set_pkru(unsigned number, const uint64_t *words)
{
    (void)number;
    if (share_has_keys)
        __asm__ volatile("wrpkru" : : "a"((uint32_t)words[0]), "c"(0), "d"(0));
}

static void try_read(void *number)
{
    read_msr((uint32_t)(uintptr_t)number);
}

static void try_write(void *number)
{
    write_msr((uint32_t)(uintptr_t)number, 1);
}

/* What no domain has can't be written, and tells nothing. */
static void get_hidden(unsigned number, uint64_t *words)
{
    void *argument = (void *)(uintptr_t)number;

    EXPECT(flat_try(try_write, argument) == VECTOR_GP);
    words[0] = 0;
    if (flat_try(try_read, argument) != VECTOR_GP)
        words[0] = read_msr(number);
}

static void set_hidden(unsigned number, const uint64_t *words)
{
    (void)number;
    (void)words;
}

/*
 * No breakpoint is on: QEMU 7.2 dies when VMRUN has changed DR7 under one.
 *
 * value: of the early and of the late one, where not every value is legal; else a pattern. */
const struct way ways[ROWS] = {
    [ROW_gpr] = {get_spun, set_spun, 0, 16, ALL, {{0}}},
    [ROW_rflags] = {get_spun, set_spun, 16, 1, 0, {{0x200002 | 1}, {0x043002}}},
    [ROW_cr0] = {get_cr0,
                 set_cr0,
                 0,
                 4,
                 0,
                 {{CR0_AM | CR0_NE, CR4_DE | CR4_OSXSAVE, 0x37, 0xfff},
                  {CR0_NE | CR0_MP, CR4_PCE | CR4_OSXSAVE, 0x57, 0xeff}}},
    [ROW_cr2] = {get_cr2, set_cr2, 0, 1, ALL, {{0}}},
    [ROW_cr8] = {get_cr8, set_cr8, 0, 1, 0, {{5}, {9}}},
    [ROW_dr6] = {get_dr6, set_dr6, 0, 1, 0, {{0xffff4ff5}, {0xffff8ffa}}},
    [ROW_dr7] = {get_dr7, set_dr7, 0, 1, 0, {{0x00110500}, {0x0d000600}}},
    [ROW_dr0] = {get_dr0, set_dr0, 0, 1, CANONICAL, {{0}}},
    [ROW_dr1] = {get_dr1, set_dr1, 0, 1, CANONICAL, {{0}}},
    [ROW_dr2] = {get_dr2, set_dr2, 0, 1, CANONICAL, {{0}}},
    [ROW_dr3] = {get_dr3, set_dr3, 0, 1, CANONICAL, {{0}}},
    [ROW_efer] = {get_efer, set_efer, MSR_EFER, 1, 0, {{EFER_SCE}, {EFER_NXE}}},
    [ROW_pat] = {get_msr, set_msr, MSR_PAT, 1, 0, {{0x0001050600070406}, {0x0407000600050406}}},
    [ROW_star] = {get_msr, set_msr, 0xc0000081, 1, ALL, {{0}}},
    [ROW_lstar] = {get_msr, set_msr, 0xc0000082, 1, CANONICAL, {{0}}},
    [ROW_cstar] = {get_msr, set_msr, 0xc0000083, 1, CANONICAL, {{0}}},
    [ROW_sfmask] = {get_msr, set_msr, 0xc0000084, 1, UINT32_MAX, {{0}}},
    [ROW_sysenter_cs] = {get_msr, set_msr, 0x174, 1, 0xffff, {{0}}},
    [ROW_sysenter_esp] = {get_msr, set_msr, 0x175, 1, CANONICAL, {{0}}},
    [ROW_sysenter_eip] = {get_msr, set_msr, 0x176, 1, CANONICAL, {{0}}},
    [ROW_fs_base] = {get_msr, set_msr, MSR_FS_BASE, 1, CANONICAL, {{0}}},
    [ROW_gs_base] = {get_msr, set_msr, MSR_GS_BASE, 1, CANONICAL, {{0}}},
    [ROW_kernel_gs_base] = {get_msr, set_msr, 0xc0000102, 1, CANONICAL, {{0}}},
    [ROW_tsc_aux] =
        {get_aux, set_msr, MSR_TSC_AUX, 2, 0, {{0x13579bdf, 0x13579bdf}, {0x2468ace0, 0x2468ace0}}},
    [ROW_x87] = {get_area, set_area, ROW_x87, 17, 0x7fff, {{0}}},
    [ROW_fcw] = {get_area, set_area, ROW_fcw, 1, 0, {{0x27f}, {0xc7f}}},
    [ROW_xmm] = {get_area, set_area, ROW_xmm, 32, ALL, {{0}}},
    [ROW_mxcsr] = {get_area, set_area, ROW_mxcsr, 1, 0, {{0x9f80}, {0x3f80}}},
    [ROW_ymm] = {get_area, set_area, ROW_ymm, 32, ALL, {{0}}},
    [ROW_xcr0] = {get_xcr0, set_xcr0, 0, 1, 0, {{7}, {3}}},
    [ROW_pkru] = {get_pkru, set_pkru, 0, 1, 0, {{0x50}, {0xa0}}},
    [ROW_spec_ctrl] = {get_hidden, set_hidden, 0x48, 1, 0, {{0}}},
    [ROW_xss] = {get_hidden, set_hidden, 0xda0, 1, 0, {{0}}},
    [ROW_debugctl] = {get_hidden, set_hidden, 0x1d9, 1, 0, {{0}}},
    [ROW_perf_counters] = {get_hidden, set_hidden, 0xc0010000, 1, 0, {{0}}},
    [ROW_shadow_stacks] = {get_hidden, set_hidden, 0x6a0, 1, 0, {{0}}},
};

void share_prepare(void)
{
    write_cr4(read_cr4() | CR4_OSXSAVE | (share_has_keys ? CR4_PKE : 0));
}
