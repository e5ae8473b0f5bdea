/* The interface of core/iommu_dev for unit tests of those who call it. */
#ifndef MODELS_DMA_MODEL_H
#define MODELS_DMA_MODEL_H

#include <stdint.h>

extern unsigned model_polls, model_revocations;
extern uint32_t model_revoked; /* the last domain */

#endif
