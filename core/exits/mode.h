/*
 * The domain's control registers as it wrote them, which is what it reads, against what its VMCB
 * may hold.
 *
 * With nested paging the VMCB's CR0, CR3 and CR4 are the domain's own, and so is G_PAT. EFER isn't:
 * while CR0.PG is clear the VMCB's EFER.LME is kept clear, whatever the domain wrote: a CPU that
 * leaves a domain with LME set, PG and PAE clear is not required to survive it (and one emulator
 * doesn't). LME and LMA are set when the domain sets PG (APM vol. 2, 14.6).
 *
 * With shadow tables the domain always runs paged by core's tables, whatever it believes, real mode
 * included (paged real mode, 15.19): the VMCB has PG, WP, PAE and NXE set and CR3 is core's.
 */
#ifndef EXITS_MODE_H
#define EXITS_MODE_H

#include <stdbool.h>

#include "core/mm/mm.h"
#include "core/mm/shadow.h"
#include "core/svm/svm.h"
#include "hw/x86.h"

static inline uint64_t mode_cr0(const struct vcpu *vcpu)
{
    return vcpu->shadow ? vcpu->cr0 : vcpu->vmcb->cr0;
}

static inline uint64_t mode_cr3(const struct vcpu *vcpu)
{
    return vcpu->shadow ? vcpu->cr3 : vcpu->vmcb->cr3;
}

static inline uint64_t mode_cr4(const struct vcpu *vcpu)
{
    return vcpu->shadow ? vcpu->cr4 : vcpu->vmcb->cr4;
}

static inline uint64_t mode_pat(const struct vcpu *vcpu)
{
    return vcpu->shadow ? vcpu->pat : vcpu->vmcb->g_pat;
}

/* The task priority: the VMCB's where core takes the CPU's interrupts, else the local APIC's. */
uint64_t mode_cr8(const struct vcpu *vcpu);

/* True while the domain executes 64-bit code. */
static inline bool mode_is_64_bit(const struct vcpu *vcpu)
{
    return (vcpu->vmcb->efer & EFER_LMA) && (vcpu->vmcb->cs.attributes & VMCB_SEG_L);
}

/* What decides how the domain's addresses are translated. */
static inline struct guest_paging mode_paging(const struct vcpu *vcpu)
{
    return (struct guest_paging){.p2m = vcpu->p2m,
                                 .cr0 = mode_cr0(vcpu),
                                 .cr3 = mode_cr3(vcpu),
                                 .cr4 = mode_cr4(vcpu),
                                 .efer = vcpu->efer};
}

/* Makes shadow tables for a domain where the policy, or the CPU, wants them; then for each vCPU. */
void mode_init_domain(const struct bh_header *image, unsigned index);
void mode_init_vcpu(struct vcpu *vcpu);

/* Begins with these values, which are legal together. */
void mode_start(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);

/* Writes by the domain; false: #GP(0), and nothing has changed. */
bool mode_write_cr0(struct vcpu *vcpu, uint64_t value);
bool mode_write_cr3(struct vcpu *vcpu, uint64_t value);
bool mode_write_cr4(struct vcpu *vcpu, uint64_t value);
bool mode_write_cr8(struct vcpu *vcpu, uint64_t value);
bool mode_write_efer(struct vcpu *vcpu, uint64_t value);
bool mode_write_pat(struct vcpu *vcpu, uint64_t value);

/* Forgets the translation of `linear`, as INVLPG does. */
void mode_invlpg(struct vcpu *vcpu, uint64_t linear);

/* With shadow tables: what a #PF at `linear` is about. `error`: the CPU's error code. */
struct shadow_result mode_shadow_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error);

/*
 * With either kind of paging: what an access that core makes for the domain comes to by its tables.
 * A and D are set; SHADOW_RETRY: they allow it.
 */
struct shadow_result mode_walk(struct vcpu *vcpu, uint64_t linear, uint32_t error);

#endif
