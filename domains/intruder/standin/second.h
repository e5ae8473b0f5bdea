/* What the domain's second core runs, in real mode, at the page that a SIPI names: second.S. */
#ifndef DOMAINS_INTRUDER_STANDIN_SECOND_H
#define DOMAINS_INTRUDER_STANDIN_SECOND_H

#define SECOND_PAGE 0x8000
#define SECOND_DATA 0x9000 /* struct second_data */

/* Offsets in it. */
#define SECOND_STARTS 0x00
#define SECOND_FAULTS 0x04
#define SECOND_ROUNDS 0x08
#define SECOND_ORDER  0x0c
#define SECOND_TARGET 0x10
#define SECOND_VALUE  0x14

/* What it is to do, again and again. */
#define SECOND_COUNT  0 /* nothing but to count its rounds */
#define SECOND_CHANGE 1 /* write one value and then the other at `target`, below 64 KiB */
#define SECOND_END    2 /* a triple fault */

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct second_data {
    volatile uint32_t starts; /* SIPIs that it has followed */
    volatile uint32_t faults; /* #UDs */
    volatile uint32_t rounds;
    volatile uint32_t order; /* SECOND_COUNT and so on */
    volatile uint32_t target;
    volatile uint32_t value[2];
};
_Static_assert(offsetof(struct second_data, value) == SECOND_VALUE, "second.S");

/* The code, which runs wherever it is copied to; where its #UD handler lies in it. */
extern const uint8_t second_begin[], second_undefined[], second_end[];
#endif

#endif
