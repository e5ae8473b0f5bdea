/* What dma.c asks of each kind of hardware that can keep devices away from memory. */
#ifndef CORE_IOMMU_DEV_BACKEND_H
#define CORE_IOMMU_DEV_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"

enum dma_event_kind {
    DMA_DENIED_MEMORY,    /* a device's access was turned away */
    DMA_DENIED_INTERRUPT, /* a device's interrupt was turned away */
    DMA_FAULT,            /* the hardware found a fault of its own or in its tables */
    DMA_LOST,             /* it had more to report than room */
};

enum dma_access { DMA_ACCESS, DMA_READ, DMA_WRITE }; /* DMA_ACCESS: it doesn't say which */

/* Something that the hardware reported. */
struct dma_event {
    enum dma_event_kind kind;
    enum dma_access access;
    const char *name; /* as the manual calls it */
    uint32_t unit;    /* which of several */
    bool has_device;
    uint16_t device; /* requester id */
    uint64_t address;
};

struct dma_backend {
    /* True if the machine has it. */
    bool (*find)(void);
    void (*close)(void);
    void (*apply)(const struct bh_header *policy);
    void (*revoke)(const struct bh_header *policy, uint32_t domain);
    void (*forget_interrupts)(uint16_t device);
    /*
     * A word that isn't zero as soon as there is something to report; it may be so without. Asked
     * for again after each call of the other functions.
     */
    const volatile uint64_t *(*news)(void);
    /* Takes the oldest; false if there is none. */
    bool (*next_event)(struct dma_event *event);
};

extern const struct dma_backend dma_amdvi;

#endif
