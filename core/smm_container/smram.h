/* The chipset's SMRAM: memory at A0000h that only CPUs in system-management mode see. */
#ifndef CORE_SMM_CONTAINER_SMRAM_H
#define CORE_SMM_CONTAINER_SMRAM_H

#include <stdbool.h>

enum smram_state {
    SMRAM_UNKNOWN,  /* a chipset whose registers core doesn't know */
    SMRAM_UNLOCKED, /* core can open it */
    SMRAM_LOCKED,   /* until reset, closed */
};

enum smram_state smram_state(void);

/* Makes unlocked SMRAM visible at A0000h to all CPUs. */
void smram_open(void);

/* Closes and locks it; true if it then reads as locked and doesn't open when told to. */
bool smram_lock(void);

/* AMD CPUs protect SMM memory by registers of their own (hwcr.c): whether those are locked. */
bool hwcr_has_smmlock(void);

#endif
