#include "core/platform/panic.h"

#include "core/platform/apic.h"
#include "core/platform/console.h"
#include "core/platform/cpu.h"
#include "core/platform/instructions.h"
#include "core/platform/smp.h"
#include "lib/format.h"

/* Others need microseconds to take the NMI; one pause takes some 10 ns. */
#define STOP_TRIES 1000000

static uint32_t stopper; /* index + 1 of the CPU that stops the machine, 0: none */
static uint32_t stopped; /* number of CPUs that an NMI has stopped */

static noreturn void halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* No messages from here: whatever goes wrong, this CPU's own message must still come. */
static void stop_others(void)
{
    uint32_t others = smp_count() - 1;

    if (others == 0 || !apic_send(0, APIC_ICR_OTHERS | APIC_ICR_NMI | APIC_ICR_ASSERT))
        return;
    for (int i = 0; i < STOP_TRIES; i++) {
        if (__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) == others)
            return;
        pause();
    }
}

void panic_take_nmi(void)
{
    if (__atomic_load_n(&stopper, __ATOMIC_ACQUIRE) == 0)
        return;
    __atomic_add_fetch(&stopped, 1, __ATOMIC_RELEASE);
    halt();
}

void panic_begin(void)
{
    static bool failed_twice;
    uint32_t me = cpu_current()->index + 1, nobody = 0;

    if (__atomic_compare_exchange_n(&stopper, &nobody, me, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        stop_others();
        console_break_lock();
        return;
    }
    /* Another CPU was faster, or this one failed again on its way. */
    if (nobody == me && !failed_twice) {
        failed_twice = true;
        console_line("bulkhead: FATAL: ", "core failed while it stopped the machine.");
    }
    halt();
}

static noreturn void end(const char *fmt, va_list arguments)
{
    char text[CONSOLE_LINE + 1];
    size_t length = format_arguments(text, sizeof(text) - 1, fmt, arguments);

    if (length < sizeof(text) - 1) {
        text[length] = '.';
        text[length + 1] = '\0';
    }
    console_line("bulkhead: FATAL: ", text);
    halt();
}

void panic_end(const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    end(fmt, arguments);
}

void fatal(const char *fmt, ...)
{
    va_list arguments;

    panic_begin();
    va_start(arguments, fmt);
    end(fmt, arguments);
}
