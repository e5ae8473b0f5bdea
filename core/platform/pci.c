#include "core/platform/pci.h"

#include "core/platform/instructions.h"
#include "core/platform/spinlock.h"

/* Guards the pair of ports: the address belongs to the data access that follows it. */
static struct spinlock lock;

/* Takes the lock, selects the register's double word, returns the port of its first byte. */
static uint16_t select(uint16_t function, uint16_t offset)
{
    spinlock_take(&lock);
    out32(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | (uint32_t)function << 8 | (offset & 0xfcu));
    return (uint16_t)(PCI_CONFIG_DATA + (offset & 3u));
}

uint8_t pci_read8(uint16_t function, uint16_t offset)
{
    uint8_t value = in8(select(function, offset));

    spinlock_release(&lock);
    return value;
}

uint16_t pci_read16(uint16_t function, uint16_t offset)
{
    uint16_t value = in16(select(function, offset));

    spinlock_release(&lock);
    return value;
}

uint32_t pci_read32(uint16_t function, uint16_t offset)
{
    uint32_t value = in32(select(function, offset));

    spinlock_release(&lock);
    return value;
}

void pci_write8(uint16_t function, uint16_t offset, uint8_t value)
{
    out8(select(function, offset), value);
    spinlock_release(&lock);
}

void pci_write16(uint16_t function, uint16_t offset, uint16_t value)
{
    out16(select(function, offset), value);
    spinlock_release(&lock);
}

void pci_write32(uint16_t function, uint16_t offset, uint32_t value)
{
    out32(select(function, offset), value);
    spinlock_release(&lock);
}
