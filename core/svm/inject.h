/*
 * How a domain comes to take virtual interrupts and NMIs: the VMCB's side of it (APM vol. 2, 15.20
 * and 15.21). What is pending, and what goes first, is known elsewhere (core/exits/interrupt.c).
 *
 * A virtual interrupt is offered: V_IRQ with its vector and priority. The CPU takes it between two
 * instructions of the domain, when IF, the interrupt shadow and V_TPR let it, without an exit, and
 * clears V_IRQ (15.21.4). So the next exit tells whether it was taken.
 *
 * The CPU doesn't keep an NMI that was injected from being followed by another one, as core takes
 * the physical ones: until the domain's IRET has ended core does.
 */
#ifndef SVM_INJECT_H
#define SVM_INJECT_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

#define INJECT_NOTHING (-1) /* instead of a vector */

/* Owner: the vCPU's own CPU. */
struct inject {
    int offered;      /* vector, or INJECT_NOTHING */
    uint8_t nmis;     /* that wait */
    bool nmi_blocked; /* one is being handled */
    bool nmi_ending;  /* its IRET, at iret_rip, was seen and hasn't ended */
    bool stepping;    /* TF is core's, to see the IRET's end; `tf` is the domain's */
    bool stepped;     /* so it was until this exit */
    bool let_in;      /* VINTR isn't intercepted in this run, though the policy wants it */
    bool tf;
    uint64_t iret_rip;
    bool shadowed; /* the instruction at shadow_rip is in an interrupt shadow */
    uint64_t shadow_rip;
};

/* As after reset: nothing is offered, pending or blocked. */
void inject_reset(struct vcpu *vcpu);

/*
 * After each #VMEXIT, before the exit is handled. Returns the virtual interrupt that the domain has
 * taken, or whose delivery has begun, since it was offered; INJECT_NOTHING: none.
 */
int inject_collect(struct vcpu *vcpu);

/* True if this exit was nothing but the single step by which core looks for an IRET's end. */
bool inject_was_step(const struct vcpu *vcpu);

/* An exit because of IRET; false if core didn't want it. */
bool inject_saw_iret(struct vcpu *vcpu);

/* The exit that a policy wants before what is offered is taken: it is taken in the next run. */
void inject_let_in(struct vcpu *vcpu);

/*
 * True if the next instruction is in an interrupt shadow (15.21.5). QEMU 7.2 forgets that at VMRUN:
 * an exit because of an interrupt, before the instruction was executed, would show none.
 */
bool inject_is_shadowed(struct vcpu *vcpu);

/* What was offered and hasn't been taken isn't offered any more: its vector, or INJECT_NOTHING. */
int inject_withdraw(struct vcpu *vcpu);

/* Before VMRUN, when the exit was handled: offers `vector`, or nothing. */
void inject_offer(struct vcpu *vcpu, int vector);

/*
 * The same for a domain that owns its interrupts (V_INTR_MASKING is clear): its own IF holds it
 * back, and, if `asks_tpr`, V_TPR, which is what it has written to CR8 (15.21.2). Its local APIC
 * knows nothing of it.
 */
void inject_bell(struct vcpu *vcpu, uint8_t vector, bool asks_tpr);

/*
 * An NMI has come. A CPU handles one and remembers one (8.2.3), so no more than that are kept: of
 * two that come before the first can be injected both.
 */
void inject_add_nmi(struct vcpu *vcpu);

/* Before VMRUN: injects one that waits, if none is being handled and nothing else is injected. */
void inject_nmi(struct vcpu *vcpu);

/* True if one waits, but not for the end of another: for what is injected, or for an exit. */
bool inject_has_nmi(const struct vcpu *vcpu);

/* True while exits must come by inject_collect(), inject_offer() and inject_nmi(). */
bool inject_is_busy(const struct vcpu *vcpu);

#endif
