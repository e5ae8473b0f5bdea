#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"
#include "lib/format.h"

#define SLOT_OF(code) \
    ((code) < 0 ? SVM_SLOT_INVALID : (code) < SVM_SLOT_400 ? (code) : (code)-0x400 + SVM_SLOT_400)

static svm_exit_handler *const handlers[SVM_SLOTS] = {
#define EXIT(code, name, handler, text) [SLOT_OF(code)] = exit_##handler,
#include "tables/exits.def"
#undef EXIT
    [SVM_SLOT_OTHER] = exit_unexpected,
};

static const struct {
    const char *name, *text;
} about[SVM_SLOTS] = {
#define EXIT(code, name, handler, text) [SLOT_OF(code)] = {#name, text},
#include "tables/exits.def"
#undef EXIT
    [SVM_SLOT_OTHER] = {"OTHER", "an exit that core doesn't know"},
};

/* QEMU cuts VMEXIT_INVALID to 32 bits. */
static uint64_t slot_of(uint64_t code)
{
    if (code < SVM_SLOT_400)
        return code;
    if (code - 0x400 < SVM_SLOT_INVALID - SVM_SLOT_400) /* what is less wraps */
        return code - 0x400 + SVM_SLOT_400;
    return code == UINT64_MAX || code == UINT32_MAX ? SVM_SLOT_INVALID : SVM_SLOT_OTHER;
}

void exits_init_domain(const struct bh_header *image, unsigned index)
{
    mode_init_domain(image, index);
}

void exits_init_vcpu(struct vcpu *vcpu)
{
    mode_init_vcpu(vcpu);
    cpuid_init_vcpu(vcpu);
    exits_forget_code(vcpu);
    msr_init_vcpu(vcpu);
    vdev_init_vcpu(vcpu);
    if (vcpu->id != 0)
        svm_ask(vcpu, SVM_REQUEST_INIT);
}

static __attribute__((noinline)) void handle_in_delivery(struct vcpu *vcpu,
                                                         svm_exit_handler *handler)
{
    handler(vcpu);
    exits_settle_event(vcpu);
}

static inline void handle(struct vcpu *vcpu, uint64_t slot)
{
    struct vmcb *vmcb = vcpu->vmcb;

    vcpu->exits[slot]++;
    vmcb->eventinj = 0;
    if (vmcb->exitintinfo & VMCB_EVENT_VALID)
        handle_in_delivery(vcpu, handlers[slot]);
    else
        handlers[slot](vcpu);
}

static __attribute__((noinline)) void handle_any(struct vcpu *vcpu)
{
    handle(vcpu, slot_of(vcpu->vmcb->exitcode));
}

/* Each exit comes by here: the most frequent ones find their slot in few steps. */
void exits_handle(struct vcpu *vcpu)
{
    uint64_t code = vcpu->vmcb->exitcode;

    if (code < SVM_SLOT_400)
        handle(vcpu, code);
    else if (code == SVM_EXIT_NPF)
        handle(vcpu, SVM_SLOT_400);
    else
        handle_any(vcpu);
}

void exit_unexpected(struct vcpu *vcpu)
{
    exits_stop(vcpu, about[slot_of(vcpu->vmcb->exitcode)].text);
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

/* How often any of the domain's vCPUs took that exit. The others may still be on their way. */
static uint64_t count_exits(const struct vcpu *vcpu, unsigned slot)
{
    uint64_t sum = 0;

    for (unsigned id = 0; id < vcpu->domain->ncores; id++) {
        const struct vcpu *each = svm_vcpu_of(vcpu->index, id);

        sum += each ? __atomic_load_n(&each->exits[slot], __ATOMIC_RELAXED) : 0;
    }
    return sum;
}

/* All counters that aren't 0, in as many lines as they need. */
static void print_exits(const struct vcpu *vcpu)
{
    char line[CONSOLE_LINE / 2];
    size_t length = 0;

    for (unsigned slot = 0; slot < SVM_SLOTS; slot++) {
        uint64_t count = count_exits(vcpu, slot);

        if (count != 0)
            length += format(line + length, sizeof(line) - length, "%s%s %lu", length ? ", " : "",
                             about[slot].name, count);
        if (length >= sizeof(line) / 2 || (slot == SVM_SLOTS - 1 && length != 0)) {
            print("%s: exits: %s", vcpu->domain->name, line);
            length = 0;
        }
    }
}

static _Noreturn void stop(struct vcpu *vcpu, bool asked, const char *why)
{
    const struct vmcb *v = vcpu->vmcb;

    if (__atomic_exchange_n(&vcpu->shared->stopped, true, __ATOMIC_SEQ_CST))
        exits_park(vcpu); /* another of its vCPUs was faster */
    note_end(vcpu, asked);
    print("%s: stopped: %s (exit 0x%lx, info 0x%lx 0x%lx)", vcpu->domain->name, why, v->exitcode,
          v->exitinfo1, v->exitinfo2);
    print("%s: rip %lx cs %x rsp %lx rflags %lx cr0 %lx cr3 %lx cr4 %lx efer %lx",
          vcpu->domain->name, v->rip, v->cs.selector, v->rsp, v->rflags, v->cr0, v->cr3, v->cr4,
          v->efer);
    print("%s: rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx", vcpu->domain->name, v->rax,
          vcpu->gpr[RBX], vcpu->gpr[RCX], vcpu->gpr[RDX], vcpu->gpr[RSI], vcpu->gpr[RDI]);
    exits_park_others(vcpu);
    print_exits(vcpu);
    audit_print(vcpu->domain, vcpu->index);
    vdev_stop_domain(vcpu);
    exits_park(vcpu);
}

_Noreturn void exits_stop(struct vcpu *vcpu, const char *why)
{
    stop(vcpu, false, why);
}

_Noreturn void exits_stop_asked(struct vcpu *vcpu)
{
    stop(vcpu, true, "it asked to");
}
