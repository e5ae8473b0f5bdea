/* The interface of core/iommu_dev for unit tests of those who call it. */
#ifndef MODELS_DMA_MODEL_H
#define MODELS_DMA_MODEL_H

#include <stdint.h>

extern unsigned model_polls, model_revocations;
extern uint32_t model_revoked; /* the last domain */

extern unsigned model_forgotten; /* calls of dma_forget_interrupts(), which calls */
extern void (*model_on_forget)(uint16_t device);

#endif
