#include "core/exits/mode.h"
#include "core/platform/platform.h"

#define EFER_ALLOWED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)

/* The bits that CR0 has, 3.1.1. Writes of others are ignored; what VMRUN would do isn't said. */
#define CR0_BITS                                                                               \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
     CR0_PG)

/* The VMCB's EFER follows from the domain's EFER and CR0. */
static void update_efer(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;
    bool long_mode = (vcpu->efer & EFER_LME) && (vmcb->cr0 & CR0_PG);

    vcpu->efer &= ~(uint64_t)EFER_LMA;
    vcpu->efer |= long_mode ? EFER_LMA : 0;
    vmcb->efer = (vcpu->efer & ~(uint64_t)(EFER_LME | EFER_LMA)) | EFER_SVME |
                 (long_mode ? EFER_LME | EFER_LMA : 0);
    vmcb->tlb_control = VMCB_TLB_FLUSH_ALL;
}

bool mode_write_efer(struct vcpu *vcpu, uint64_t value)
{
    bool lme_changes = (value ^ vcpu->efer) & EFER_LME;

    if ((value & ~(uint64_t)EFER_ALLOWED) || (lme_changes && (vcpu->vmcb->cr0 & CR0_PG)))
        return false;
    vcpu->efer = value;
    update_efer(vcpu);
    return true;
}

/* APM vol. 2, 3.1.1 and 14.6.1: which values of CR0 are #GP. */
static bool cr0_is_legal(const struct vcpu *vcpu, uint64_t value)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    bool is_64_bit = (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & VMCB_SEG_L);

    if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
        ((value & CR0_NW) && !(value & CR0_CD)))
        return false;
    if (!(value & CR0_PG))
        return !is_64_bit && !((vmcb->cr0 & CR0_PG) && (vmcb->cr4 & CR4_PCIDE));
    if (!(vmcb->cr0 & CR0_PG) && (vcpu->efer & EFER_LME))
        return (vmcb->cr4 & CR4_PAE) && !(vmcb->cs.attributes & VMCB_SEG_L);
    return true;
}

bool mode_write_cr0(struct vcpu *vcpu, uint64_t value)
{
    if (!cr0_is_legal(vcpu, value))
        return false;
    vcpu->vmcb->cr0 = (value & CR0_BITS) | CR0_ET;
    update_efer(vcpu);
    return true;
}
