/* A domain that tries out interrupts: what the ways to have them, virtual and direct, share. */
#ifndef TESTS_DOMAINS_INTERRUPTS_H
#define TESTS_DOMAINS_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/domains/expect.h"

/* Waits for others end after so much of the TSC, minutes: others may stand still on a busy host. */
#define PATIENCE 400000000000ull

/* Waits until it is so. */
#define AWAIT(condition)                                                  \
    do {                                                                  \
        uint64_t start_ = read_tsc();                                     \
        while (!(condition))                                              \
            expect(read_tsc() - start_ < PATIENCE, #condition, __LINE__); \
    } while (0)

/* What the handler of interrupts did, in order. `on_interrupt` is called by it, if set. */
extern volatile uint8_t order[64];
extern volatile unsigned arrivals;
extern void (*volatile on_interrupt)(uint8_t vector);
void forget_arrivals(void);

/* The channel's memory: who has got how far. */
enum { WORD_VIRTUAL_READY, WORD_RING_ME, WORD_STORM_OVER, WORD_STORM_SEEN, WORDS };
extern volatile uint64_t *shared;

static inline void enable(void)
{
    __asm__ volatile("sti; nop" : : : "memory");
}

static inline void disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* A way to have interrupts, for cases that are the same in each. */
struct way {
    void (*send)(uint8_t vector); /* to itself */
    bool (*is_in_service)(uint8_t vector);
    void (*end)(uint8_t vector);    /* EOI, unless it is an NMI */
    void (*nmi_on)(uint64_t stack); /* an NMI to itself while RSP is that */
};

/* Deliveries that fault, and those that core has to begin again. */
void run_faults(const struct way *way);

/* The domain with virtual interrupts rings and is rung. */
void run_doorbells(void (*end)(uint8_t vector));

void run_virtual(void);
void run_direct(void);

#endif
