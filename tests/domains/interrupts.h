/* A domain that tries out interrupts: what the ways to have them, virtual and direct, share. */
#ifndef TESTS_DOMAINS_INTERRUPTS_H
#define TESTS_DOMAINS_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "domains/lib/flat.h"

/* Waits for others end after so much of the TSC: far more than any of it takes. */
#define PATIENCE 60000000000ull

/* What a case expects; one that isn't so is told with its line, and the domain ends. */
#define EXPECT(condition) expect((condition), #condition, __LINE__)
void expect(bool is_so, const char *what, int line);

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

void run_virtual(void);
void run_direct(void);

#endif
