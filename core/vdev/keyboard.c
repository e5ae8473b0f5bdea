/*
 * The keyboard controller (8042), for reading: a domain that may read the keyboard gets what comes
 * from it, and the controller's status. Its commands, by which it resets the machine and switches
 * the A20 line, are nobody's.
 */
#include "core/platform/platform.h"
#include "core/vdev/devices.h"

bool vkeyboard_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value)
{
    if (size != 1 || !in || !(vcpu->domain->rights & BH_RIGHT_KEYBOARD))
        return false;
    *value = in8(port);
    return true;
}
