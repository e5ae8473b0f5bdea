/* What CPUs ask of each other's vCPUs, and what a CPU sees to before VMRUN. */
#include "core/svm/run.h"

#include "core/platform/platform.h"
#include "core/svm/check.h"

/* Far more than it takes to leave a domain: emulated CPUs can stand still while their host works.
 */
#define LEAVE_LIMIT_US 10000000

struct svm_cpu svm_cpus[BH_MAX_CORES];

_Noreturn void svm_run(unsigned cpu, svm_exit_handler *attend)
{
    struct svm_cpu *own = &svm_cpus[cpu];

    for (unsigned i = 0; i < own->count; i++) {
        own->queue[i]->attend = attend;
    }
    schedule_start(own);
    svm_loop(own->current, &own->stack);
}

_Noreturn void svm_leave(struct vcpu *vcpu)
{
    if ((uint32_t)vcpu->vmcb->exitcode == UINT32_MAX) /* VMEXIT_INVALID, also as QEMU cuts it */
        asid_distrust(&svm_cpus[vcpu->cpu].asids);
    svm_resume(vcpu, svm_cpus[vcpu->cpu].stack);
}

void svm_sleep(struct vcpu *vcpu, svm_wake_condition *is_over)
{
    vcpu->deadline = TIMER_NEVER; /* who sleeps sets it again, if it is to be woken by one */
    vcpu->knocked = false;        /* nobody knocks at one that is current */
    __atomic_store_n(&vcpu->asleep, is_over, __ATOMIC_SEQ_CST);
    svm_ask(vcpu, SVM_REQUEST_SCHEDULE);
}

bool svm_is_current(const struct vcpu *vcpu)
{
    return __atomic_load_n(&svm_cpus[vcpu->cpu].current, __ATOMIC_SEQ_CST) == vcpu;
}

/*
 * True if it is looked at soon enough without an interrupt: at the beginning of its turn, if it
 * waits for one, or, if it sleeps, because one has been sent since it was asked last. So who is
 * woken for nothing, again and again, takes one interrupt of another's turn. Asked in this order:
 * as it falls asleep it is current.
 */
static bool is_expected(struct vcpu *vcpu)
{
    return !svm_is_current(vcpu) && (!__atomic_load_n(&vcpu->asleep, __ATOMIC_SEQ_CST) ||
                                     __atomic_exchange_n(&vcpu->knocked, true, __ATOMIC_SEQ_CST));
}

/* Where a domain takes the CPU's interrupts itself, only an NMI gets it out. */
bool svm_kick(struct vcpu *vcpu)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (is_expected(vcpu))
        return true;
    if (!vcpu->take_interrupts)
        return smp_kick(vcpu->cpu);
    return apic_send(cpu_areas[vcpu->cpu].cpu.apic_id, APIC_MODE_FIXED | VECTOR_WAKE);
}

bool svm_request(struct vcpu *vcpu, uint32_t requests)
{
    uint16_t old = __atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED), new;

    do {
        uint32_t kept = requests & SVM_REQUEST_INIT ? old & ~SVM_REQUEST_SIPI : old;

        new = (uint16_t)(kept | requests | SVM_REQUESTED);
    } while (!__atomic_compare_exchange_n(&vcpu->requests, &old, new, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    return svm_kick(vcpu);
}

/* svm_sleep() sets `asleep` and asks the condition then; here it is met and `asleep` read then. */
void svm_wake(struct vcpu *vcpu)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&vcpu->asleep, __ATOMIC_SEQ_CST) && !svm_kick(vcpu))
        print("%s: its core can't be woken: the local APIC doesn't send", vcpu->domain->name);
}

void svm_host_window(struct vcpu *vcpu)
{
    svm_window(vcpu->vmcb, vcpu->host, false, vcpu->take_interrupts != 0);
    if (vcpu->take_interrupts)
        enable_interrupts();                     /* GIF is clear: nothing is taken, VMRUN sees IF */
    svm_cpus[vcpu->cpu].others_at = TIMER_NEVER; /* svm_attend() sees to it */
    svm_ask(vcpu, SVM_REQUEST_SCHEDULE);         /* what came may have been a wake-up */
}

void svm_flush_tlb(struct vcpu *vcpu)
{
    svm_check_ask(vcpu);
    svm_ask(vcpu, SVM_REQUEST_FLUSH);
    svm_check_void(vcpu);
}

static uint32_t turns_of(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->turns, __ATOMIC_SEQ_CST);
}

/*
 * `turns` is odd from before `requests` is looked at until after the exit (vmrun.S). So a CPU
 * that is seen outside its domain, or in another turn, looks at `requests` before it runs on.
 */
static void wait_for_exit(struct vcpu *vcpu, uint32_t turns)
{
    uint64_t deadline;

    if (!(turns & 1))
        return;
    if (!svm_kick(vcpu))
        fatal("local APIC doesn't send: %s, core %u. Switch the machine off and on again",
              vcpu->domain->name, vcpu->cpu);
    deadline = time_after(LEAVE_LIMIT_US);
    while (turns_of(vcpu) == turns) {
        if (time_is_over(deadline))
            fatal("CPU %u doesn't leave its domain: %s. Switch the machine off and on again",
                  vcpu->cpu, vcpu->domain->name);
        pause();
    }
}

void svm_flush_domain(unsigned index)
{
    for (unsigned id = 0; id < BH_MAX_CORES; id++) {
        struct vcpu *vcpu = svm_vcpu_of(index, id);

        if (vcpu) {
            svm_check_ask(vcpu);
            svm_ask(vcpu, SVM_REQUEST_FLUSH);
        }
    }
    for (unsigned id = 0; id < BH_MAX_CORES; id++) {
        struct vcpu *vcpu = svm_vcpu_of(index, id);

        if (vcpu) {
            wait_for_exit(vcpu, turns_of(vcpu));
            svm_check_void(vcpu);
        }
    }
}

static void keep_translations(struct vcpu *vcpu)
{
    vcpu->vmcb->tlb_control = VMCB_TLB_KEEP;
    vcpu->handler = vcpu->kept;
}

/* A flush is for one run. Only the exit from a run that had one comes by here. */
static void end_flush(struct vcpu *vcpu)
{
    keep_translations(vcpu);
    vcpu->handler(vcpu);
}

static void flush(struct vcpu *vcpu, uint8_t control)
{
    vcpu->vmcb->tlb_control = control;
    vcpu->kept = vcpu->handler;
    vcpu->handler = end_flush;
}

/* Another CPU spoke up between svm_attend() and VMRUN: the flush that was prepared hasn't been. */
static void take_back_flush(struct svm_cpu *cpu, struct vcpu *vcpu)
{
    uint8_t control = vcpu->vmcb->tlb_control;

    if (control == VMCB_TLB_KEEP)
        return;
    if (control == VMCB_TLB_FLUSH_ALL)
        asid_distrust(&cpu->asids);
    keep_translations(vcpu);
    svm_ask(vcpu, SVM_REQUEST_FLUSH);
}

/* Takes what is asked of core/svm; what `attend` is to answer is still looked at before VMRUN. */
static uint32_t take_requests(struct vcpu *vcpu)
{
    uint16_t old = __atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED), left;

    do
        left = old & SVM_REQUESTS_TOLD ? old & (SVM_REQUESTS_TOLD | SVM_REQUESTED) : 0;
    while (!__atomic_compare_exchange_n(&vcpu->requests, &old, left, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    return old;
}

static void prepare_translations(struct svm_cpu *cpu, struct vcpu *vcpu)
{
    bool asked = take_requests(vcpu) & SVM_REQUEST_FLUSH;
    uint8_t control = asid_enter(&cpu->asids, vcpu->cpu, &vcpu->asid, asked);

    if (control != VMCB_TLB_KEEP)
        flush(vcpu, control);
    if (vcpu->vmcb->guest_asid != vcpu->asid.number) {
        vcpu->vmcb->guest_asid = vcpu->asid.number;
        svm_dirty(vcpu, VMCB_CLEAN_ASID);
    }
}

struct vcpu *svm_attend(struct vcpu *vcpu)
{
    struct svm_cpu *cpu = &svm_cpus[vcpu->cpu];

    take_back_flush(cpu, vcpu);
    do {
        vcpu = schedule_next(cpu);
        if (__atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE) & SVM_REQUESTS_TOLD)
            vcpu->attend(vcpu);
    } while (vcpu->asleep);
    prepare_translations(cpu, vcpu);
    schedule_timer(cpu);
    return vcpu;
}
