/*
 * Interrupts and NMIs that core gives to domains: what the virtual local APIC has to offer, and
 * when.
 *
 * Each exit of a vCPU with virtual interrupts goes through exits_handle_interrupts(): first it
 * learns what the domain has taken and whether CR8 has changed, both of which happen without an
 * exit; then the exit is answered; last, the highest pending vector is offered again. So nothing is
 * offered that something else has overtaken: who makes an interrupt pending kicks the vCPU out of
 * the domain.
 *
 * A domain that owns its interrupts comes by here only while it handles an NMI, or has an injected
 * doorbell or software interrupt to take.
 */
#include "bulkhead/abi.h"
#include "core/exits/handlers.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

#define CR8_WRITE (1u << 24) /* in BH_INTERCEPT_CR */

/* When to look again where QEMU would ignore an interrupt shadow at VMRUN, in microseconds. */
#define SHADOW_US 2

/* V_TPR is CR8, which the domain writes without an exit (15.21.2); CR8 has no more bits. */
static void note_tpr(const struct vcpu *vcpu, struct vlapic *apic)
{
    uint32_t v_tpr = vcpu->vmcb->v_intr & VMCB_V_TPR & 0xf;

    if (apic->tpr >> 4 != v_tpr)
        apic->tpr = v_tpr << 4;
}

/*
 * CR8 is watched while something is pending: what a lower one lets through, and a higher one holds
 * back, is then core's decision. (QEMU 7.2 takes V_IRQ at a priority that equals V_TPR, too, and
 * ends itself when a guest writes CR8 while V_IRQ is set.)
 */
static void watch_cr8(struct vcpu *vcpu, bool watch)
{
    uint32_t policy = vcpu->domain->intercepts[BH_INTERCEPT_CR] & CR8_WRITE;
    uint32_t *word = &vcpu->vmcb->intercepts[BH_INTERCEPT_CR];

    *word = (*word & ~CR8_WRITE) | (watch ? CR8_WRITE : policy);
    svm_dirty(vcpu, VMCB_CLEAN_I);
}

static void take_pending_nmi(struct vcpu *vcpu, struct vlapic *apic)
{
    if (__atomic_load_n(&apic->nmi, __ATOMIC_RELAXED) &&
        __atomic_exchange_n(&apic->nmi, 0, __ATOMIC_ACQ_REL))
        inject_add_nmi(vcpu);
}

/* The vCPU is looked at again for what comes first: the domain's timer, or a look soon. */
static void set_timer(struct vcpu *vcpu, const struct vlapic *apic, bool soon)
{
    uint64_t deadline = vlapic_deadline(apic);

    if (deadline != VLAPIC_NEVER)
        deadline -= vcpu->vmcb->tsc_offset;
    if (soon && time_after(SHADOW_US) < deadline)
        deadline = time_after(SHADOW_US);
    svm_set_deadline(vcpu, deadline);
}

/* All that hasn't been taken is pending, for a new choice. */
static void withdraw(struct vcpu *vcpu, struct vlapic *apic)
{
    int vector = inject_withdraw(vcpu);

    if (vector != INJECT_NOTHING)
        vlapic_take_back(apic, (uint8_t)vector);
}

static void offer(struct vcpu *vcpu, struct vlapic *apic)
{
    bool shadow = inject_is_shadowed(vcpu), waits;
    int vector;

    withdraw(vcpu, apic);
    note_tpr(vcpu, apic);
    vlapic_tick(apic, vdev_tsc(vcpu));
    take_pending_nmi(vcpu, apic);
    vector = vlapic_pending(apic);
    watch_cr8(vcpu, vector != VLAPIC_NOTHING);
    waits = shadow && vector != VLAPIC_NOTHING;
    if (vector != VLAPIC_NOTHING && (shadow || !vlapic_passes_tpr(apic, (uint8_t)vector)))
        vector = INJECT_NOTHING;
    if (vector != INJECT_NOTHING)
        vlapic_offer(apic, (uint8_t)vector);
    inject_offer(vcpu, vector);
    if (!shadow)
        inject_nmi(vcpu);
    set_timer(vcpu, apic, waits || inject_has_nmi(vcpu));
}

void exits_offer(struct vcpu *vcpu)
{
    struct vlapic *apic = vdev_apic(vcpu);

    if (apic)
        offer(vcpu, apic);
}

bool exits_has_interrupt(struct vcpu *vcpu)
{
    struct vlapic *apic = vdev_apic(vcpu);
    int vector;

    if (!apic)
        return false;
    withdraw(vcpu, apic);
    note_tpr(vcpu, apic);
    vlapic_tick(apic, vdev_tsc(vcpu));
    take_pending_nmi(vcpu, apic);
    set_timer(vcpu, apic, false);
    vector = vlapic_pending(apic);
    return inject_has_nmi(vcpu) || (vector != VLAPIC_NOTHING && (vcpu->vmcb->rflags & RFLAGS_IF) &&
                                    vlapic_passes_tpr(apic, (uint8_t)vector));
}

/*
 * Beside another event, which goes first, it waits for the next exit; a domain that owns its
 * interrupts may have none for long, so its core is kicked: that NMI comes when the event was
 * delivered. It can't be the domain's that is sent round by the CPU's APIC: that keeps one, and
 * another CPU's kick would be the same.
 */
static void inject_or_kick(struct vcpu *vcpu)
{
    if (!((vcpu->vmcb->eventinj | vcpu->vmcb->exitintinfo) & VMCB_EVENT_VALID))
        inject_nmi(vcpu);
    if (inject_has_nmi(vcpu))
        svm_kick(vcpu);
}

void exits_take_nmi(struct vcpu *vcpu)
{
    inject_add_nmi(vcpu);
    vcpu->handler = exits_handle_interrupts;
    inject_or_kick(vcpu);
}

static enum bh_bell_way way_of(uint32_t bell)
{
    return (enum bh_bell_way)(bell >> 16);
}

void exits_ring(struct vcpu *vcpu, uint32_t bell)
{
    struct vlapic *apic = vdev_apic(vcpu);
    uint8_t vector = (uint8_t)bell;

    if (apic && vlapic_accept(apic, vector))
        svm_kick(vcpu);
    if (apic || __atomic_load_n(&vcpu->shared->stopped, __ATOMIC_ACQUIRE))
        return;
    if (way_of(bell) == BH_BELL_APIC)
        apic_send(cpu_areas[vcpu->cpu].cpu.apic_id, APIC_MODE_FIXED | APIC_ICR_ASSERT | vector);
    else
        svm_request(vcpu, SVM_REQUEST_BELL);
}

/*
 * A HLT behind STI that the offered interrupt would end at once is over before it begins. QEMU
 * ignores the shadow at VMRUN: there the interrupt would come before that HLT, which nothing would
 * end then.
 */
static void skip_halt(struct vcpu *vcpu, uint32_t bell)
{
    bool is_held_back =
        way_of(bell) == BH_BELL_INJECTED && (bell >> 4 & 0xf) <= (vcpu->vmcb->v_intr & VMCB_V_TPR);
    struct insn insn;

    if (is_held_back || !(vcpu->vmcb->interrupt_shadow & 1) || !(vcpu->vmcb->rflags & RFLAGS_IF))
        return;
    insn = exits_fetch(vcpu);
    if (insn.kind == INSN_OTHER && insn.opcode == 0xf4)
        exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
}

void exits_take_bell(struct vcpu *vcpu)
{
    uint32_t bell = __atomic_load_n(&vcpu->shared->bell, __ATOMIC_SEQ_CST);

    if (way_of(bell) == BH_BELL_APIC || (bell >> 8 & 0xff) != vcpu->id)
        return; /* it has chosen otherwise since it rang */
    skip_halt(vcpu, bell);
    inject_bell(vcpu, (uint8_t)bell, way_of(bell) == BH_BELL_INJECTED);
    watch_cr8(vcpu, true);
    vcpu->handler = exits_handle_interrupts;
}

/* The IRET by which the domain's NMI handler ends, not one that a policy has intercepted. */
static bool saw_iret(struct vcpu *vcpu)
{
    if (vcpu->vmcb->exitcode != SVM_EXIT_IRET || !inject_saw_iret(vcpu))
        return false;
    vcpu->exits[SVM_EXIT_IRET]++;
    vcpu->vmcb->eventinj = 0;
    return true;
}

/* Before a virtual interrupt is taken (15.13.1), where a policy wants to see it. */
void exit_vintr(struct vcpu *vcpu)
{
    inject_let_in(vcpu);
}

svm_exit_handler *exits_handler(const struct vcpu *vcpu)
{
    return vcpu->domain->interrupts == BH_VIRTUAL ? exits_handle_interrupts : exits_handle;
}

void exits_handle_interrupts(struct vcpu *vcpu)
{
    struct vlapic *apic = vdev_apic(vcpu);
    int taken = inject_collect(vcpu);

    if (!(vcpu->vmcb->exitintinfo & VMCB_EVENT_VALID))
        vcpu->soft_event = 0; /* it was delivered */
    if (apic) {
        note_tpr(vcpu, apic);
        if (taken != INJECT_NOTHING)
            vlapic_take(apic, (uint8_t)taken);
        withdraw(vcpu, apic);
    }
    if (!saw_iret(vcpu))
        exits_handle(vcpu);
    if (apic) {
        offer(vcpu, apic);
        return;
    }
    inject_or_kick(vcpu);
    watch_cr8(vcpu, vcpu->inject.offered != INJECT_NOTHING);
    if (!inject_is_busy(vcpu) && !vcpu->soft_event)
        vcpu->handler = exits_handle;
}
