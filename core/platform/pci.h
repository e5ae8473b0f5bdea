/*
 * PCI configuration space by ports CF8h and CFCh. function: bus << 8 | device << 3 | function;
 * offset: 0-FFh, a multiple of the access's size. A function that doesn't exist reads all ones.
 */
#ifndef CORE_PLATFORM_PCI_H
#define CORE_PLATFORM_PCI_H

#include <stdint.h>

#include "hw/pci.h"

uint8_t pci_read8(uint16_t function, uint16_t offset);
uint16_t pci_read16(uint16_t function, uint16_t offset);
uint32_t pci_read32(uint16_t function, uint16_t offset);
void pci_write8(uint16_t function, uint16_t offset, uint8_t value);
void pci_write16(uint16_t function, uint16_t offset, uint16_t value);
void pci_write32(uint16_t function, uint16_t offset, uint32_t value);

#endif
