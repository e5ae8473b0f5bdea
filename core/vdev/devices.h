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

/*
 * MSI and MSI-X of a domain with several cores (msi.c). A byte of the MSI capability's message, of
 * which the domain may write the bits of `mask`, or a dword of it; false if there is none, or if it
 * is the device's: the domain has one core.
 */
bool vmsi_write_byte(const struct vcpu *vcpu, const struct bh_pci_function *row, uint8_t reg,
                     uint8_t mask, uint8_t value);
bool vmsi_read(const struct vcpu *vcpu, const struct bh_pci_function *row, uint8_t reg,
               uint32_t *value);

/* The message has changed, or its control register is about to become `control`. */
void vmsi_update(const struct vcpu *vcpu, const struct bh_pci_function *row, uint16_t control);

/* A naturally aligned access to the pages of an MSI-X table. False: there is none, or not so. */
bool vmsix_access(struct vcpu *vcpu, uint64_t gpa, unsigned size, bool is_write, uint64_t *value);

/* Core's messages in the device, all of them off. Fatal if its capabilities aren't as said. */
void vmsi_place(const struct bh_pci_function *row);

/* Points the domain's interrupts anew: its cores are known by other logical ids. */
void vdev_renew_interrupts(const struct vcpu *vcpu);

void vmsi_init(const struct vcpu *vcpu);

/* Parts of vdev_renew_interrupts(), with the domain's lock. */
void vmsi_renew(const struct vcpu *vcpu);
void vioapic_renew(const struct vcpu *vcpu);

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

bool vrtc_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value);

#define KEYBOARD_DATA   0x60
#define KEYBOARD_STATUS 0x64

bool vkeyboard_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value);

/* Local APIC: as core left it; as after an INIT. */
void vapic_init(struct vcpu *vcpu);
void vapic_reset(struct vcpu *vcpu);

/* The domain's cores as of now: each changes its own LDR and DFR as it likes. */
struct apic_core;
void vapic_cores(const struct vcpu *vcpu, struct apic_core *core);

void vioapic_init(const struct vcpu *vcpu);

/* I/O APIC: `offset` into its page, 32-bit accesses. */
bool vioapic_access(struct vcpu *vcpu, uint32_t offset, bool is_write, uint32_t *value);

#endif
