/* 16550 UART (PC16550D data sheet, 8), polled. */
#include "domains/lib/com2.h"

#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"

#define COM2            0x2f8
#define INTERRUPTS      1
#define FIFO            2
#define LINE_CONTROL    3
#define LINE_STATUS     5
#define FIFO_ON         0x07
#define EIGHT_BITS      0x03
#define DIVISOR_LATCH   0x80
#define STATUS_RECEIVED 0x01
#define STATUS_CAN_SEND 0x20

void com2_start(void)
{
    out8(COM2 + INTERRUPTS, 0);
    out8(COM2 + LINE_CONTROL, DIVISOR_LATCH);
    out8(COM2, 1); /* 115200 baud */
    out8(COM2 + 1, 0);
    out8(COM2 + LINE_CONTROL, EIGHT_BITS);
    out8(COM2 + FIFO, FIFO_ON);
}

static void put(char c)
{
    while (!(in8(COM2 + LINE_STATUS) & STATUS_CAN_SEND))
        ;
    out8(COM2, (uint8_t)c);
}

void flat_say(const char *line)
{
    while (*line)
        put(*line++);
    put('\n');
}

void com2_read_line(char *line, size_t size)
{
    size_t length = 0;

    for (;;) {
        while (!(in8(COM2 + LINE_STATUS) & STATUS_RECEIVED))
            __asm__ volatile("pause");
        char c = (char)in8(COM2);

        if (c == '\n')
            break;
        if (c != '\r' && length + 1 < size)
            line[length++] = c;
    }
    line[length] = '\0';
}
