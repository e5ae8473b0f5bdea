/*
 * A flat domain that tries out the run-time library of domains/lib and tells on COM1 what
 * it saw. Its last word is a stack overflow.
 */
#include <stddef.h>

#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "domains/lib/random.h"

#define COM1           0x3f8
#define COM_STATUS     5
#define COM_CAN_SEND   0x20
#define BEYOND_4_GIB   0x140000000
#define NON_CANONICAL  0x8000000000000000
#define SOME_OTHER_RAM 0x300000
#define OVERFLOW_DEPTH 1000
#define PATTERN        0x1122334455667788

static uint64_t in_bss[1000];
static uint64_t in_data = PATTERN;

void flat_say(const char *line)
{
    for (; *line; line++) {
        while (!(in8(COM1 + COM_STATUS) & COM_CAN_SEND))
            ;
        out8(COM1, (uint8_t)*line);
    }
    out8(COM1, '\n');
}

static void undefined(void *unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

static void divide(void *unused)
{
    uint32_t zero = 0;

    (void)unused;
    __asm__ volatile("div %0" : : "r"(zero) : "eax", "edx");
}

static void nothing(void *unused)
{
    (void)unused;
}

static void read_at(void *address)
{
    mmio_read32((uintptr_t)address);
}

static void write_at(void *address)
{
    mmio_write32((uintptr_t)address, 0);
}

static void call_at(void *address)
{
    __asm__ volatile("call *%0" : : "r"(address) : "memory");
}

static void interrupt(void *unused)
{
    (void)unused;
    __asm__ volatile("int $2; int $0x80; int $0xff");
}

static void nest(void *inner)
{
    *(int *)inner = flat_try(divide, NULL);
    undefined(NULL);
}

static void show(const char *what, int vector)
{
    if (vector < 0)
        flat_print("%s: no exception", what);
    else
        flat_print("%s: exception %d error %x at %lx", what, vector, flat_fault.error,
                   vector == VECTOR_PF ? flat_fault.cr2 : 0);
}

static void try_exceptions(void)
{
    int inner;

    show("nothing", flat_try(nothing, NULL));
    show("ud2", flat_try(undefined, NULL));
    show("divide", flat_try(divide, NULL));
    show("non-canonical", flat_try(read_at, (void *)NON_CANONICAL));
    show("beyond 4 GiB", flat_try(read_at, (void *)BEYOND_4_GIB));
    show("outer", flat_try(nest, &inner));
    flat_print("inner: exception %d", inner);
    show("interrupts", flat_try(interrupt, NULL));
    flat_print("arrived: %u %u %u", flat_arrived[2], flat_arrived[0x80], flat_arrived[0xff]);
}

static void try_rights(void)
{
    *(volatile uint64_t *)SOME_OTHER_RAM = PATTERN;
    show("other memory before", flat_try(read_at, (void *)SOME_OTHER_RAM));
    flat_confine();
    show("other memory", flat_try(read_at, (void *)SOME_OTHER_RAM));
    show("null", flat_try(read_at, NULL));
    show("write code", flat_try(write_at, flat_text));
    show("write constants", flat_try(write_at, flat_rodata));
    show("read code", flat_try(read_at, flat_text));
    show("run data", flat_try(call_at, &in_data));
    show("run stack", flat_try(call_at, &(uint8_t){0xc3}));
    show("run constants", flat_try(call_at, flat_rodata));
    show("guard", flat_try(write_at, flat_guard));
    flat_map((uintptr_t)flat_window, SOME_OTHER_RAM);
    flat_print("window: %lx", mmio_read64((uintptr_t)flat_window));
}

/* Each call takes a part of the stack that is kept until the last one has returned. */
static int overflow(unsigned depth, volatile int *above)
{
    volatile int here[64] = {*above};

    return depth ? overflow(depth - 1, here) + here[0] : 0;
}

void flat_main(void)
{
    uint64_t words[4];
    int start = 0;
    size_t dirty = 0;

    for (size_t i = 0; i < sizeof(in_bss) / sizeof(in_bss[0]); i++)
        dirty += in_bss[i] != 0;
    flat_print("bss: %zu words dirty, data: %lx", dirty, in_data);
    try_exceptions();
    try_rights();
    flat_print("random: %s", random_words(random_rdrand, words, 4) ? "good" : "refused");
    flat_print("no overflow: %d", overflow(OVERFLOW_DEPTH, &start));
}
