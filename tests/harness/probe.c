/*
 * Tells on COM1 what its loader handed over, then obeys lines that come on COM2:
 * "reset" resets the machine, "halt" halts it, "flood" writes much to COM1; all but
 * the first two are echoed in brackets.
 */
#include <stdint.h>

enum { COM1 = 0x3f8, COM2 = 0x2f8 };
enum { FLOOD_LINES = 10000 };
enum { LSR = 5, LSR_DATA = 1, LSR_EMPTY = 0x20 };
enum { MULTIBOOT1_MAGIC = 0x2badb002, MULTIBOOT2_MAGIC = 0x36d76289 };

void probe(uint32_t magic, uint32_t info);

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint32_t word(uint32_t address)
{
    return *(volatile uint32_t *)address;
}

static void put(uint16_t port, char c)
{
    while (!(in8(port + LSR) & LSR_EMPTY)) {
    }
    out8(port, (uint8_t)c);
}

static void print(uint16_t port, const char *text)
{
    while (*text) {
        put(port, *text++);
    }
}

static void print_hex(uint16_t port, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        put(port, "0123456789abcdef"[value >> shift & 15]);
    }
}

/* Many lines at once, each character dropped if the port does not take it in some 10 ms. */
static void flood(void)
{
    for (uint32_t i = 0; i < FLOOD_LINES; i++) {
        for (int shift = 28; shift >= -4; shift -= 4) {
            int tries = 10000;
            while (!(in8(COM1 + LSR) & LSR_EMPTY) && --tries > 0) {
            }
            if (tries > 0) {
                out8(COM1, shift < 0 ? '\n' : (uint8_t) "0123456789abcdef"[i >> shift & 15]);
            }
        }
    }
}

/* One line a module: its size, the sum of its bytes, its string. */
static void print_module(uint32_t start, uint32_t end, uint32_t string)
{
    uint32_t sum = 0;
    for (uint32_t at = start; at < end; at++) {
        sum += *(volatile uint8_t *)at;
    }
    print(COM1, "probe: module ");
    print_hex(COM1, end - start);
    put(COM1, ' ');
    print_hex(COM1, sum);
    put(COM1, ' ');
    print(COM1, (const char *)string);
    put(COM1, '\n');
}

static void multiboot1(uint32_t info)
{
    print(COM1, "probe: multiboot1\n");
    uint32_t count = word(info + 20);
    uint32_t module = word(info + 24);
    for (; count > 0; count--, module += 16) {
        print_module(word(module), word(module + 4), word(module + 8));
    }
}

static void multiboot2(uint32_t info)
{
    print(COM1, "probe: multiboot2\n");
    uint32_t end = info + word(info);
    for (uint32_t tag = info + 8; tag < end; tag += (word(tag + 4) + 7) & ~7u) {
        if (word(tag) == 3) {
            print_module(word(tag + 8), word(tag + 12), tag + 16);
        } else if (word(tag) == 12) {
            print(COM1, "probe: loaded by UEFI\n");
        }
    }
}

static void read_line(char *line, int size)
{
    int length = 0;
    for (;;) {
        while (!(in8(COM2 + LSR) & LSR_DATA)) {
        }
        char c = (char)in8(COM2);
        if (c == '\n' || length == size - 1) {
            break;
        }
        line[length++] = c;
    }
    line[length] = '\0';
}

static int is_same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

void probe(uint32_t magic, uint32_t info)
{
    if (magic == MULTIBOOT1_MAGIC) {
        multiboot1(info);
    } else if (magic == MULTIBOOT2_MAGIC) {
        multiboot2(info);
    }
    /* TPM_DID_VID of locality 0; memory that nothing answers at reads all zeros or all ones. */
    uint32_t id = word(0xfed40f00);
    print(COM1, id == 0 || id == UINT32_MAX ? "probe: no TPM\n" : "probe: TPM\n");
    print(COM1, "probe: done\n");
    for (;;) {
        char line[80];
        read_line(line, sizeof(line));
        if (is_same(line, "reset")) {
            out8(0xcf9, 6);
        }
        if (is_same(line, "flood")) {
            flood();
        }
        if (is_same(line, "halt")) {
            return;
        }
        print(COM2, "<");
        print(COM2, line);
        print(COM2, ">\n");
    }
}
