/* Fetching a domain's instructions: this CPU may have neither next RIP nor decode assists. */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/mm/mm.h"
#include "core/platform/platform.h"

#define SIZE_32 (1ull << 32) /* of the address space outside of 64-bit code */

static enum insn_mode mode_of(const struct vmcb *vmcb)
{
    if ((vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & VMCB_SEG_L))
        return INSN_64;
    return vmcb->cs.attributes & VMCB_SEG_D ? INSN_32 : INSN_16;
}

static uint64_t linear_rip(const struct vmcb *vmcb, enum insn_mode mode)
{
    return mode == INSN_64 ? vmcb->rip : (uint32_t)(vmcb->cs.base + vmcb->rip);
}

struct insn exits_fetch(struct vcpu *vcpu)
{
    struct guest_paging paging = mode_paging(vcpu);
    enum insn_mode mode = mode_of(vcpu->vmcb);
    uint64_t linear = linear_rip(vcpu->vmcb, mode);
    uint8_t code[INSN_MAX];
    size_t size = sizeof(code);

    if (mode != INSN_64 && linear + size > SIZE_32)
        size = SIZE_32 - linear;
    size = guest_read(&paging, linear, code, size);
    return insn_decode(code, size, mode);
}

static uint64_t address_part(const struct vcpu *vcpu, const struct insn *insn, unsigned reg)
{
    return reg == INSN_NONE  ? 0
           : reg == INSN_RIP ? vcpu->vmcb->rip + insn->length
                             : svm_get_gpr(vcpu, reg);
}

uint64_t exits_linear(const struct vcpu *vcpu, const struct insn *insn)
{
    const struct insn_memory *m = &insn->memory;
    const struct vmcb *vmcb = vcpu->vmcb;
    const struct vmcb_segment *const segments[] = {
        [INSN_ES] = &vmcb->es, [INSN_CS] = &vmcb->cs, [INSN_SS] = &vmcb->ss,
        [INSN_DS] = &vmcb->ds, [INSN_FS] = &vmcb->fs, [INSN_GS] = &vmcb->gs};
    uint64_t offset =
        insn_offset(m, address_part(vcpu, insn, m->base), address_part(vcpu, insn, m->index));

    if (mode_of(vmcb) != INSN_64) /* APM vol. 2, 1.2: 32 bits, and 64-bit code has no bases */
        return (uint32_t)(segments[m->segment]->base + offset);
    return offset + (m->segment >= INSN_FS ? segments[m->segment]->base : 0);
}

void exits_set_rip(struct vcpu *vcpu, uint64_t rip)
{
    struct vmcb *vmcb = vcpu->vmcb;

    vmcb->rip = mode_of(vmcb) == INSN_64 ? rip : (uint32_t)rip;
    vmcb->interrupt_shadow = 0;
    if (vmcb->rflags & RFLAGS_TF) {
        vmcb->dr6 |= DR6_BS;
        svm_inject_exception(vcpu, VECTOR_DB, 0);
    }
}

/*
 * Remembers where the bytes at RIP lie, so that an instruction in a loop isn't walked to again.
 * The key is RIP and CR3 alone: if the domain remaps its code in between, what is compared is
 * still its own RAM (the p2m doesn't change), and only its own RIP could go astray.
 */
static void remember_code(struct vcpu *vcpu)
{
    struct guest_paging paging = mode_paging(vcpu);
    enum insn_mode mode = mode_of(vcpu->vmcb);
    uint64_t linear = linear_rip(vcpu->vmcb, mode);
    bool wraps = mode != INSN_64 && vcpu->vmcb->rip + sizeof(*vcpu->code) >= SIZE_32;
    uint64_t gpa;
    const svm_code *code = NULL;

    if (!wraps && guest_translate(&paging, linear, &gpa))
        code = p2m_ram(vcpu->p2m, gpa, sizeof(*code), false);
    vcpu->code = code ? code : &svm_no_code;
    vcpu->code_rip = vcpu->vmcb->rip;
    vcpu->code_cr3 = vcpu->vmcb->cr3;
}

static void skip(struct vcpu *vcpu, uint16_t opcode, uint8_t modrm)
{
    struct insn insn = exits_fetch(vcpu);

    if (insn.kind != INSN_OTHER || insn.opcode != opcode || insn.modrm != modrm)
        exits_stop(vcpu, "its code changed while core was answering it");
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
}

void exits_skip_two_byte(struct vcpu *vcpu, uint8_t opcode)
{
    if (exits_is_plain(vcpu, opcode)) {
        exits_skip_plain(vcpu);
        return;
    }
    remember_code(vcpu);
    skip(vcpu, (uint16_t)(0x0f00 | opcode), 0);
}

void exits_skip_0f01(struct vcpu *vcpu, uint8_t modrm)
{
    skip(vcpu, 0x0f01, modrm);
}
