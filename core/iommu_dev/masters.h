/* PCI bus masters that the firmware left running. */
#ifndef CORE_IOMMU_DEV_MASTERS_H
#define CORE_IOMMU_DEV_MASTERS_H

#include <stdint.h>

/*
 * Clears "bus master" in every function that isn't a bridge, and returns how many it was set in.
 * A bridge's bit lets requests of the devices behind it pass; nobody could set it again.
 */
uint32_t masters_stop(void);

#endif
