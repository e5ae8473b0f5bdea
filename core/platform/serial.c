#include "core/platform/serial.h"

#include "core/platform/instructions.h"

/* Registers of the 16550 (National Semiconductor PC16550D, table II), from the base port. */
#define COM1         0x3f8
#define DATA         0 /* with DLAB: divisor, low byte */
#define INTERRUPTS   1 /* with DLAB: divisor, high byte */
#define FIFO         2
#define LINE_CONTROL 3
#define MODEM        4
#define LINE_STATE   5

#define LINE_8N1       0x03
#define LINE_DLAB      0x80
#define FIFO_ON        0x07 /* enabled, both cleared */
#define MODEM_DTR_RTS  0x03
#define STATE_CAN_SEND 0x20

#define DIVISOR_115200 1

/* A character takes 87 us at 115200 baud, a port read about 1 us. */
#define SEND_TRIES 10000

void serial_init(void)
{
    out8(COM1 + INTERRUPTS, 0);
    out8(COM1 + LINE_CONTROL, LINE_DLAB);
    out8(COM1 + DATA, DIVISOR_115200);
    out8(COM1 + INTERRUPTS, 0);
    out8(COM1 + LINE_CONTROL, LINE_8N1);
    out8(COM1 + FIFO, FIFO_ON);
    out8(COM1 + MODEM, MODEM_DTR_RTS);
}

void serial_write(char c)
{
    for (int i = 0; i < SEND_TRIES; i++) {
        if (in8(COM1 + LINE_STATE) & STATE_CAN_SEND) {
            out8(COM1 + DATA, (uint8_t)c);
            return;
        }
    }
}
