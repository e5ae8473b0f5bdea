/* Instructions that core carries out where it or a policy has them intercepted. */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

/* Steps over an INSN_OTHER; if something else stands there by now the domain is stopped. */
static void skip(struct vcpu *vcpu, const struct insn *insn, bool is_expected)
{
    if (insn->kind != INSN_OTHER || !is_expected)
        exits_stop(vcpu, "its code changed while core was answering it");
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn->length);
}

/* RDTSC and RDTSCP, which QEMU doesn't tell apart. CR4.TSD and CPL were checked before the exit. */
void exit_rdtsc(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);
    bool is_rdtscp = insn.opcode == 0x0f01 && insn.modrm == 0xf9;
    uint64_t tsc = read_tsc() + vcpu->vmcb->tsc_offset;

    skip(vcpu, &insn, is_rdtscp || insn.opcode == 0x0f31);
    vcpu->vmcb->rax = (uint32_t)tsc;
    vcpu->gpr[RDX] = tsc >> 32;
    /* The code may have become RDTSCP on a CPU that has neither that nor the MSR. */
    if (is_rdtscp && (cpuid(CPUID_EXTENDED, 0).edx & CPUID_EXTENDED_EDX_RDTSCP))
        vcpu->gpr[RCX] = (uint32_t)read_msr(MSR_TSC_AUX);
}

static bool pause_is_over(struct vcpu *vcpu)
{
    exits_offer(vcpu);
    return true;
}

/* Who has the core alone goes on at once; else it goes to the next that has something to do. */
void exit_pause(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);

    skip(vcpu, &insn, insn.opcode == 0xf390);
    if (vcpu->domain->slice_us)
        svm_sleep(vcpu, pause_is_over);
}

void exit_invlpg(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);

    if (insn.kind != INSN_INVLPG)
        exits_stop(vcpu, "its code changed while core was answering it");
    mode_invlpg(vcpu, exits_linear(vcpu, &insn));
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
}

/* Comes before the instruction that would lock the bus once more than the threshold (15.14.5). */
void exit_bus_lock(struct vcpu *vcpu)
{
    vcpu->vmcb->bus_lock_threshold = 1;
}

/* Comes after the instruction: it has been seen, there is nothing more to do. */
void exit_trap(struct vcpu *vcpu)
{
    (void)vcpu;
}

/*
 * INVD would drop what others have written (APM vol. 2, 15.13.2). QEMU doesn't tell the two apart,
 * so either may stand here.
 */
void exit_wbinvd(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);

    skip(vcpu, &insn, insn.opcode == 0x0f08 || insn.opcode == 0x0f09);
    wbinvd();
}

#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_AVX 4u

/* APM vol. 4, XSETBV: what the CPU would refuse is #GP; CPL was checked before the exit. */
void exit_xsetbv(struct vcpu *vcpu)
{
    uint64_t value = vcpu->gpr[RDX] << 32 | (uint32_t)vcpu->vmcb->rax;
    uint64_t supported = cpuid(0xd, 0).eax & (XCR0_X87 | XCR0_SSE | XCR0_AVX);

    if (!(mode_cr4(vcpu) & CR4_OSXSAVE)) {
        svm_inject_exception(vcpu, VECTOR_UD, 0);
        return;
    }
    if (vcpu->vmcb->cpl != 0 || (uint32_t)vcpu->gpr[RCX] != 0 || (value & ~supported) ||
        !(value & XCR0_X87) || ((value & XCR0_AVX) && !(value & XCR0_SSE))) {
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    write_cr4(read_cr4() | CR4_OSXSAVE);
    write_xcr0(value);
    write_cr4(read_cr4() & ~(uint64_t)CR4_OSXSAVE);
    exits_skip_0f01(vcpu, 0xd1);
}
