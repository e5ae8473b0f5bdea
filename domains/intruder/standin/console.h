/* COM2, the stand-in's console. */
#ifndef DOMAINS_INTRUDER_STANDIN_CONSOLE_H
#define DOMAINS_INTRUDER_STANDIN_CONSOLE_H

#include <stddef.h>

void console_start(void);

/* Waits for a line and stores it without its end, cut at size - 1 characters. */
void console_read_line(char *line, size_t size);

#endif
