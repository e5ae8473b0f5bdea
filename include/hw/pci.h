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

/* Capabilities: message signalled interrupts, 6.8.1 and 6.8.2. Offsets from the capability. */
#define PCI_ID_MSI        0x05u
#define PCI_ID_MSIX       0x11u
#define PCI_MSG_CONTROL   0x02u
#define PCI_MSI_ADDRESS   0x04u
#define PCI_MSI_UPPER     0x08u /* with 64-bit addresses, and data 4 bytes later */
#define PCI_MSI_DATA      0x08u
#define PCI_MSI_ENABLE    0x0001u
#define PCI_MSI_SHIFT     4 /* log2 of the messages enabled, 3 bits */
#define PCI_MSI_64        0x0080u
#define PCI_MSIX_SIZE     0x07ffu /* entries less one */
#define PCI_MSIX_ENABLE   0x8000u
#define PCI_MSIX_MASK_ALL 0x4000u
#define PCI_MSIX_TABLE    0x04u /* offset in the BAR whose number bits 2:0 are */
#define PCI_MSIX_BAR      7u
#define PCI_MSIX_MASKED   1u /* an entry's vector control */

#define PCI_VENDOR_NONE 0xffffu

/* Command, 6.2.2 */
#define PCI_COMMAND_IO     0x0001u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u

/* A function as the IOMMU numbers it: bus 15:8, device 7:3, function 2:0. */
#define PCI_FUNCTION(bus, device, function) ((uint16_t)((bus) << 8 | (device) << 3 | (function)))

#endif
