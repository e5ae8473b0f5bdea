/*
 * Protection against devices: what they may read and write, and which interrupts they may raise.
 * Everything is closed before core trusts anything, then the policy's rows open what they grant.
 * Each function either does all that it says or stops the machine with a message.
 */
#ifndef CORE_IOMMU_DEV_DMA_H
#define CORE_IOMMU_DEV_DMA_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"

/*
 * Finds the machine's IOMMUs, takes memory and interrupts away from every device, and stops the
 * devices that the firmware left running. The caller has made sure that the memory of the device
 * table (bulkhead/layout.h) is usable and unused.
 */
void dma_close(void);

/*
 * Grants what the rows of a checked policy image say. The image stays where it is and unchanged:
 * its rows also tell whose device an event is about.
 */
void dma_apply(const struct bh_header *policy);

/* Takes all devices of a domain away from it, for a domain that has stopped. After dma_apply. */
void dma_revoke(uint32_t domain);

/* On return no IOMMU uses what it held of the device's interrupt remapping table. Any CPU may. */
void dma_forget_interrupts(uint16_t device);

/* Points to a word that is zero if the hardware has nothing to report. Changed under dma.c's lock.
 */
extern const volatile uint64_t *dma_news;

/* What dma_poll_events() comes to if it isn't. */
void dma_report(void);

/*
 * Prints what the hardware has reported about denied accesses since the last call. After
 * dma_close(). Costs one read of memory if that is nothing, so it may be called often. Any CPU may.
 */
static inline bool dma_has_events(void)
{
    return *__atomic_load_n(&dma_news, __ATOMIC_RELAXED) != 0;
}

static inline void dma_poll_events(void)
{
    if (dma_has_events())
        dma_report();
}

#endif
