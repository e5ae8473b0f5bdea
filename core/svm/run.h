/* Inside core/svm: the CPUs that run vCPUs. */
#ifndef SVM_RUN_H
#define SVM_RUN_H

#include "core/svm/svm.h"

/* Owner of each: the CPU of that number. */
struct svm_cpu {
    struct vcpu *current; /* whose registers the CPU holds; others read it: atomic */
    struct vcpu *queue[BH_MAX_VCPUS];
    unsigned count;     /* vCPUs that run here */
    unsigned turn;      /* place of `current` in the queue */
    uint64_t slice_end; /* until then the core is the current one's, if it doesn't sleep */
    uint64_t others_at; /* when others may want the core, but not before `slice_end` */
    struct asid_pool asids;
    uint64_t stack; /* where svm_loop() has begun: RSP */
};

extern struct svm_cpu svm_cpus[BH_MAX_CORES];

/* vmrun.S: the loop, its state while no domain runs, and a way back into it from anywhere. */
_Noreturn void svm_loop(struct vcpu *vcpu, uint64_t *stack);
_Noreturn void svm_resume(struct vcpu *vcpu, uint64_t stack);
void svm_window(struct vmcb *guest, struct vmcb *host, bool sleep, bool interrupts);
extern const uint8_t svm_doze[]; /* the HLT in svm_window() */
void svm_call_host(struct vmcb *guest, struct vmcb *host, void (*function)(void *), void *argument);

/* vmrun.S asks it before VMRUN whenever the vCPU has `requests`: which vCPU is to run. */
struct vcpu *svm_attend(struct vcpu *vcpu);

/* schedule.c: the calling CPU's next vCPU, whose registers it then holds. Waits until one has
 * something to do. */
struct vcpu *schedule_next(struct svm_cpu *cpu);

/* Its turn begins; nothing has been before it. */
void schedule_start(struct svm_cpu *cpu);

/* Before VMRUN: has the current vCPU interrupted when it, or another, wants to be looked at. */
void schedule_timer(struct svm_cpu *cpu);

#endif
