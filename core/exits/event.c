/* Exceptions, interrupts, and instructions that wait or flush. */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

/* #DB and #AC are intercepted so that an endless one can't hold the core; they are the domain's. */
void exit_exception(struct vcpu *vcpu)
{
    svm_inject_exception(vcpu, (unsigned)(vcpu->vmcb->exitcode - SVM_EXIT_EXCEPTION_DB + 1),
                         (uint32_t)vcpu->vmcb->exitinfo1);
}

void exit_machine_check(struct vcpu *vcpu)
{
    exits_stop(vcpu, "the CPU reported a machine check");
}

/*
 * INTR, NMI, SMI, INIT: pending until GIF is set, then taken by core or by the SMM stub. An NMI
 * among them that wasn't core's own is the domain's, if it owns its core.
 */
void exit_host_interrupt(struct vcpu *vcpu)
{
    const struct cpu *cpu = &cpu_areas[vcpu->cpu].cpu;
    uint32_t nmis = cpu->nmi_count;
    uint64_t tsc = read_tsc();

    svm_host_window(vcpu, false);
    if (vcpu->vmcb->exitcode == SVM_EXIT_SMI)
        audit_smi(vcpu->index, read_tsc() - tsc);
    if (vcpu->domain->interrupts == BH_DIRECT && cpu->nmi_count != nmis)
        svm_inject_nmi(vcpu);
}

bool exits_await_doorbell(struct vcpu *vcpu)
{
    while (!__atomic_load_n(&vcpu->shared->doorbells, __ATOMIC_ACQUIRE)) {
        if (exits_has_requests(vcpu))
            return false;
        svm_host_window(vcpu, true);
    }
    return true;
}

/* Only domains with virtual interrupts get here: they sleep until a doorbell rings. */
void exit_hlt(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);

    if (insn.kind != INSN_OTHER || insn.opcode != 0xf4)
        exits_stop(vcpu, "its code changed while core was answering it");
    if (exits_await_doorbell(vcpu))
        exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
}

/* INVD would drop what others have written (APM vol. 2, 15.13.2). */
void exit_wbinvd(struct vcpu *vcpu)
{
    wbinvd();
    exits_skip_two_byte(vcpu, vcpu->vmcb->exitcode == SVM_EXIT_INVD ? 0x08 : 0x09);
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
