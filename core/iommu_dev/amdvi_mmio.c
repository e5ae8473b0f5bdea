#include "core/iommu_dev/amdvi_mmio.h"

#include "core/platform/platform.h"

static volatile uint64_t *register_at(uint64_t base, uint32_t offset)
{
    return at_physical(base + offset);
}

uint64_t amdvi_read(uint64_t base, uint32_t offset)
{
    return *register_at(base, offset);
}

void amdvi_write(uint64_t base, uint32_t offset, uint64_t value)
{
    *register_at(base, offset) = value;
}
