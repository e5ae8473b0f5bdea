#include "core/platform/console.h"

#include "core/platform/screen.h"
#include "core/platform/serial.h"
#include "core/platform/spinlock.h"
#include "lib/format.h"

static struct spinlock lock;
static bool lock_is_broken;

void console_init(void)
{
    serial_init();
}

/* Both devices show each character as soon as it is known: a failure may stop us at any time. */
static void write_text(const char *text)
{
    for (; *text; text++) {
        char shown[] = {*text >= ' ' && *text <= '~' ? *text : '?', '\0'};

        serial_write(shown[0]);
        screen_write(shown);
    }
}

static void write_line(const char *prefix, const char *text)
{
    write_text(prefix);
    write_text(text);
    serial_write('\r');
    serial_write('\n');
    screen_write("\n");
}

void console_break_lock(void)
{
    if (!spinlock_try(&lock))
        write_line("", ""); /* ends the line that was being written */
    __atomic_store_n(&lock_is_broken, true, __ATOMIC_RELEASE);
    screen_take_back();
}

static void take_lock(void)
{
    while (!spinlock_try(&lock) && !__atomic_load_n(&lock_is_broken, __ATOMIC_ACQUIRE))
        pause();
}

void console_leave_screen(void)
{
    take_lock();
    screen_release();
    spinlock_release(&lock);
}

void console_line(const char *prefix, const char *text)
{
    take_lock();
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
