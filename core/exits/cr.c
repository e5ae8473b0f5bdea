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
        svm_dirty(vcpu, VMCB_CLEAN_CR2);
        return true;
    case 3:
        return mode_write_cr3(vcpu, value);
    case 4:
        return mode_write_cr4(vcpu, value);
    default:
        return mode_write_cr8(vcpu, value);
    }
}

/*
 * Moves the 16 bits of an LMSW or SMSW between memory and `word`. False: the domain takes a fault.
 */
static bool move_word(struct vcpu *vcpu, const struct insn *insn, bool is_write, uint16_t *word)
{
    uint64_t linear;

    if (!vcpu->shadow && (mode_cr4(vcpu) & (CR4_LA57 | CR4_PKE)))
        exits_stop(vcpu, "its SMSW or LMSW has an operand behind tables that core can't walk");
    return exits_find_operand(vcpu, insn, sizeof(*word), is_write, &linear) &&
           exits_touch_word(vcpu, linear, is_write, word);
}

/* The value of register `cr` after `insn`; false if it doesn't write that register. */
static bool new_value(const struct vcpu *vcpu, const struct insn *insn, unsigned cr,
                      uint64_t operand, uint64_t *value)
{
    uint64_t old = mode_cr0(vcpu);

    switch (insn->kind) {
    case INSN_MOV_TO_CR:
        *value = mode_is_64_bit(vcpu) ? operand : (uint32_t)operand;
        return insn->cr == cr;
    case INSN_CLTS:
        *value = old & ~(uint64_t)CR0_TS;
        return cr == 0;
    case INSN_LMSW: /* sets PE but can't clear it (APM vol. 3) */
        *value = (old & ~(uint64_t)(LMSW_BITS & ~CR0_PE)) | (operand & LMSW_BITS);
        return cr == 0;
    default:
        return false;
    }
}

static void answer_write(struct vcpu *vcpu, const struct insn *insn, unsigned cr)
{
    uint64_t rip = vcpu->vmcb->rip + insn->length;
    uint64_t operand = svm_get_gpr(vcpu, insn->reg), value;
    uint16_t word = 0;

    if (insn->kind == INSN_LMSW && insn->memory.is_there) {
        if (!move_word(vcpu, insn, false, &word))
            return;
        operand = word;
    }
    if (!new_value(vcpu, insn, cr, operand, &value))
        exits_stop(vcpu, "its write of a control register is no instruction that core knows");
    if (!write_cr(vcpu, cr, value)) {
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    exits_set_rip(vcpu, rip);
}

/* SMSW stores as many bits of CR0 as its operand has; 16 in memory (APM vol. 3). */
static bool store_word(struct vcpu *vcpu, const struct insn *insn, uint64_t value)
{
    uint64_t old = svm_get_gpr(vcpu, insn->reg);
    uint16_t word = (uint16_t)value;

    if (insn->memory.is_there)
        return move_word(vcpu, insn, true, &word);
    svm_set_gpr(vcpu, insn->reg, insn->width == 2 ? (old & ~0xffffull) | word : value);
    return true;
}

static void answer_read(struct vcpu *vcpu, const struct insn *insn, unsigned cr)
{
    uint64_t value = read_cr(vcpu, cr);

    if (insn->kind == INSN_SMSW && cr == 0) {
        if (!store_word(vcpu, insn, value))
            return;
    } else if (insn->kind == INSN_MOV_FROM_CR && insn->cr == cr) {
        svm_set_gpr(vcpu, insn->reg, mode_is_64_bit(vcpu) ? value : (uint32_t)value);
    } else {
        exits_stop(vcpu, "its read of a control register is no instruction that core knows");
    }
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
