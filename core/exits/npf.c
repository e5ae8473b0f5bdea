/*
 * Memory that the policy doesn't map, found by the CPU's nested page fault (APM vol. 2, 15.25.6) or
 * by core's shadow tables (pf.c): a few virtual devices, and everything else. A plain move from
 * there reads all ones, as an empty bus does, and a plain move to there is dropped; code that isn't
 * there is #UD, what all ones mean. Any other way of touching it stops the domain.
 */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/moves.h"
#include "core/iommu_dev/dma.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

static uint64_t size_mask(unsigned bytes)
{
    static const uint64_t masks[] = {[1] = 0xff, [2] = 0xffff, [4] = 0xffffffff, [8] = ~0ull};

    return masks[bytes];
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
    uint64_t value = insn->kind == INSN_STORE_I ? insn->immediate
                     : insn->high_byte          ? svm_get_gpr(vcpu, insn->reg - 4u) >> 8
                                                : svm_get_gpr(vcpu, insn->reg);

    return value & size_mask(insn->size);
}

static void deny(struct vcpu *vcpu, enum violation kind, uint64_t gpa, uint64_t info)
{
    audit_violation(vcpu->domain, vcpu->index, kind, gpa, info);
}

/*
 * Behind the instruction. A domain that uses devices comes by here or by exits_repeat_store() with
 * each EOI: so this is where core looks what its devices have tried in vain.
 */
static inline void finish(struct vcpu *vcpu, const struct insn *insn)
{
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn->length);
    dma_poll_events();
}

static __attribute__((noinline)) void load(struct vcpu *vcpu, uint64_t gpa, const struct insn *insn)
{
    uint64_t value = 0;

    if (!vdev_read(vcpu, gpa, insn->size, &value)) {
        deny(vcpu, VIOLATION_MEMORY_READ, gpa, insn->size);
        value = ~0ull;
    }
    finish_load(vcpu, insn, value);
    finish(vcpu, insn);
}

static inline void store(struct vcpu *vcpu, uint64_t gpa, const struct insn *insn)
{
    if (!vdev_write(vcpu, gpa, insn->size, store_value(vcpu, insn)))
        deny(vcpu, VIOLATION_MEMORY_WRITE, gpa, store_value(vcpu, insn));
    else if (vcpu->domain->interrupts == BH_DIRECT && gpa - APIC_BASE_DEFAULT < PAGE_SIZE)
        exits_remember_store(vcpu, insn, gpa);
    finish(vcpu, insn);
}

static _Noreturn void stop(struct vcpu *vcpu, uint64_t gpa, uint64_t why)
{
    deny(vcpu, why & VMCB_NPF_WRITE ? VIOLATION_MEMORY_WRITE : VIOLATION_MEMORY_READ, gpa, why);
    exits_stop(vcpu, "it touched memory that it may not reach, not by a plain move");
}

void exits_no_memory(struct vcpu *vcpu, uint64_t gpa, uint64_t why)
{
    const struct insn *insn;

    if (why & VMCB_NPF_FETCH) { /* nothing answers that */
        deny(vcpu, VIOLATION_MEMORY_EXECUTE, gpa, vcpu->vmcb->rip);
        svm_inject_exception(vcpu, VECTOR_UD, 0);
        return;
    }
    insn = exits_fetch_move(vcpu);
    if ((vcpu->vmcb->exitintinfo & VMCB_EVENT_VALID) ||
        !(why & VMCB_NPF_WRITE ? insn_is_store(insn) : insn->kind == INSN_LOAD))
        stop(vcpu, gpa, why);
    if (insn_is_store(insn))
        store(vcpu, gpa, insn);
    else
        load(vcpu, gpa, insn);
}

static __attribute__((noinline)) void answer(struct vcpu *vcpu)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    const struct store *store = exits_adopt_store(vcpu);

    if (vmcb->exitinfo1 & VMCB_NPF_WALK)
        exits_no_tables(vcpu, vmcb->exitinfo2, vmcb->exitinfo1);
    else if (store)
        exits_repeat_store(vcpu, store);
    else
        exits_no_memory(vcpu, vmcb->exitinfo2, vmcb->exitinfo1);
}

/* EOI and timer come by here: the straight path is a store that is remembered. */
void exit_npf(struct vcpu *vcpu)
{
    const struct store *store = exits_known_store(vcpu, vcpu->vmcb->cr3);

    if (store)
        exits_repeat_store(vcpu, store);
    else
        answer(vcpu);
}
