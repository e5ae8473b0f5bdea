/* The IDTs and what happens to an exception in core: only an NMI is survived. */
#include "core/platform/console.h"
#include "core/platform/cpu.h"
#include "core/platform/instructions.h"
#include "core/platform/interrupts.h"
#include "core/platform/panic.h"

/* As vectors.S pushes it; from rip on: APM vol. 2, 8.9. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(offsetof(struct trap_frame, vector) == 15 * 8, "vectors.S pushes 15 registers");

#define VECTOR_STRIDE 16
#define HLT_LENGTH    1

extern const uint8_t vectors[VECTOR_COUNT][VECTOR_STRIDE];
void exception(struct trap_frame *frame);

static struct gate boot_idt[VECTOR_COUNT], run_idt[VECTOR_COUNT];

static const char *const names[EXCEPTION_COUNT] = {
    [0] = "#DE",  [1] = "#DB",  [2] = "NMI",  [3] = "#BP",  [4] = "#OF",  [5] = "#BR",
    [6] = "#UD",  [7] = "#NM",  [8] = "#DF",  [10] = "#TS", [11] = "#NP", [12] = "#SS",
    [13] = "#GP", [14] = "#PF", [16] = "#MF", [17] = "#AC", [18] = "#MC", [19] = "#XF",
    [21] = "#CP", [28] = "#HV", [29] = "#VC", [30] = "#SX",
};

static struct gate gate_to(const uint8_t *handler, uint8_t ist)
{
    uint64_t address = (uint64_t)handler;

    return (struct gate){
        .offset_low = (uint16_t)address,
        .selector = SELECTOR_CODE,
        .ist = ist,
        .type = GATE_INTERRUPT,
        .offset_middle = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

void idt_init(void)
{
    for (unsigned i = 0; i < VECTOR_COUNT; i++)
        boot_idt[i] = run_idt[i] = gate_to(vectors[i], 0);
    boot_idt[VECTOR_NMI].ist = 1;
    boot_idt[VECTOR_DF].ist = 2;
    boot_idt[VECTOR_MC].ist = 3;
}

static void load(const struct gate *idt)
{
    struct table_pointer pointer = {VECTOR_COUNT * sizeof(*idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void idt_load_boot(void)
{
    load(boot_idt);
}

void idt_load_run(void)
{
    load(run_idt);
}

/* What a CPU is kicked for it looks at before it sleeps: so a kick in between must not let it. */
static void take_nmi(struct cpu *cpu, struct trap_frame *f)
{
    panic_take_nmi();
    if (!__atomic_exchange_n(&cpu->kicked, 0, __ATOMIC_ACQ_REL))
        cpu->nmi_count++;
    if (f->rip == cpu->doze)
        f->rip += HLT_LENGTH;
}

void exception(struct trap_frame *f)
{
    if (f->vector == VECTOR_NMI) {
        take_nmi(cpu_current(), f);
        return;
    }
    if (f->vector >= EXCEPTION_COUNT) {
        interrupt_take(cpu_current(), (uint8_t)f->vector);
        return;
    }
    panic_begin();
    print("rip %016lx cs %04lx rflags %08lx rsp %016lx ss %04lx", f->rip, f->cs, f->rflags, f->rsp,
          f->ss);
    print("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    print("rsi %016lx rdi %016lx rbp %016lx  r8 %016lx", f->rsi, f->rdi, f->rbp, f->r8);
    print(" r9 %016lx r10 %016lx r11 %016lx r12 %016lx", f->r9, f->r10, f->r11, f->r12);
    print("r13 %016lx r14 %016lx r15 %016lx", f->r13, f->r14, f->r15);
    print("cr0 %08lx cr2 %016lx cr3 %08lx cr4 %08lx", read_cr0(), read_cr2(), read_cr3(),
          read_cr4());
    panic_end("exception in core: %s (vector %lu) error %lx at rip %lx on CPU %u. This is a bug in "
              "core: report the lines above",
              names[f->vector] ? names[f->vector] : "reserved", f->vector, f->error, f->rip,
              cpu_current()->index);
}
