/*
 * What others ask of a vCPU: an INIT, a startup IPI, an NMI, the end. The first vCPU of a domain
 * starts as its boot says; the others wait for INIT and SIPI, as processors do (APM vol. 2, 14.1).
 * No real INIT is ever sent: it would reset a core whatever GIF and intercepts say.
 */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"
#include "hw/svm.h"
#include "lib/memory.h"

/* Values after INIT, 14.1.3, tables 14-1 and 14-2. What isn't named there stays. */
#define INIT_CR0 (CR0_CD | CR0_NW | CR0_ET)
#define INIT_RIP 0xfff0
#define INIT_DR6 0xffff0ff0
#define INIT_DR7 0x400

/* Far more than an NMI takes: emulated CPUs can stand still while their host is busy. */
#define PARK_LIMIT_US 10000000

static struct vmcb_segment real_segment(uint16_t selector, uint64_t base, uint16_t attributes)
{
    return (struct vmcb_segment){
        .selector = selector, .base = base, .limit = 0xffff, .attributes = attributes};
}

static void reset_segments(struct vmcb *vmcb)
{
    svm_save(vmcb);
    vmcb->cs = real_segment(0xf000, 0xffff0000, VMCB_SEG_REAL_CODE);
    vmcb->ds = vmcb->es = vmcb->ss = vmcb->fs = vmcb->gs = real_segment(0, 0, VMCB_SEG_REAL_DATA);
    vmcb->ldtr = real_segment(0, 0, VMCB_SEG_LDT);
    vmcb->tr = real_segment(0, 0, VMCB_SEG_TSS);
    vmcb->gdtr = vmcb->idtr = (struct vmcb_segment){.limit = 0xffff};
    svm_load(vmcb);
}

static void reset(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;

    reset_segments(vmcb);
    memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
    vcpu->gpr[RDX] = cpuid(CPUID_FEATURES, 0).eax;
    vmcb->rax = vmcb->rsp = 0;
    vmcb->rip = INIT_RIP;
    vmcb->rflags = RFLAGS_FIXED;
    vmcb->dr6 = INIT_DR6;
    vmcb->dr7 = INIT_DR7;
    for (unsigned i = 0; i < 4; i++) /* the vCPU is current: they are in the CPU */
        write_dr(i, 0);
    vmcb->cr2 = 0;
    vmcb->cpl = 0;
    vmcb->interrupt_shadow = 0;
    vmcb->eventinj = 0;
    svm_dirty(vcpu, VMCB_CLEAN_ALL);
    mode_start(vcpu, INIT_CR0, 0, 0, 0);
    exits_forget_code(vcpu);
    inject_reset(vcpu);
    vdev_reset_vcpu(vcpu);
}

/* Real mode at the page that the vector names (16.5). */
static void start(struct vcpu *vcpu, uint32_t vector)
{
    vcpu->vmcb->cs =
        real_segment((uint16_t)(vector << 8), (uint64_t)vector << 12, VMCB_SEG_REAL_CODE);
    svm_dirty(vcpu, VMCB_CLEAN_SEG);
    vcpu->vmcb->rip = 0;
    vcpu->waits = false;
    if (!vcpu->has_started) /* once: what a domain repeats can't flood the console */
        print("%s: CPU %u starts on core %u", vcpu->domain->name, vcpu->id, vcpu->cpu);
    vcpu->has_started = true;
}

static bool never(struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

_Noreturn void exits_park(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->parked, true, __ATOMIC_RELEASE);
    svm_sleep(vcpu, never);
    svm_leave(vcpu);
}

/*
 * One that another vCPU keeps from its core parks as soon as it has the core again, before it does
 * anything else. So two domains that share two cores and stop at once don't wait for each other.
 */
static bool is_off(const struct vcpu *vcpu)
{
    return !svm_is_current(vcpu) || __atomic_load_n(&vcpu->parked, __ATOMIC_ACQUIRE);
}

/* False if it takes too long. */
static bool await_end(const struct vcpu *vcpu, uint64_t deadline)
{
    while (!is_off(vcpu)) {
        if (time_is_over(deadline))
            return false;
        pause();
    }
    return true;
}

void exits_park_others(struct vcpu *vcpu)
{
    uint64_t deadline = time_after(PARK_LIMIT_US);
    bool all = true;

    for (unsigned id = 0; id < vcpu->domain->ncores; id++) {
        struct vcpu *other = svm_vcpu_of(vcpu->index, id);

        if (other && other != vcpu) /* one that isn't there yet will see the end */
            svm_request(other, SVM_REQUEST_STOP);
    }
    for (unsigned id = 0; id < vcpu->domain->ncores; id++) {
        const struct vcpu *other = svm_vcpu_of(vcpu->index, id);

        all = all && (!other || other == vcpu || await_end(other, deadline));
    }
    if (!all)
        print("%s: a core of it doesn't answer", vcpu->domain->name);
}

/*
 * INIT comes first: svm_request() drops a SIPI that was asked for before it. It also ends what was
 * to be taken, so that an NMI can't hit code that has no descriptor table yet.
 */
static void answer(struct vcpu *vcpu, uint32_t asked)
{
    if (asked & SVM_REQUEST_INIT) {
        reset(vcpu);
        vcpu->waits = true;
    }
    if ((asked & SVM_REQUEST_SIPI) && vcpu->waits) { /* one that runs ignores it */
        start(vcpu, __atomic_load_n(&vcpu->sipi_vector, __ATOMIC_RELAXED));
        return;
    }
    if (vcpu->waits)
        return;
    if (asked & SVM_REQUEST_NMI)
        exits_take_nmi(vcpu);
    if (asked & SVM_REQUEST_BELL)
        exits_take_bell(vcpu);
}

static bool is_asked(struct vcpu *vcpu)
{
    return exits_has_requests(vcpu);
}

void exits_attend(struct vcpu *vcpu)
{
    uint32_t asked =
        __atomic_fetch_and(&vcpu->requests, (uint16_t)~SVM_REQUESTS_TOLD, __ATOMIC_ACQ_REL);

    answer(vcpu, asked);
    if (__atomic_load_n(&vcpu->shared->stopped, __ATOMIC_ACQUIRE))
        exits_park(vcpu);
    if (vcpu->waits)
        svm_sleep(vcpu, is_asked);
    else if (asked & SVM_REQUEST_TURN)
        exits_offer(vcpu);
}
