/* COM2 as a flat domain's console: it also defines flat_say(). */
#ifndef DOMAINS_LIB_COM2_H
#define DOMAINS_LIB_COM2_H

#include <stddef.h>

void com2_start(void);

/* Waits for a line and stores it without its end, cut at size - 1 characters. */
void com2_read_line(char *line, size_t size);

#endif
