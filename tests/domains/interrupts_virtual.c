/* A domain with virtual interrupts: each case is a rule of APM vol. 2, chapter 16, or 15.21. */
#include "domains/lib/cpu.h"
#include "hw/apic.h"
#include "tests/domains/interrupts.h"
#include "tests/domains/x2apic.h"

#define PERIODIC 0x20000u
#define DEADLINE 0x40000u
#define BY_ONE   0xbu
#define NMI_IPI  0x400u
#define BASE     0xfee00d00u /* enabled, x2APIC, boot processor */
#define SOON     2000000u    /* of the TSC */

static void eoi(void)
{
    write_msr(EOI, 0);
}

static void end(uint8_t vector)
{
    if (vector != VECTOR_NMI)
        eoi();
}

static void send(uint8_t vector)
{
    write_msr(SELF_IPI, vector);
}

static bool is_set(uint32_t first, uint8_t vector)
{
    return read_msr(first + vector / 32) >> vector % 32 & 1;
}

static void begin(const char *name)
{
    disable();
    on_interrupt = end;
    forget_arrivals();
    flat_print("case: %s", name);
}

static void expect_order(unsigned count, const uint8_t *vectors)
{
    EXPECT(arrivals == count);
    for (unsigned i = 0; i < count; i++)
        EXPECT(order[i] == vectors[i]);
    forget_arrivals();
}
#define EXPECT_ORDER(...)                                \
    do {                                                 \
        static const uint8_t vectors_[] = {__VA_ARGS__}; \
        expect_order(sizeof(vectors_), vectors_);        \
    } while (0)

static void start(void)
{
    begin("start");
    EXPECT(read_msr(MSR_APIC_BASE) == BASE);
    EXPECT(read_msr(ID) == 0);
    write_msr(SVR, 0x1ff);
    write_msr(DIVIDE, BY_ONE);
}

static void self_ipi(void)
{
    begin("an IPI to itself comes at once");
    enable();
    send(0x51);
    EXPECT_ORDER(0x51);
    write_msr(ICR, 0x40052);
    EXPECT_ORDER(0x52);
    write_msr(ICR, 0x53); /* by its id, which is 0 */
    EXPECT_ORDER(0x53);
    EXPECT(!is_set(ISR, 0x51) && !is_set(IRR, 0x51));
}

static void if_holds_back(void)
{
    begin("IF holds back");
    send(0x51);
    EXPECT(arrivals == 0);
    EXPECT(is_set(IRR, 0x51));
    enable();
    EXPECT_ORDER(0x51);
}

static volatile uint32_t mark, mark_seen;

static void see_mark(uint8_t vector)
{
    mark_seen = mark;
    end(vector);
}

static void sti_shadow(void)
{
    begin("STI holds back for one instruction, POPF doesn't");
    on_interrupt = see_mark;
    mark = 0;
    send(0x51);
    __asm__ volatile("sti; movl $1, %0; movl $2, %0" : "=m"(mark) : : "memory");
    EXPECT(mark_seen == 1);
    EXPECT_ORDER(0x51);
    disable();
    mark = 0;
    send(0x51);
    __asm__ volatile("pushfq; orl $0x200, (%%rsp); popfq; movl $1, %0" : "=m"(mark) : : "memory");
    EXPECT(mark_seen == 0);
    EXPECT_ORDER(0x51);
}

static void by_priority(void)
{
    begin("the highest first");
    send(0x31);
    send(0x81);
    send(0x61);
    send(0x41);
    send(0x61); /* pending already */
    enable();
    EXPECT_ORDER(0x81, 0x61, 0x41, 0x31);
}

static void nest(uint8_t vector)
{
    if (vector == 0x51) {
        send(0x31);
        send(0x5f);
        send(0x71);
        enable();
        EXPECT(arrivals == 2 && order[1] == 0x71); /* nested, and nothing but that */
        disable();
        EXPECT(is_set(IRR, 0x31) && is_set(IRR, 0x5f) && is_set(ISR, 0x51));
        EXPECT(read_msr(PPR) == 0x50);
    }
    eoi();
}

static void nesting(void)
{
    begin("a higher class interrupts a handler, others wait for its EOI");
    on_interrupt = nest;
    enable();
    send(0x51);
    EXPECT_ORDER(0x51, 0x71, 0x5f, 0x31);
}

static void no_eoi(uint8_t vector)
{
    (void)vector;
}

static void eoi_releases(void)
{
    begin("without an EOI nothing of its class comes");
    on_interrupt = no_eoi;
    enable();
    send(0x51);
    send(0x52);
    EXPECT_ORDER(0x51);
    on_interrupt = end;
    eoi();
    EXPECT_ORDER(0x52);
}

static void tpr(void)
{
    begin("TPR holds back its class and below");
    enable();
    write_msr(TPR, 0x50);
    send(0x51);
    send(0x5f);
    send(0x41);
    EXPECT(arrivals == 0);
    send(0x61);
    EXPECT_ORDER(0x61);
    write_msr(TPR, 0x40);
    EXPECT_ORDER(0x5f, 0x51);
    write_msr(TPR, 0);
    EXPECT_ORDER(0x41);
}

static void cr8(void)
{
    begin("CR8 is TPR's class");
    write_cr8(7);
    EXPECT(read_cr8() == 7 && read_msr(TPR) == 0x70 && read_msr(PPR) == 0x70);
    write_msr(TPR, 0x35);
    EXPECT(read_cr8() == 3 && read_msr(TPR) == 0x35);
    enable();
    write_cr8(5);
    send(0x51);
    EXPECT(arrivals == 0);
    write_cr8(4);
    EXPECT_ORDER(0x51);
    disable();
    write_cr8(0);
    send(0x51);
    send(0x61);
    write_cr8(5); /* while it is offered: the same class */
    enable();
    EXPECT_ORDER(0x61);
    write_cr8(0xf);
    send(0xf1);
    EXPECT(arrivals == 0);
    write_cr8(0);
    EXPECT_ORDER(0xf1, 0x51);
}

static void software_int(void)
{
    begin("INT n is no interrupt request");
    send(0x71);
    on_interrupt = no_eoi;
    __asm__ volatile("int $0x31" : : : "memory");
    EXPECT_ORDER(0x31);
    EXPECT(is_set(IRR, 0x71) && !is_set(ISR, 0x31));
    on_interrupt = end;
    enable();
    EXPECT_ORDER(0x71);
}

static void timer(void)
{
    uint64_t before;

    begin("timer: one-shot, periodic, deadline");
    enable();
    write_msr(LVT_TIMER, 0x44);
    before = read_tsc();
    write_msr(COUNT, SOON);
    AWAIT(arrivals == 1);
    EXPECT(read_tsc() - before >= SOON);
    EXPECT(read_msr(CURRENT) == 0);
    EXPECT_ORDER(0x44);

    write_msr(LVT_TIMER, PERIODIC | 0x45);
    before = read_tsc();
    write_msr(COUNT, SOON);
    AWAIT(arrivals >= 5);
    EXPECT(read_tsc() - before >= 5ull * SOON);
    write_msr(COUNT, 0);
    EXPECT(order[0] == 0x45 && order[4] == 0x45);
    forget_arrivals();

    write_msr(LVT_TIMER, DEADLINE | 0x46);
    before = read_tsc() + SOON;
    write_msr(MSR_TSC_DEADLINE, before);
    AWAIT(arrivals == 1);
    EXPECT(read_tsc() >= before && read_msr(MSR_TSC_DEADLINE) == 0);
    EXPECT_ORDER(0x46);
    write_msr(MSR_TSC_DEADLINE, 1); /* past: at once */
    EXPECT_ORDER(0x46);

    write_msr(LVT_TIMER, APIC_LVT_MASKED | 0x47);
    write_msr(COUNT, 1);
    while (read_msr(CURRENT) != 0)
        ;
    EXPECT(arrivals == 0);
}

static void hlt(void)
{
    begin("HLT ends by what can be taken");
    write_msr(LVT_TIMER, 0x44);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t before = read_tsc();

        write_msr(COUNT, SOON / 4 + i * 1000);
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        EXPECT(read_tsc() - before >= SOON / 4 + i * 1000);
        EXPECT_ORDER(0x44);
    }
    send(0x51); /* pending before: it doesn't even sleep */
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    EXPECT_ORDER(0x51);
    write_msr(TPR, 0x50); /* one that can't be taken doesn't end it, the timer's does */
    write_msr(LVT_TIMER, 0x64);
    send(0x51);
    write_msr(COUNT, SOON);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    EXPECT_ORDER(0x64);
    enable();
    write_msr(TPR, 0);
    EXPECT_ORDER(0x51);
}

static volatile unsigned depth, deepest;

static void in_nmi(uint8_t vector)
{
    if (vector != VECTOR_NMI) {
        eoi();
        return;
    }
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (arrivals == 1) {
        write_msr(ICR, NMI_IPI);
        write_msr(ICR, NMI_IPI); /* only one is kept */
        send(0x51);
        for (unsigned i = 0; i < 100; i++)
            __asm__ volatile("pause");
    }
    depth--;
}

static void nmi(void)
{
    begin("an NMI isn't interrupted by another");
    on_interrupt = in_nmi;
    write_msr(ICR, NMI_IPI); /* IF is clear */
    EXPECT(deepest == 1);
    EXPECT_ORDER(VECTOR_NMI, VECTOR_NMI);
    enable();
    EXPECT_ORDER(0x51);
    disable();
    arrivals = 2; /* now without another one inside */
    write_msr(ICR, NMI_IPI);
    write_msr(ICR, NMI_IPI);
    EXPECT(arrivals == 4);
}

static void errors(void)
{
    begin("errors");
    write_msr(LVT_ERROR, 0x61);
    enable();
    send(5);
    EXPECT_ORDER(0x61);
    write_msr(ESR, 0);
    EXPECT(read_msr(ESR) == 0x20);
}

static void bad_read(void *number)
{
    read_msr((uint32_t)(uintptr_t)number);
}

static void bad_write(void *number)
{
    write_msr((uint32_t)(uintptr_t)number, 0xff00000000000001);
}

static void refused(void)
{
    static const uint32_t unreadable[] = {EOI, SELF_IPI, 0x80e, 0x801, 0x840, 0x8ff};
    static const uint32_t unwritable[] = {EOI, ID, PPR, IRR, ESR, TPR, SVR, 0x80e, MSR_APIC_BASE};

    begin("what isn't there is #GP");
    for (unsigned i = 0; i < sizeof(unreadable) / 4; i++)
        EXPECT(flat_try(bad_read, (void *)(uintptr_t)unreadable[i]) == VECTOR_GP);
    for (unsigned i = 0; i < sizeof(unwritable) / 4; i++)
        EXPECT(flat_try(bad_write, (void *)(uintptr_t)unwritable[i]) == VECTOR_GP);
}

static bool is_in_service(uint8_t vector)
{
    return is_set(ISR, vector);
}

static void nmi_on(uint64_t stack)
{
    __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; wrmsr; nop; mov %%rbx, %%rsp"
                     :
                     : "r"(stack), "c"(ICR), "a"(NMI_IPI), "d"(0)
                     : "rbx", "memory");
}

void run_virtual(void)
{
    static const struct way way = {send, is_in_service, end, nmi_on};

    start();
    self_ipi();
    if_holds_back();
    sti_shadow();
    by_priority();
    nesting();
    eoi_releases();
    tpr();
    cr8();
    software_int();
    timer();
    hlt();
    nmi();
    errors();
    refused();
    run_faults(&way);
    run_doorbells(end);
}
