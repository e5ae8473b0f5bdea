/* The end of the machine's work: all CPUs stop, the console says why, nothing is rebooted. */
#ifndef CORE_PLATFORM_PANIC_H
#define CORE_PLATFORM_PANIC_H

#include <stdbool.h>
#include <stdnoreturn.h>

/*
 * Stops all CPUs and prints "bulkhead: FATAL: ", the text and a full stop. Text: "cause: details.
 * Remedy", without the last full stop. Once domains have run, the caller has done the host's
 * VMLOAD on this CPU.
 */
noreturn void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The same in two steps, for callers that have more to print: other CPUs are stopped and the
 * console is the caller's, then the last line.
 */
void panic_begin(void);
noreturn void panic_end(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For the NMI handler: stops this CPU if the NMI was sent to do so, else returns. */
void panic_take_nmi(void);

#endif
