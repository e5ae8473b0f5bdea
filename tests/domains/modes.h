/* Trips through the modes of paging and back, for tests/domains/modes.c. */
#ifndef TESTS_DOMAINS_MODES_H
#define TESTS_DOMAINS_MODES_H

/* Steps of a trip, one character each, taken in 32-bit protected mode with paging off. */
#define STEP_PAE    'A' /* paging by PAE's tables, and off again */
#define STEP_2LEVEL '2' /* paging by two levels, and off again */
#define STEP_LONG   'L' /* long mode, in 32-bit code, and off again */
#define STEP_LME    'e' /* EFER.LME turned over, without PAE: nothing is paged */
#define STEP_REAL   'R' /* real mode: an INTn by the vector table at 0 */
#define STEP_TIMER  'T' /* real mode: an interrupt of the local APIC's timer */

#define REAL_CODE   0x8000 /* where the real-mode part is copied to; its stack is below */
#define REAL_NOTES  0x7000 /* interrupts taken, and CR0 */
#define REAL_INT    0x42
#define REAL_TIMER  0x50
#define WINDOW      0x80000000 /* linear address of two pages that lie elsewhere */
#define REAL_APIC   0xfee00000 /* registers F0h, 320h, 380h, B0h: spurious, timer, its count, EOI */
#define TIMER_COUNT 20000

#ifndef __ASSEMBLER__
#include <stdint.h>

/* What a step saw: two of each that has paging, one of others. */
struct note {
    uint32_t cr0, cr3, cr4, efer;
    uint32_t read, step;
};

/* Takes the steps, up to the terminating zero; returns the end of the notes. Interrupts are off. */
struct note *modes_trip(const char *steps, struct note *notes);

/* Tables of the 32-bit steps. */
extern uint32_t modes_directory[1024];
extern uint64_t modes_pdpt[512], modes_pml4[512];
extern const uint8_t modes_real_code[], modes_real_code_end[];
#endif

#endif
