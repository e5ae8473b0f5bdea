/* Exceptions, interrupts, and events whose delivery an exit has interrupted. */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"
#include "core/svm/features.h"

/*
 * Has the domain take a software interrupt, or the exception that an instruction like INT3 is, in
 * that instruction's place. What the CPU pushes for the next instruction's address is VMCB.RIP, or
 * nRIP where it has that (15.20), but not for ICEBP's #DB. If its delivery doesn't come to an end,
 * the instruction hasn't happened: exits_settle_event().
 */
static void inject_software(struct vcpu *vcpu, uint64_t event, unsigned length)
{
    uint64_t next = vcpu->vmcb->rip + length;

    vcpu->soft_event = vcpu->vmcb->eventinj = event;
    vcpu->soft_rip = vcpu->vmcb->rip;
    if (svm_has(SVM_FEATURE_NRIPS) && vcpu->vmcb->exitcode != SVM_EXIT_ICEBP)
        vcpu->vmcb->nrip = next;
    else
        vcpu->vmcb->rip = next;
    vcpu->soft_next = vcpu->vmcb->rip;
    vcpu->vmcb->interrupt_shadow = 0;
    vcpu->handler = exits_handle_interrupts; /* which sees to soft_event at the next exit */
}

/*
 * Exceptions that are the domain's: it takes them as if core had not seen them. #DB and #AC always
 * come by here: without it a domain whose handler raises the same again would be in their delivery
 * for ever, and no interrupt, NMI or SMI could end that. EXITINFO1 is the error code; CR2 isn't
 * written before the intercept (15.12).
 */
void exit_exception(struct vcpu *vcpu)
{
    unsigned vector = (unsigned)(vcpu->vmcb->exitcode - SVM_EXIT_EXCEPTION_DE);

    if (inject_was_step(vcpu)) /* core's own: inject.h */
        return;
    if (vector == VECTOR_BP || vector == VECTOR_OF) { /* RIP is still that of INT3 or INTO */
        struct insn insn = exits_fetch(vcpu);

        if (insn.kind != INSN_INT)
            exits_stop(vcpu, "its code changed while core was answering it");
        inject_software(vcpu, VMCB_EVENT_VALID | VMCB_EVENT_EXCEPTION | vector, insn.length);
        return;
    }
    if (vector == VECTOR_PF) {
        vcpu->vmcb->cr2 = vcpu->vmcb->exitinfo2;
        svm_dirty(vcpu, VMCB_CLEAN_CR2);
    }
    svm_inject_exception(vcpu, vector, (uint32_t)vcpu->vmcb->exitinfo1);
}

/* INTn. (QEMU exits so for INT3 and INTO, too.) */
void exit_int(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);

    if (vcpu->vmcb->rflags & RFLAGS_VM) /* where it goes depends on more than the IDT: 8.9.3 */
        exits_stop(vcpu, "it executed INTn in virtual-8086 mode");
    if (insn.kind != INSN_INT)
        exits_stop(vcpu, "its code changed while core was answering it");
    inject_software(vcpu, VMCB_EVENT_VALID | VMCB_EVENT_SOFTWARE | insn.immediate, insn.length);
}

/* ICEBP, also called INT1: a #DB that leaves DR6 alone. */
void exit_icebp(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);

    if (insn.kind != INSN_OTHER || insn.opcode != 0xf1)
        exits_stop(vcpu, "its code changed while core was answering it");
    inject_software(vcpu, VMCB_EVENT_VALID | VMCB_EVENT_EXCEPTION | VECTOR_DB, insn.length);
}

/* Divide error and those of segments, 8.2.9. */
static bool is_contributory(unsigned vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

/*
 * The domain takes a fault while another event was being delivered: a double fault if the other
 * was such a fault, too (APM vol. 2, table 8-3), a shutdown if it was a double fault.
 */
static void take_second_fault(struct vcpu *vcpu, unsigned first, unsigned second)
{
    bool is_serious = is_contributory(second) || second == VECTOR_PF;

    if (first == VECTOR_DF && is_serious)
        exits_stop(vcpu, "shutdown (triple fault)");
    if ((is_contributory(first) && is_contributory(second)) || (first == VECTOR_PF && is_serious))
        svm_inject_exception(vcpu, VECTOR_DF, 0);
}

/*
 * An interrupt or NMI during whose delivery the domain has faulted is not delivered again, as on
 * the bare machine: it was acknowledged when its delivery began, so it is in service, and the
 * fault's handler is all that runs for it (8.2.9; 16.6). A CPU whose faults core doesn't intercept
 * does the same without an exit.
 */
void exits_settle_event(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;
    uint64_t known = VMCB_EVENT_VALID | VMCB_EVENT_TYPE | VMCB_EVENT_VECTOR;
    uint64_t event = vmcb->exitintinfo, type = event & VMCB_EVENT_TYPE;
    unsigned vector = event & VMCB_EVENT_VECTOR;
    bool is_software =
        type == VMCB_EVENT_SOFTWARE ||
        (type == VMCB_EVENT_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF));

    if (((event ^ vcpu->soft_event) & known) == 0 && vmcb->rip == vcpu->soft_next) {
        vmcb->rip = vcpu->soft_rip;
        is_software = true;
    }
    vcpu->soft_event = 0;
    /* No exception has such a vector, and VMRUN would refuse it; QEMU 7.2 says so of interrupts. */
    if (type == VMCB_EVENT_EXCEPTION && vector > VECTOR_LAST_EXCEPTION)
        event = VMCB_EVENT_VALID | VMCB_EVENT_INTR | vector;
    if (!(vmcb->eventinj & VMCB_EVENT_VALID)) {
        if (!is_software) /* that instruction is executed again by itself */
            vmcb->eventinj = event;
    } else if (type == VMCB_EVENT_EXCEPTION && !is_software &&
               (vmcb->eventinj & VMCB_EVENT_TYPE) == VMCB_EVENT_EXCEPTION) {
        take_second_fault(vcpu, vector, vmcb->eventinj & VMCB_EVENT_VECTOR);
    }
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

    svm_host_window(vcpu);
    if (vcpu->vmcb->exitcode == SVM_EXIT_SMI)
        audit_smi(vcpu->index, read_tsc() - tsc);
    for (; vcpu->domain->interrupts == BH_DIRECT && cpu->nmi_count != nmis; nmis++)
        exits_take_nmi(vcpu);
}

static bool is_over(struct vcpu *vcpu, bool for_bell)
{
    if (!(for_bell && __atomic_load_n(&vcpu->shared->doorbells, __ATOMIC_SEQ_CST)) &&
        !exits_has_interrupt(vcpu) && !exits_has_requests(vcpu))
        return false;
    exits_offer(vcpu);
    return true;
}

static bool halt_is_over(struct vcpu *vcpu)
{
    return is_over(vcpu, false);
}

static bool halt_or_bell_is_over(struct vcpu *vcpu)
{
    return is_over(vcpu, true);
}

/*
 * Only domains with virtual interrupts get here. A doorbell ends it by itself where the domain has
 * it as no interrupt.
 */
void exit_hlt(struct vcpu *vcpu)
{
    struct insn insn = exits_fetch(vcpu);
    bool for_bell = __atomic_load_n(&vcpu->shared->bell, __ATOMIC_SEQ_CST) == 0;

    if (insn.kind != INSN_OTHER || insn.opcode != 0xf4)
        exits_stop(vcpu, "its code changed while core was answering it");
    svm_sleep(vcpu, for_bell ? halt_or_bell_is_over : halt_is_over);
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
}
