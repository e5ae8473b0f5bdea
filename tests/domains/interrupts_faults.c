/*
 * Interrupts, NMIs and exceptions whose delivery faults, in both ways to have interrupts. On the
 * bare machine the fault's handler is all that runs then: the interrupt was acknowledged before,
 * and stays in service (APM vol. 2, 8.2.9, 16.6). QEMU 7.2 keeps V_IRQ in such a case, and delivers
 * it again when the handler returns: so it may come once, or not.
 */
#include "domains/lib/cpu.h"
#include "tests/domains/interrupts.h"

#define VECTOR    0x71
#define PLACE     0x40000000ull /* linear: the stacks */
#define STACKS    8u
#define IST_FAULT 2
#define IN_IDT    2u /* in a selector's error code, 8.4.1 */

static _Alignas(4096) struct page_table table;
static _Alignas(4096) uint8_t stacks[STACKS][4096], fault_stack[4096];
static const struct way *way;
static unsigned faults[EXCEPTION_COUNT];
static uint32_t last_error;
static uint64_t last_cr2;

static struct gate *gate_of(unsigned vector)
{
    struct table_pointer idt;

    __asm__ volatile("sidt %0" : "=m"(idt));
    return (struct gate *)(uintptr_t)idt.base + vector;
}

static struct tss *tss(void)
{
    uint64_t low = flat_gdt[SELECTOR_TSS / 8];

    return (struct tss *)(uintptr_t)((low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24);
}

static void set_gate_present(unsigned vector, bool is_present)
{
    gate_of(vector)->type = is_present ? GATE_INTERRUPT : GATE_INTERRUPT & 0x7f;
}

static void map(uint64_t stack, bool is_present)
{
    uint64_t linear = PLACE + stack * 4096;

    table.entry[stack] = (uintptr_t)stacks[stack] | PTE_RW | (is_present ? PTE_P : 0);
    __asm__ volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

static uint64_t top_of(uint64_t stack)
{
    return PLACE + stack * 4096 + 4096;
}

/* Mends what the case has broken. */
bool flat_mends(struct flat_frame *frame)
{
    faults[frame->vector]++;
    last_error = (uint32_t)frame->error;
    switch (frame->vector) {
    case VECTOR_NP:
        set_gate_present(VECTOR, true);
        return true;
    case VECTOR_PF:
        __asm__ volatile("mov %%cr2, %0" : "=r"(last_cr2));
        if (last_cr2 - PLACE >= STACKS * 4096)
            return false;
        map((last_cr2 - PLACE) / 4096, true);
        return true;
    case VECTOR_UD:
        frame->rip += 3;
        return true;
    default:
        return false;
    }
}

static void begin(const char *name)
{
    flat_print("case: %s", name);
    disable();
    on_interrupt = way->end;
    forget_arrivals();
    flat_arrived[VECTOR] = flat_arrived[VECTOR_NMI] = 0;
    for (unsigned i = 0; i < EXCEPTION_COUNT; i++)
        faults[i] = 0;
    gate_of(VECTOR_PF)->ist = IST_FAULT;
}

/* Lets interrupts in while RSP is that. */
static void open_on(void *stack)
{
    __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; sti; nop; cli; mov %%rbx, %%rsp"
                     :
                     : "r"(stack)
                     : "rbx", "memory");
}

static void *address(uint64_t stack)
{
    return (void *)(uintptr_t)top_of(stack);
}

static void expect_once_or_in_service(void)
{
    if (flat_arrived[VECTOR] == 0) {
        EXPECT(way->is_in_service(VECTOR));
        way->end(VECTOR);
        way->send(VECTOR);
        enable();
        disable();
    }
    EXPECT(flat_arrived[VECTOR] == 1);
    EXPECT(!way->is_in_service(VECTOR));
}

static void gate_absent(void)
{
    begin("a gate that isn't present is #NP, in the interrupt's place");
    set_gate_present(VECTOR, false);
    way->send(VECTOR);
    enable();
    disable();
    EXPECT(faults[VECTOR_NP] == 1);
    EXPECT(last_error & IN_IDT); /* QEMU 7.2 tells another gate's number, and not EXT */
    expect_once_or_in_service();
}

static void stack_absent(uint64_t stack)
{
    begin("a stack that isn't present is #PF, in the interrupt's place");
    map(stack, false);
    way->send(VECTOR);
    open_on(address(stack));
    EXPECT(faults[VECTOR_PF] == 1 && faults[VECTOR_DF] == 0);
    EXPECT(last_cr2 / 4096 == (top_of(stack) - 1) / 4096 && (last_error & 7) == 2);
    expect_once_or_in_service();
}

static void double_fault(uint64_t stack)
{
    begin("a #PF that has no stack either is #DF");
    map(stack, false);
    gate_of(VECTOR_PF)->ist = 0;
    way->send(VECTOR);
    EXPECT(flat_try(open_on, address(stack)) == VECTOR_DF);
    EXPECT(faults[VECTOR_PF] == 0 && faults[VECTOR_DF] == 1 && last_error == 0);
    disable();
    expect_once_or_in_service();
}

/* With shadow tables the first push there is core's affair, and nobody else's. */
static void stacks_untouched(uint64_t first, uint64_t end)
{
    begin("a stack that was never touched takes an interrupt");
    for (uint64_t stack = first; stack < end; stack++) {
        map(stack, true);
        way->send(VECTOR);
        open_on(address(stack));
        EXPECT(flat_arrived[VECTOR] == stack - first + 1);
        EXPECT(!way->is_in_service(VECTOR));
    }
    EXPECT(faults[VECTOR_PF] == 0);
}

static void nmi(uint64_t stack)
{
    begin("an NMI whose stack isn't present is #PF, and the next one comes");
    map(stack, false);
    way->nmi_on(top_of(stack));
    EXPECT(faults[VECTOR_PF] == 1 && flat_arrived[VECTOR_NMI] == 0);
    way->nmi_on(top_of(stack));
    EXPECT(faults[VECTOR_PF] == 1 && flat_arrived[VECTOR_NMI] == 1);
    map(stack + 1, true); /* never touched */
    way->nmi_on(top_of(stack + 1));
    EXPECT(faults[VECTOR_PF] == 1 && flat_arrived[VECTOR_NMI] == 2);
}

static void injected_exception(uint64_t stack)
{
    begin("an exception that core injects and whose stack isn't present comes after the #PF");
    map(stack, false);
    __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; .byte 0x0f, 0x01, 0xd8; mov %%rbx, %%rsp"
                     :
                     : "r"(top_of(stack)), "a"(0) /* VMRUN */
                     : "rbx", "memory");
    EXPECT(faults[VECTOR_PF] == 1 && faults[VECTOR_UD] == 1);
}

void run_faults(const struct way *ours)
{
    way = ours;
    flat_pd[PLACE >> 30].entry[0] = (uintptr_t)&table | PTE_P | PTE_RW;
    map(0, false); /* and its TLB entry goes */
    tss()->ist[IST_FAULT - 1] = (uintptr_t)(fault_stack + sizeof(fault_stack));
    gate_absent();
    stack_absent(0);
    double_fault(1);
    stacks_untouched(2, 5);
    nmi(5);
    injected_exception(7);
    gate_of(VECTOR_PF)->ist = 0;
}
