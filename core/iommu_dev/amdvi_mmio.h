/* Registers of an IOMMU; tests put a model in their place. */
#ifndef CORE_IOMMU_DEV_AMDVI_MMIO_H
#define CORE_IOMMU_DEV_AMDVI_MMIO_H

#include <stdint.h>

/* `base` is the physical address of the unit's registers, `offset` one of hw/amdvi.h. */
uint64_t amdvi_read(uint64_t base, uint32_t offset);
void amdvi_write(uint64_t base, uint32_t offset, uint64_t value);

#endif
