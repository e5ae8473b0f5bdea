/* Inside core/vdev: one device each. */
#ifndef VDEV_DEVICES_H
#define VDEV_DEVICES_H

#include "core/vdev/vdev.h"

void vpci_init(const struct vcpu *vcpu);

/* Switches the decoders and the bus mastering of the domain's functions off. */
void vpci_quiet(const struct vcpu *vcpu);

/* The 32-bit register at CF8h: each access at once, without the lock. */
bool vpci_address(struct vcpu *vcpu, bool in, uint32_t *value);

bool vpci_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value);

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

bool vrtc_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value);

#define KEYBOARD_DATA   0x60
#define KEYBOARD_STATUS 0x64

bool vkeyboard_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value);

/* Local APIC: as core left it; as after an INIT. */
void vapic_init(struct vcpu *vcpu);
void vapic_reset(struct vcpu *vcpu);

/* I/O APIC: `offset` into its page, 32-bit accesses. */
bool vioapic_access(struct vcpu *vcpu, uint32_t offset, bool is_write, uint32_t *value);

#endif
