/* PCI configuration space, PCI Local Bus Specification 3.0, chapter 6 and 3.2.2.3. */
#ifndef HW_PCI_H
#define HW_PCI_H

/* Configuration mechanism 1 */
#define PCI_CONFIG_ADDRESS 0xcf8
#define PCI_CONFIG_DATA    0xcfc
#define PCI_CONFIG_ENABLE  0x80000000u

/* Registers of every function, 6.1 */
#define PCI_VENDOR       0x00u
#define PCI_DEVICE       0x02u
#define PCI_COMMAND      0x04u
#define PCI_STATUS       0x06u
#define PCI_CLASS        0x08u
#define PCI_LATENCY      0x0du
#define PCI_HEADER_TYPE  0x0eu
#define PCI_BAR0         0x10u
#define PCI_ROM          0x30u
#define PCI_CAPABILITIES 0x34u

#define PCI_VENDOR_NONE 0xffffu

/* Command, 6.2.2 */
#define PCI_COMMAND_IO     0x0001u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u

/* A function as the IOMMU numbers it: bus 15:8, device 7:3, function 2:0. */
#define PCI_FUNCTION(bus, device, function) ((uint16_t)((bus) << 8 | (device) << 3 | (function)))

#endif
