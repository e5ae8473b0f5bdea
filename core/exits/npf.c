/*
 * Nested page faults (APM vol. 2, 15.25.6): a few virtual devices, and everything that the policy
 * doesn't map. A plain move from there reads all ones, as an empty bus does, and a plain move to
 * there is dropped; code that isn't there is #UD, what all ones mean. Any other way of touching
 * it stops the domain.
 */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/iommu_dev/dma.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

static uint64_t size_mask(unsigned bytes)
{
    return bytes == 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
}

/* Writes what a load of `insn` brought into its register. */
static void finish_load(struct vcpu *vcpu, const struct insn *insn, uint64_t value)
{
    unsigned reg = insn->high_byte ? insn->reg - 4u : insn->reg;
    uint64_t old = svm_get_gpr(vcpu, reg);
    unsigned shift = insn->high_byte ? 8 : 0;
    uint64_t mask = size_mask(insn->width);

    value &= size_mask(insn->size);
    if (insn->extend == INSN_SIGN && (value >> (8 * insn->size - 1) & 1))
        value |= ~size_mask(insn->size);
    if (insn->width == 4) /* a 32-bit result clears the upper half (APM vol. 1, 3.1.2) */
        svm_set_gpr(vcpu, reg, value & mask);
    else
        svm_set_gpr(vcpu, reg, (old & ~(mask << shift)) | (value & mask) << shift);
}

static uint64_t store_value(const struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t value = insn->immediate;

    if (insn->kind == INSN_STORE)
        value =
            insn->high_byte ? svm_get_gpr(vcpu, insn->reg - 4u) >> 8 : svm_get_gpr(vcpu, insn->reg);
    return value & size_mask(insn->size);
}

static void deny(struct vcpu *vcpu, enum violation kind, uint64_t gpa, uint64_t info)
{
    audit_violation(vcpu->domain, vcpu->index, kind, gpa, info);
}

void exit_npf(struct vcpu *vcpu)
{
    uint64_t why = vcpu->vmcb->exitinfo1;
    uint64_t gpa = vcpu->vmcb->exitinfo2;
    bool is_write = why & VMCB_NPF_WRITE;
    uint64_t value = 0;
    struct insn insn;

    if (why & VMCB_NPF_WALK) {
        deny(vcpu, VIOLATION_MEMORY_READ, gpa, why);
        exits_stop(vcpu, "its page tables lie in memory that it may not reach");
    }
    if (why & VMCB_NPF_FETCH) {
        deny(vcpu, VIOLATION_MEMORY_EXECUTE, gpa, vcpu->vmcb->rip);
        svm_inject_exception(vcpu, VECTOR_UD, 0);
        return;
    }
    insn = exits_fetch(vcpu);
    if ((vcpu->vmcb->exitintinfo & VMCB_EVENT_VALID) ||
        insn.kind !=
            (is_write ? (insn.kind == INSN_STORE_I ? INSN_STORE_I : INSN_STORE) : INSN_LOAD)) {
        deny(vcpu, is_write ? VIOLATION_MEMORY_WRITE : VIOLATION_MEMORY_READ, gpa, why);
        exits_stop(vcpu, "it touched memory that it may not reach, not by a plain move");
    }
    if (is_write)
        value = store_value(vcpu, &insn);
    if (!vdev_memory(vcpu, gpa, insn.size, is_write, &value)) {
        deny(vcpu, is_write ? VIOLATION_MEMORY_WRITE : VIOLATION_MEMORY_READ, gpa,
             is_write ? value : insn.size);
        value = ~0ull;
    }
    if (!is_write)
        finish_load(vcpu, &insn, value);
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
    /* A domain that uses devices comes by here with each EOI: so this is where core looks what its
     * devices have tried in vain. */
    dma_poll_events();
}
