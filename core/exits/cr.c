/*
 * Reads and writes of control registers, by MOV, CLTS, LMSW and SMSW (APM vol. 2, 15.9; which of
 * them are intercepted as which register: 15.12 and appendix C).
 */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

#define LMSW_BITS (CR0_PE | CR0_MP | CR0_EM | CR0_TS)

static uint64_t read_cr(const struct vcpu *vcpu, unsigned cr)
{
    switch (cr) {
    case 0:
        return mode_cr0(vcpu);
    case 2:
        return vcpu->vmcb->cr2;
    case 3:
        return mode_cr3(vcpu);
    case 4:
        return mode_cr4(vcpu);
    default:
        return mode_cr8(vcpu);
    }
}

static bool write_cr(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0:
        return mode_write_cr0(vcpu, value);
    case 2:
        vcpu->vmcb->cr2 = value;
        return true;
    case 3:
        return mode_write_cr3(vcpu, value);
    case 4:
        return mode_write_cr4(vcpu, value);
    default:
        return mode_write_cr8(vcpu, value);
    }
}

/* The value of register `cr` after `insn`; false if it doesn't write that register. */
static bool new_value(const struct vcpu *vcpu, const struct insn *insn, unsigned cr,
                      uint64_t *value)
{
    uint64_t old = mode_cr0(vcpu);
    uint64_t operand = svm_get_gpr(vcpu, insn->reg);

    switch (insn->kind) {
    case INSN_MOV_TO_CR:
        *value = mode_is_64_bit(vcpu) ? operand : (uint32_t)operand;
        return insn->cr == cr;
    case INSN_CLTS:
        *value = old & ~(uint64_t)CR0_TS;
        return cr == 0;
    case INSN_LMSW: /* sets PE but can't clear it (APM vol. 3) */
        *value = (old & ~(uint64_t)(LMSW_BITS & ~CR0_PE)) | (operand & LMSW_BITS);
        return cr == 0 && !insn->memory.is_there;
    default:
        return false;
    }
}

static void answer_write(struct vcpu *vcpu, const struct insn *insn, unsigned cr)
{
    uint64_t rip = vcpu->vmcb->rip + insn->length;
    uint64_t value;

    if (!new_value(vcpu, insn, cr, &value))
        exits_stop(vcpu, "its write of a control register is no instruction that core knows");
    if (!write_cr(vcpu, cr, value)) {
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    exits_set_rip(vcpu, rip);
}

static void answer_read(struct vcpu *vcpu, const struct insn *insn, unsigned cr)
{
    uint64_t value = read_cr(vcpu, cr);
    uint64_t old = svm_get_gpr(vcpu, insn->reg);

    if (insn->kind == INSN_MOV_FROM_CR && insn->cr == cr)
        svm_set_gpr(vcpu, insn->reg, mode_is_64_bit(vcpu) ? value : (uint32_t)value);
    else if (insn->kind == INSN_SMSW && cr == 0 && !insn->memory.is_there)
        svm_set_gpr(vcpu, insn->reg,
                    insn->width == 2 ? (old & ~0xffffull) | (value & 0xffff) : value);
    else
        exits_stop(vcpu, "its read of a control register is no instruction that core knows");
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn->length);
}

void exit_cr(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);
    uint64_t code = vcpu->vmcb->exitcode;
    if (code == SVM_EXIT_CR0_SEL_WRITE)
        answer_write(vcpu, &insn, 0);
    else if (code >= SVM_EXIT_CR0_WRITE)
        answer_write(vcpu, &insn, (unsigned)(code - SVM_EXIT_CR0_WRITE));
    else
        answer_read(vcpu, &insn, (unsigned)(code - SVM_EXIT_CR0_READ));
}
