#include "core/iommu_dev/masters.h"

#include <stdbool.h>

#include "core/platform/platform.h"

#define FUNCTIONS          65536u
#define FUNCTIONS_A_DEVICE 8u
#define CLASS_BRIDGE       0x06u /* PCI 3.0, appendix D */
#define CLASS_BASE         (PCI_CLASS + 3u)
#define MULTIFUNCTION      0x80u /* PCI_HEADER_TYPE, 6.2.1 */

static bool stop(uint16_t function)
{
    uint16_t command = pci_read16(function, PCI_COMMAND);

    if (!(command & PCI_COMMAND_MASTER) || pci_read8(function, CLASS_BASE) == CLASS_BRIDGE)
        return false;
    pci_write16(function, PCI_COMMAND, command & (uint16_t)~PCI_COMMAND_MASTER);
    return true;
}

uint32_t masters_stop(void)
{
    uint32_t stopped = 0;

    for (uint32_t device = 0; device < FUNCTIONS; device += FUNCTIONS_A_DEVICE) {
        if (pci_read16((uint16_t)device, PCI_VENDOR) == PCI_VENDOR_NONE)
            continue; /* a device has a function 0 or none at all, PCI 3.0, 3.2.2.3.4 */

        bool many = pci_read8((uint16_t)device, PCI_HEADER_TYPE) & MULTIFUNCTION;

        for (uint32_t i = 0; i < (many ? FUNCTIONS_A_DEVICE : 1); i++)
            if (pci_read16((uint16_t)(device + i), PCI_VENDOR) != PCI_VENDOR_NONE)
                stopped += stop((uint16_t)(device + i));
    }
    return stopped;
}
