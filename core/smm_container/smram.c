#include "core/smm_container/smram.h"

#include "core/platform/platform.h"
#include "hw/smm.h"

#define HOST_BRIDGE PCI_FUNCTION(0, 0, 0)

/* An open SMRAM that is also locked closes by itself (data sheet, D_LCK). */
static bool is_locked(uint8_t control)
{
    return control & Q35_SMRAM_LOCK && !(control & Q35_SMRAM_OPEN);
}

enum smram_state smram_state(void)
{
    if (pci_read32(HOST_BRIDGE, PCI_VENDOR) != Q35_HOST_BRIDGE)
        return SMRAM_UNKNOWN;
    return is_locked(pci_read8(HOST_BRIDGE, Q35_SMRAM)) ? SMRAM_LOCKED : SMRAM_UNLOCKED;
}

void smram_open(void)
{
    pci_write8(HOST_BRIDGE, Q35_SMRAM, Q35_SMRAM_BASE | Q35_SMRAM_ENABLE | Q35_SMRAM_OPEN);
}

bool smram_lock(void)
{
    const uint8_t locked = Q35_SMRAM_BASE | Q35_SMRAM_ENABLE | Q35_SMRAM_LOCK;

    pci_write8(HOST_BRIDGE, Q35_SMRAM, Q35_SMRAM_BASE | Q35_SMRAM_ENABLE);
    pci_write8(HOST_BRIDGE, Q35_SMRAM, locked);
    if (pci_read8(HOST_BRIDGE, Q35_SMRAM) != locked)
        return false;
    smram_open();
    return pci_read8(HOST_BRIDGE, Q35_SMRAM) == locked;
}
