/* COM1, a 16550 UART. */
#ifndef CORE_PLATFORM_SERIAL_H
#define CORE_PLATFORM_SERIAL_H

void serial_init(void);

/* Sends one character; drops it if the UART doesn't take it within a bounded time. */
void serial_write(char c);

#endif
