/*
 * The devices that core stands in front of: PCI configuration space, the local APIC of a domain
 * that owns its core, the I/O APIC. Each shows a domain its part and no more.
 */
#ifndef VDEV_VDEV_H
#define VDEV_VDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "core/svm/svm.h"
#include "core/vdev/vlapic.h"

/*
 * Places the BARs of all PCI functions that are given away, before any domain runs. Fatal if one
 * doesn't take its address.
 */
void vpci_place(const struct bh_header *policy);

/*
 * Before the vCPU runs: what its local APIC holds; by vCPU 0, which runs before the others do, the
 * domain's virtual state.
 */
void vdev_init_vcpu(struct vcpu *vcpu);

/* INIT: its local APIC as after a reset. */
void vdev_reset_vcpu(struct vcpu *vcpu);

/* The virtual local APIC of a vCPU whose interrupts are core's; NULL: the domain has them. */
struct vlapic *vdev_apic(const struct vcpu *vcpu);

/*
 * An access to an MSR of it (include/tables/x2apic.def, TSC_DEADLINE, APIC_BASE): reads fill
 * `value`, writes take it. False: #GP(0).
 */
bool vdev_apic_msr(struct vcpu *vcpu, uint32_t msr, bool is_write, uint64_t *value);

/* The TSC as the domain reads it. */
uint64_t vdev_tsc(const struct vcpu *vcpu);

/* Cuts the domain's devices off. */
void vdev_stop_domain(const struct vcpu *vcpu);

/*
 * A port access of 1, 2 or 4 bytes that the IOPM stopped. Reads fill `value`, writes take it.
 * False if no virtual device answers, or the device refuses.
 */
bool vdev_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value);

/* Likewise for memory that the domain's table doesn't map so; size 1, 2, 4 or 8 bytes. */
bool vdev_read(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t *value);
bool vdev_write(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value);

/*
 * What vdev_write() comes to for 32 bits at `offset` into the local APIC's page, in a domain that
 * owns its interrupts.
 */
void vdev_write_apic(struct vcpu *vcpu, uint32_t offset, uint32_t value);

#endif
