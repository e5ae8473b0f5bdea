#include "core/svm/inject.h"

#include "core/svm/svm.h"
#include "hw/x86.h"

#define VINTR_INTERCEPT (1u << 4) /* in BH_INTERCEPT_MISC1 */
#define IRET_INTERCEPT  (1u << 20)

static uint32_t wanted_by_policy(const struct vcpu *vcpu, uint32_t bit)
{
    return vcpu->domain->intercepts[BH_INTERCEPT_MISC1] & bit;
}

static void set_intercept(struct vcpu *vcpu, uint32_t bit, uint32_t value)
{
    uint32_t *word = &vcpu->vmcb->intercepts[BH_INTERCEPT_MISC1];

    *word = (*word & ~bit) | value;
    svm_dirty(vcpu, VMCB_CLEAN_I);
}

static bool policy_wants_iret(const struct vcpu *vcpu)
{
    return wanted_by_policy(vcpu, IRET_INTERCEPT);
}

static void intercept_iret(struct vcpu *vcpu, bool intercept)
{
    set_intercept(vcpu, IRET_INTERCEPT,
                  intercept ? IRET_INTERCEPT : wanted_by_policy(vcpu, IRET_INTERCEPT));
}

void inject_let_in(struct vcpu *vcpu)
{
    vcpu->inject.let_in = true;
    set_intercept(vcpu, VINTR_INTERCEPT, 0);
}

/* What comes after it is seen again. */
static void end_let_in(struct vcpu *vcpu)
{
    if (!vcpu->inject.let_in)
        return;
    vcpu->inject.let_in = false;
    set_intercept(vcpu, VINTR_INTERCEPT, wanted_by_policy(vcpu, VINTR_INTERCEPT));
}

void inject_reset(struct vcpu *vcpu)
{
    end_let_in(vcpu);
    vcpu->inject = (struct inject){.offered = INJECT_NOTHING};
    vcpu->vmcb->v_intr &= ~(VMCB_V_IRQ | VMCB_V_IGN_TPR | VMCB_V_TPR);
    svm_dirty(vcpu, VMCB_CLEAN_TPR);
    intercept_iret(vcpu, false);
}

/*
 * The delivery of what was offered has begun, and an exit cut it off: the CPU says so, as of any
 * event (15.7.2). QEMU then leaves V_IRQ set, and calls it an exception.
 */
static bool is_in_delivery(const struct vmcb *vmcb, int offered)
{
    uint64_t type = vmcb->exitintinfo & VMCB_EVENT_TYPE;

    return (vmcb->exitintinfo & VMCB_EVENT_VALID) &&
           (vmcb->exitintinfo & VMCB_EVENT_VECTOR) == (unsigned)offered &&
           (type == VMCB_EVENT_INTR ||
            (type == VMCB_EVENT_EXCEPTION && offered >= EXCEPTION_COUNT));
}

/* IRET has loaded TF from the stack: that is the domain's. After anything else it is as it was. */
static void end_step(struct vcpu *vcpu, bool iret_has_ended)
{
    struct inject *inject = &vcpu->inject;
    struct vmcb *vmcb = vcpu->vmcb;

    if (inject->stepping && !iret_has_ended)
        vmcb->rflags = (vmcb->rflags & ~(uint64_t)RFLAGS_TF) | (inject->tf ? RFLAGS_TF : 0);
    inject->stepped = inject->stepping && !inject->tf && (vmcb->dr6 & DR6_BS) &&
                      vmcb->exitcode == SVM_EXIT_EXCEPTION_DB;
    inject->stepping = false;
    if (inject->stepped) {
        vmcb->dr6 &= ~(uint64_t)DR6_BS;
        svm_dirty(vcpu, VMCB_CLEAN_DR);
    }
}

int inject_collect(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;
    struct inject *inject = &vcpu->inject;
    int offered = inject->offered;
    bool iret_has_ended = inject->nmi_ending && vmcb->rip != inject->iret_rip;

    end_let_in(vcpu);
    end_step(vcpu, iret_has_ended);
    if (iret_has_ended)
        inject->nmi_ending = inject->nmi_blocked = false;
    if (offered == INJECT_NOTHING)
        return INJECT_NOTHING;
    if (is_in_delivery(vmcb, offered))
        vmcb->exitintinfo = VMCB_EVENT_VALID | VMCB_EVENT_INTR | (unsigned)offered;
    else if (vmcb->v_intr & VMCB_V_IRQ)
        return INJECT_NOTHING;
    inject->offered = INJECT_NOTHING;
    vmcb->v_intr &= ~(VMCB_V_IRQ | VMCB_V_IGN_TPR);
    svm_dirty(vcpu, VMCB_CLEAN_TPR);
    return offered;
}

bool inject_is_shadowed(struct vcpu *vcpu)
{
    struct inject *inject = &vcpu->inject;
    const struct vmcb *vmcb = vcpu->vmcb;
    bool is_same =
        inject->shadowed && vmcb->rip == inject->shadow_rip && vmcb->exitcode == SVM_EXIT_INTR;

    inject->shadowed = (vmcb->interrupt_shadow & 1) || is_same;
    inject->shadow_rip = vmcb->rip;
    return inject->shadowed;
}

int inject_withdraw(struct vcpu *vcpu)
{
    int offered = vcpu->inject.offered;

    if (offered != INJECT_NOTHING)
        inject_offer(vcpu, INJECT_NOTHING);
    return offered;
}

bool inject_was_step(const struct vcpu *vcpu)
{
    return vcpu->inject.stepped;
}

bool inject_saw_iret(struct vcpu *vcpu)
{
    struct inject *inject = &vcpu->inject;

    if (!inject->nmi_blocked || inject->nmi_ending || policy_wants_iret(vcpu))
        return false;
    inject->nmi_ending = true;
    inject->iret_rip = vcpu->vmcb->rip;
    intercept_iret(vcpu, false);
    return true;
}

void inject_offer(struct vcpu *vcpu, int vector)
{
    struct vmcb *vmcb = vcpu->vmcb;
    uint64_t v_intr = vmcb->v_intr & (VMCB_V_TPR | VMCB_V_INTR_MASKING);

    if (vector != INJECT_NOTHING)
        v_intr |= VMCB_V_IRQ | (uint64_t)vector >> 4 << VMCB_V_INTR_PRIO_SHIFT |
                  (uint64_t)vector << VMCB_V_INTR_VECTOR_SHIFT;
    vmcb->v_intr = v_intr;
    svm_dirty(vcpu, VMCB_CLEAN_TPR);
    vcpu->inject.offered = vector;
}

void inject_bell(struct vcpu *vcpu, uint8_t vector, bool asks_tpr)
{
    inject_offer(vcpu, vector);
    if (!asks_tpr)
        vcpu->vmcb->v_intr |= VMCB_V_IGN_TPR;
}

void inject_add_nmi(struct vcpu *vcpu)
{
    struct inject *inject = &vcpu->inject;

    if (inject->nmis < (inject->nmi_blocked ? 1 : 2))
        inject->nmis++;
}

bool inject_has_nmi(const struct vcpu *vcpu)
{
    return vcpu->inject.nmis && !vcpu->inject.nmi_blocked;
}

void inject_nmi(struct vcpu *vcpu)
{
    struct inject *inject = &vcpu->inject;
    struct vmcb *vmcb = vcpu->vmcb;

    if (inject->nmis == 0)
        return;
    if (inject->nmi_ending) {  /* IRET is next: see it end */
        if (!inject->stepping) /* asked twice before it runs, TF is core's by now */
            inject->tf = vmcb->rflags & RFLAGS_TF;
        inject->stepping = true;
        vmcb->rflags |= RFLAGS_TF;
        return;
    }
    if (inject->nmi_blocked || (vmcb->eventinj & VMCB_EVENT_VALID))
        return;
    vmcb->eventinj = VMCB_EVENT_VALID | VMCB_EVENT_NMI;
    inject->nmis--;
    inject->nmi_blocked = true;
    intercept_iret(vcpu, true);
}

bool inject_is_busy(const struct vcpu *vcpu)
{
    const struct inject *inject = &vcpu->inject;

    return inject->nmis || inject->nmi_blocked || inject->stepping ||
           inject->offered != INJECT_NOTHING;
}
