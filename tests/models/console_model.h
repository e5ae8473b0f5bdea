/* Core's console for unit tests: what print() wrote, and whether code under test stops the machine.
 */
#ifndef MODELS_CONSOLE_MODEL_H
#define MODELS_CONSOLE_MODEL_H

/* All lines printed since the last console_clear(), each with a line end, without "bulkhead: ". */
extern char console_text[];
void console_clear(void);

/*
 * Calls run(argument) in a process of its own and fails the test unless it ends in fatal() with a
 * text that contains `part` and is a sentence with a remedy.
 */
void expect_fatal(void (*run)(void *), void *argument, const char *part);

#endif
