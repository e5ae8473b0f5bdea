#include "core/attest/tis_mmio.h"

#include "core/platform/platform.h"
#include "hw/tpm.h"

#define LOCALITY_2 (TIS_BASE + 2 * TIS_LOCALITY_SIZE)

static volatile uint8_t *byte_at(uint32_t offset)
{
    return at_physical(LOCALITY_2 + offset);
}

static volatile uint32_t *word_at(uint32_t offset)
{
    return at_physical(LOCALITY_2 + offset);
}

uint8_t tis_read8(uint32_t offset)
{
    return *byte_at(offset);
}

uint32_t tis_read32(uint32_t offset)
{
    return *word_at(offset);
}

void tis_write8(uint32_t offset, uint8_t value)
{
    *byte_at(offset) = value;
}

void tis_write32(uint32_t offset, uint32_t value)
{
    *word_at(offset) = value;
}
