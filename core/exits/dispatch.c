#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

/* Codes are looked up directly; the one large code, 400h, has the slot behind them. */
#define SLOT_NPF      0xb0u
#define SLOT_OF(code) ((code) == 0x400 ? SLOT_NPF : (code))

static svm_exit_handler *const handlers[SLOT_NPF + 1] = {
#define EXIT(code, name, handler, text) [SLOT_OF(code)] = exit_##handler,
#include "tables/exits.def"
#undef EXIT
};

static const struct {
    uint64_t code;
    const char *text;
} texts[] = {
#define EXIT(code, name, handler, text) {(code), (text)},
#include "tables/exits.def"
#undef EXIT
};

static const char *text_of(uint64_t code)
{
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].code == code)
            return texts[i].text;
    return "an exit that core doesn't know";
}

void exits_init_vcpu(struct vcpu *vcpu)
{
    cpuid_init_vcpu(vcpu);
    if (vcpu->id == 0)
        vdev_init_domain(vcpu);
}

void exits_handle(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;
    uint64_t code = vmcb->exitcode;
    svm_exit_handler *handler = code < SLOT_NPF        ? handlers[code]
                                : code == SVM_EXIT_NPF ? handlers[SLOT_NPF]
                                                       : NULL;

    vmcb->eventinj = 0;
    vmcb->tlb_control = 0;
    (handler ? handler : exit_unexpected)(vcpu);

    /* An event that was being delivered is delivered again, unless a fault takes its place. */
    if ((vmcb->exitintinfo & VMCB_EVENT_VALID) && !(vmcb->eventinj & VMCB_EVENT_VALID))
        vmcb->eventinj = vmcb->exitintinfo;
}

void exit_unexpected(struct vcpu *vcpu)
{
    exits_stop(vcpu, text_of(vcpu->vmcb->exitcode));
}

void exit_undefined(struct vcpu *vcpu)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_INSTRUCTION, vcpu->vmcb->exitcode,
                    vcpu->vmcb->rip);
    svm_inject_exception(vcpu, VECTOR_UD, 0);
}

void exit_general_protection(struct vcpu *vcpu)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_INSTRUCTION, vcpu->vmcb->exitcode,
                    vcpu->vmcb->rip);
    svm_inject_exception(vcpu, VECTOR_GP, 0);
}

static void note_end(const struct vcpu *vcpu, bool asked)
{
    const struct vmcb *v = vcpu->vmcb;

    audit_set_end(vcpu->index, &(struct audit_end){.asked = asked,
                                                   .exitcode = v->exitcode,
                                                   .exitinfo1 = v->exitinfo1,
                                                   .exitinfo2 = v->exitinfo2,
                                                   .rip = v->rip,
                                                   .tsc = read_tsc()});
}

static _Noreturn void stop(struct vcpu *vcpu, bool asked, const char *why)
{
    const struct vmcb *v = vcpu->vmcb;

    __atomic_store_n(&vcpu->shared->stopped, true, __ATOMIC_RELEASE);
    note_end(vcpu, asked);
    print("%s: stopped: %s (exit 0x%lx, info 0x%lx 0x%lx)", vcpu->domain->name, why, v->exitcode,
          v->exitinfo1, v->exitinfo2);
    print("%s: rip %lx cs %x rsp %lx rflags %lx cr0 %lx cr3 %lx cr4 %lx efer %lx",
          vcpu->domain->name, v->rip, v->cs.selector, v->rsp, v->rflags, v->cr0, v->cr3, v->cr4,
          v->efer);
    print("%s: rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx", vcpu->domain->name, v->rax,
          vcpu->gpr[RBX], vcpu->gpr[RCX], vcpu->gpr[RDX], vcpu->gpr[RSI], vcpu->gpr[RDI]);
    vdev_stop_domain(vcpu);
    for (;;)
        svm_host_window(vcpu, true);
}

_Noreturn void exits_stop(struct vcpu *vcpu, const char *why)
{
    stop(vcpu, false, why);
}

_Noreturn void exits_stop_asked(struct vcpu *vcpu)
{
    stop(vcpu, true, "it asked to");
}
