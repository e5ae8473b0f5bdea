/* Registers of the TPM at locality 2, offsets as in hw/tpm.h; tests put a model in their place. */
#ifndef CORE_ATTEST_TIS_MMIO_H
#define CORE_ATTEST_TIS_MMIO_H

#include <stdint.h>

uint8_t tis_read8(uint32_t offset);
uint32_t tis_read32(uint32_t offset);
void tis_write8(uint32_t offset, uint8_t value);
void tis_write32(uint32_t offset, uint32_t value);

#endif
