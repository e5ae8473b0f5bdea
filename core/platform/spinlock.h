/*
 * Spinlocks between CPUs. Core runs with interrupts off, so a lock needs no more than this; an NMI
 * handler takes none.
 *
 * Locks and their order (a lock is taken only while holding ones that stand above it):
 *   smm (take.c): the places that SMI handlers are planted in; during boot
 *   shadow (mm/shadow.c), one a domain: its shadow tables and their pool; a leaf
 *   vdev (vdev.c), one a domain: what its vCPUs have selected in virtual devices, its PCI views
 *   dma (dma.c): the device table, the IOMMUs' rings and logs
 *   evidence (quote.c): evidence, the log, the TPM; others' calls don't wait for it
 *   audit (audit.c), one a domain: its counts and first violations; a leaf
 *   pci (pci.c): ports CF8h and CFCh; a leaf
 *   ioapic (apic.c): the I/O APIC's index and window; a leaf
 *   rtc (rtc.c): ports 70h and 71h; a leaf
 *   console (console.c): the output devices; a leaf
 */
#ifndef CORE_PLATFORM_SPINLOCK_H
#define CORE_PLATFORM_SPINLOCK_H

#include <stdbool.h>

#include "core/platform/instructions.h"

struct spinlock {
    bool held;
};

static inline bool spinlock_try(struct spinlock *lock)
{
    return !__atomic_exchange_n(&lock->held, true, __ATOMIC_ACQUIRE);
}

static inline void spinlock_take(struct spinlock *lock)
{
    while (!spinlock_try(lock))
        pause();
}

static inline void spinlock_release(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
}

#endif
