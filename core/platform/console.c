#include "core/platform/console.h"

#include "core/platform/cpu.h"
#include "core/platform/serial.h"
#include "core/platform/spinlock.h"
#include "lib/format.h"

static struct spinlock lock;

void console_init(void)
{
    serial_init();
}

static void write_text(const char *text)
{
    for (; *text; text++)
        serial_write(*text >= ' ' && *text <= '~' ? *text : '?');
}

static void write_line(const char *prefix, const char *text)
{
    write_text(prefix);
    write_text(text);
    serial_write('\r');
    serial_write('\n');
}

void console_line(const char *prefix, const char *text)
{
    spinlock_take(&lock);
    write_line(prefix, text);
    spinlock_release(&lock);
}

void print(const char *fmt, ...)
{
    char text[CONSOLE_LINE + 1];
    va_list arguments;

    va_start(arguments, fmt);
    format_arguments(text, sizeof(text), fmt, arguments);
    va_end(arguments);
    console_line("bulkhead: ", text);
}

static noreturn void halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void fatal(const char *fmt, ...)
{
    char text[CONSOLE_LINE + 1];
    va_list arguments;

    va_start(arguments, fmt);
    size_t length = format_arguments(text, sizeof(text) - 1, fmt, arguments);
    va_end(arguments);
    if (length < sizeof(text) - 1) {
        text[length] = '.';
        text[length + 1] = '\0';
    }
    console_line("bulkhead: FATAL: ", text);
    halt();
}
