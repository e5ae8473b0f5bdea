/* Entries of the AMD-Vi event log (IOMMU spec, 2.5). */
#ifndef CORE_IOMMU_DEV_EVENT_H
#define CORE_IOMMU_DEV_EVENT_H

#include "core/iommu_dev/backend.h"
#include "hw/amdvi.h"

/* What an entry of unit's log says; an entry of an unknown code is a DMA_FAULT without device. */
struct dma_event event_decode(const struct amdvi_event *entry, uint32_t unit);

#endif
