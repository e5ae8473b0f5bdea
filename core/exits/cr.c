/* Writes of CR0 that change more than TS and MP: changes of mode (APM vol. 2, 15.9). */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

#define LMSW_BITS (CR0_PE | CR0_MP | CR0_EM | CR0_TS)

/* The value of CR0 after `insn`; false if it doesn't write CR0. */
static bool new_cr0(const struct vcpu *vcpu, const struct insn *insn, uint64_t *value)
{
    uint64_t old = vcpu->vmcb->cr0;
    uint64_t operand = svm_get_gpr(vcpu, insn->reg);
    bool wide = vcpu->vmcb->efer & EFER_LMA;

    switch (insn->kind) {
    case INSN_MOV_TO_CR:
        *value = wide && (vcpu->vmcb->cs.attributes & VMCB_SEG_L) ? operand : (uint32_t)operand;
        return insn->cr == 0;
    case INSN_CLTS:
        *value = old & ~(uint64_t)CR0_TS;
        return true;
    case INSN_LMSW: /* sets PE but can't clear it (APM vol. 3) */
        *value = (old & ~(uint64_t)(LMSW_BITS & ~CR0_PE)) | (operand & LMSW_BITS);
        return true;
    default:
        return false;
    }
}

void exit_cr(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);
    uint64_t rip = vcpu->vmcb->rip + insn.length;
    uint64_t value;

    if (!new_cr0(vcpu, &insn, &value))
        exits_stop(vcpu, "its write of CR0 is no instruction that core knows");
    if (!mode_write_cr0(vcpu, value)) {
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    exits_set_rip(vcpu, rip);
}
