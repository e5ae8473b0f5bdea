/* MOV to and from debug registers (APM vol. 2, 13.1.1; APM vol. 3, MOV DRn). */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

/* The domain's own; DR0 to DR3 are in the CPU while its core handles its exit. */
static uint64_t debug_register(const struct vcpu *vcpu, unsigned number)
{
    return number == 6 ? vcpu->vmcb->dr6 : number == 7 ? vcpu->vmcb->dr7 : read_dr(number);
}

/* False: #GP(0). VMRUN demands that the upper halves of DR6 and DR7 are zero (15.5.1). */
static bool set_debug_register(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    if (number < 4) {
        write_dr(number, value);
        return true;
    }
    if (value >> 32)
        return false;
    svm_dirty(vcpu, VMCB_CLEAN_DR);
    if (number == 6)
        vcpu->vmcb->dr6 = (value & DR6_BITS) | DR6_FIXED;
    else
        vcpu->vmcb->dr7 = (value & DR7_BITS) | DR7_FIXED;
    return true;
}

/* DR4 and DR5 are other names of DR6 and DR7, unless CR4.DE takes them away. CPL was checked. */
void exit_dr(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);
    struct vmcb *vmcb = vcpu->vmcb;
    bool is_write = vmcb->exitcode >= SVM_EXIT_DR0_WRITE;
    unsigned number = vmcb->exitcode & 15;
    uint64_t mask = mode_is_64_bit(vcpu) ? UINT64_MAX : UINT32_MAX;

    if (insn.kind != (is_write ? INSN_MOV_TO_DR : INSN_MOV_FROM_DR) || insn.cr != number)
        exits_stop(vcpu, "its code changed while core was answering it");
    if (number > 7 || (number >= 4 && number < 6 && (mode_cr4(vcpu) & CR4_DE))) {
        svm_inject_exception(vcpu, VECTOR_UD, 0);
        return;
    }
    if (vmcb->dr7 & DR7_GD) { /* which the CPU clears on the way to the handler */
        svm_dirty(vcpu, VMCB_CLEAN_DR);
        vmcb->dr6 |= DR6_BD;
        vmcb->dr7 &= ~(uint64_t)DR7_GD;
        svm_inject_exception(vcpu, VECTOR_DB, 0);
        return;
    }
    number |= number >= 4 ? 2 : 0;
    if (!is_write) {
        svm_set_gpr(vcpu, insn.reg, debug_register(vcpu, number) & mask);
    } else if (!set_debug_register(vcpu, number, svm_get_gpr(vcpu, insn.reg) & mask)) {
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    exits_set_rip(vcpu, vmcb->rip + insn.length);
}
