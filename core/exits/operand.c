/* Where an instruction's operand in memory lies, and whether its segment lets it be touched. */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/svm/features.h"

static uint64_t address_part(const struct vcpu *vcpu, const struct insn *insn, unsigned reg)
{
    return reg == INSN_NONE  ? 0
           : reg == INSN_RIP ? vcpu->vmcb->rip + insn->length
                             : svm_get_gpr(vcpu, reg);
}

static const struct vmcb_segment *segment_of(const struct vmcb *vmcb, const struct insn *insn)
{
    const struct vmcb_segment *const segments[] = {
        [INSN_ES] = &vmcb->es, [INSN_CS] = &vmcb->cs, [INSN_SS] = &vmcb->ss,
        [INSN_DS] = &vmcb->ds, [INSN_FS] = &vmcb->fs, [INSN_GS] = &vmcb->gs};

    return segments[insn->memory.segment];
}

static uint64_t offset_of(const struct vcpu *vcpu, const struct insn *insn)
{
    const struct insn_memory *m = &insn->memory;

    return insn_offset(m, address_part(vcpu, insn, m->base), address_part(vcpu, insn, m->index));
}

uint64_t exits_linear(const struct vcpu *vcpu, const struct insn *insn)
{
    const struct vmcb *vmcb = vcpu->vmcb;

    if (vmcb->exitcode == SVM_EXIT_INVLPG && svm_has(SVM_FEATURE_DECODE_ASSISTS))
        return vmcb->exitinfo1;
    if (!mode_is_64_bit(vcpu)) /* APM vol. 2, 1.2: 32 bits, and 64-bit code has no bases */
        return (uint32_t)(segment_of(vmcb, insn)->base + offset_of(vcpu, insn));
    return offset_of(vcpu, insn) +
           (insn->memory.segment >= INSN_FS ? segment_of(vmcb, insn)->base : 0);
}

#define TYPE_WRITABLE (1u << 1) /* of data segments; of code segments: may be read (4.7) */
#define TYPE_DOWN     (1u << 2) /* of data segments: expand-down */
#define TYPE_CODE     (1u << 3)

/* The highest offset that a segment can have. */
static uint64_t highest(const struct vmcb_segment *segment)
{
    return segment->attributes & VMCB_SEG_D ? UINT32_MAX : UINT16_MAX;
}

/* APM vol. 2, 4.7 and 4.12. Real mode and virtual-8086 mode know limits alone. */
static bool is_in_segment(const struct vcpu *vcpu, const struct vmcb_segment *segment,
                          uint64_t offset, unsigned size, bool is_write)
{
    uint16_t type = segment->attributes;
    uint64_t last = offset + size - 1;

    if (!(mode_cr0(vcpu) & CR0_PE) || (vcpu->vmcb->rflags & RFLAGS_VM))
        return last <= segment->limit;
    if (!(type & VMCB_SEG_P)) /* a null selector */
        return false;
    if (type & TYPE_CODE)
        return !is_write && (type & TYPE_WRITABLE) && last <= segment->limit;
    if (is_write && !(type & TYPE_WRITABLE))
        return false;
    return type & TYPE_DOWN ? offset > segment->limit && last <= highest(segment)
                            : last <= segment->limit;
}

/* APM vol. 2, 5.3.1 */
static bool is_canonical(const struct vcpu *vcpu, uint64_t linear)
{
    unsigned above = mode_cr4(vcpu) & CR4_LA57 ? 64 - 57 : 64 - 48;

    return (uint64_t)((int64_t)(linear << above) >> above) == linear;
}

bool exits_find_operand(struct vcpu *vcpu, const struct insn *insn, unsigned size, bool is_write,
                        uint64_t *linear)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    bool is_64_bit = mode_is_64_bit(vcpu), is_there;

    *linear = exits_linear(vcpu, insn);
    is_there = is_64_bit ? is_canonical(vcpu, *linear) && is_canonical(vcpu, *linear + size - 1)
                         : is_in_segment(vcpu, segment_of(vmcb, insn), offset_of(vcpu, insn), size,
                                         is_write);
    if (!is_there)
        svm_inject_exception(vcpu, insn->memory.segment == INSN_SS ? VECTOR_SS : VECTOR_GP, 0);
    else if (vmcb->cpl == 3 && (mode_cr0(vcpu) & CR0_AM) && (vmcb->rflags & RFLAGS_AC) &&
             *linear % size)
        svm_inject_exception(vcpu, VECTOR_AC, 0);
    else
        return true;
    return false;
}
