/*
 * Core's console: COM1, and the screen if there is one. Everything is written in whole lines, so
 * that lines of two CPUs don't mix and nobody's text can pass for another's.
 */
#ifndef CORE_PLATFORM_CONSOLE_H
#define CORE_PLATFORM_CONSOLE_H

/* Longest text of one line; what is longer is cut. */
#define CONSOLE_LINE 240

/* Starts COM1 at 115200 baud, 8N1. Before that nothing may be printed. */
void console_init(void);

/* Prints "bulkhead: ", the text (directives: lib/format.h) and a line end. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints prefix, text and a line end; whatever isn't printable ASCII appears as '?', so a text that
 * a guest chose stays within its line.
 */
void console_line(const char *prefix, const char *text);

/* For panic.c: from here on lines are printed without waiting for the lock, whose holder may have
 * been stopped, and the screen is core's again. */
void console_break_lock(void);

/* Writes to the serial port alone from now on, until core can't go on: a domain has the screen. */
void console_leave_screen(void);

#endif
