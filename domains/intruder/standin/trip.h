/* Trips out of 64-bit mode and back, with an exit to core on the way. */
#ifndef DOMAINS_INTRUDER_STANDIN_TRIP_H
#define DOMAINS_INTRUDER_STANDIN_TRIP_H

/* What is switched off while paging is off: flags of mode_trip(). */
#define TRIP_PAE  1 /* CR4.PAE, with EFER.LME still set: no VMRUN may happen in that state */
#define TRIP_LME  2 /* EFER.LME */
#define TRIP_REAL 4 /* CR0.PE: real mode */
#define TRIP_FLAT 8 /* no change, but paging on again without PAE and LME: 4-MiB pages */

/* Where the part in real mode is copied to; below 64 KiB. */
#define TRIP_REAL_CODE 0x8000

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Goes there, executes CPUID in each mode on the way, and comes back. Interrupts are off. */
void mode_trip(uint32_t flags);

extern const uint8_t mode_real_code[], mode_real_code_end[];
#endif

#endif
