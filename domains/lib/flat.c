#include "domains/lib/flat.h"

#include <stdarg.h>
#include <stddef.h>

#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "lib/format.h"

#define STUB_SIZE   16
#define DF_IST      1
#define DF_STACK    4096
#define SELECTOR_FS 0x30

extern uint8_t flat_stubs[], flat_try_failed[];
extern uint64_t flat_try_stack;
void flat_enter(void);
void flat_exception(struct flat_frame *frame);

struct flat_fault flat_fault;
uint32_t flat_arrived[256];
static struct gate idt[256];
static struct tss tss;
static _Alignas(16) uint8_t df_stack[DF_STACK];

void flat_print(const char *fmt, ...)
{
    char line[FLAT_LINE_MAX + 1];
    va_list arguments;

    va_start(arguments, fmt);
    format_arguments(line, sizeof(line), fmt, arguments);
    va_end(arguments);
    flat_say(line);
}

_Noreturn void flat_stop(void)
{
    static bool stopping;

    if (!stopping) { /* without core below, VMMCALL is an exception */
        stopping = true;
        bh_call(BH_CALL_STOP, 0, 0, 0);
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* Called by every stub. A frame changed here is what the domain continues with. */
void flat_exception(struct flat_frame *frame)
{
    uint64_t cr2;

    if (frame->vector == VECTOR_NMI || frame->vector >= EXCEPTION_COUNT) {
        flat_arrived[frame->vector]++;
        if (flat_interrupt)
            flat_interrupt(frame);
        return;
    }
    if (flat_mends && flat_mends(frame))
        return;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    if (!flat_try_stack) {
        flat_print("stopped by exception %u, error %x at %lx, CR2 %lx", (unsigned)frame->vector,
                   (unsigned)frame->error, frame->rip, cr2);
        flat_stop();
    }
    flat_fault =
        (struct flat_fault){(uint32_t)frame->vector, (uint32_t)frame->error, frame->rip, cr2};
    frame->rip = (uintptr_t)flat_try_failed;
    frame->rsp = flat_try_stack;
    frame->cs = SELECTOR_CODE;
    frame->ss = SELECTOR_DATA;
    frame->rflags = RFLAGS_FIXED | (frame->rflags & RFLAGS_IF);
}

static void fill_tables(void)
{
    uint64_t base = (uintptr_t)&tss;

    for (size_t i = 0; i < 256; i++) {
        uint64_t stub = (uintptr_t)flat_stubs + i * STUB_SIZE;

        idt[i] = (struct gate){.offset_low = (uint16_t)stub,
                               .offset_middle = (uint16_t)(stub >> 16),
                               .offset_high = (uint32_t)(stub >> 32),
                               .selector = SELECTOR_CODE,
                               .ist = i == VECTOR_DF ? DF_IST : 0,
                               .type = GATE_INTERRUPT};
    }
    tss.ist[DF_IST - 1] = (uintptr_t)(df_stack + sizeof(df_stack));
    tss.io_map = sizeof(tss);
    flat_gdt[SELECTOR_TSS / 8] = DESCRIPTOR_TSS_AVAILABLE | (sizeof(tss) - 1) |
                                 (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    flat_gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void flat_load_tables(void)
{
    struct table_pointer gdt_pointer = {SELECTOR_FS + 7, (uintptr_t)flat_gdt};
    struct table_pointer idt_pointer = {sizeof(idt) - 1, (uintptr_t)idt};

    flat_gdt[SELECTOR_TSS / 8] &= ~(2ull << 40); /* LTR wants it not busy */
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2"
                     :
                     : "m"(gdt_pointer), "m"(idt_pointer), "r"(SELECTOR_TSS)
                     : "memory");
}

/* From start.S. */
void flat_enter(void)
{
    fill_tables();
    flat_load_tables();
    flat_main();
    flat_stop();
}
