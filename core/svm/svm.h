/*
 * The world switch: a vCPU for each core of each domain, its VMCB, and the loop that runs it.
 *
 * From svm_run()'s CLGI on GIF is clear whenever core runs, and the CPU keeps the domain's FS, GS,
 * TR, LDTR and SYSCALL registers: #VMEXIT doesn't restore them. So exit handlers use no TLS and no
 * IST stack, and what needs the host's own state or must let interrupts in goes through
 * svm_host_window(), the one place where GIF is set. A handler never waits: it returns, and a vCPU
 * that has nothing to do is put to sleep (svm_sleep), which gives its core to another.
 */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/svm/asid.h"
#include "core/svm/features.h"
#include "core/svm/inject.h"
#include "hw/svm.h"

struct shadow;
struct vcpu;
typedef void svm_exit_handler(struct vcpu *vcpu);
typedef bool svm_wake_condition(struct vcpu *vcpu);

typedef uint16_t svm_code __attribute__((aligned(1))); /* two bytes of a domain's code */

/* Where an instruction lies that exited before. */
#define SVM_PLACES 8u /* by the low bits of RIP */
struct svm_place {
    uint64_t rip, cr3;             /* the key */
    const volatile svm_code *code; /* two of them, in the domain's RAM */
};

/* General registers in the order of instruction encoding. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };

/* What a domain's vCPUs have in common and change while they run, each field at once (atomic). */
struct svm_domain {
    uint64_t doorbells; /* channels that have rung, one bit each */
    uint32_t bell;      /* rings by interrupt: vector | vCPU << 8 | way << 16; 0: it doesn't */
    bool stopped;
};

/*
 * What is asked of a vCPU: bits of its `requests`, answered before the domain runs on. The first
 * ones are for `attend`, the last ones core/svm's own. Set them by svm_ask(): the highest bit, with
 * any other, is what vmrun.S looks at.
 */
#define SVM_REQUEST_STOP     (1u << 0) /* look whether the domain has stopped */
#define SVM_REQUEST_INIT     (1u << 1) /* take an INIT */
#define SVM_REQUEST_SIPI     (1u << 2) /* take the startup IPI with `sipi_vector` */
#define SVM_REQUEST_NMI      (1u << 3) /* take an NMI */
#define SVM_REQUEST_BELL     (1u << 4) /* take the doorbell's interrupt: exits/interrupt.c */
#define SVM_REQUEST_TURN     (1u << 5) /* look what has come while another vCPU had the core */
#define SVM_REQUEST_FLUSH    (1u << 8) /* none of its cached translations may be used again */
#define SVM_REQUEST_SCHEDULE (1u << 9) /* another vCPU may have the core now */
#define SVM_REQUESTED        (1u << 15)
#define SVM_REQUESTS_TOLD    0xffu /* those that `attend` answers */

/* vmrun.S knows the offsets of the first fields. */
struct vcpu {
    uint64_t gpr[GPRS];        /* 000h: all but RAX and RSP, which the VMCB holds */
    struct vmcb *vmcb;         /* 080h: physical = virtual */
    svm_exit_handler *handler; /* 088h */
    struct vmcb *host;         /* 090h: what VMLOAD restores for the host */
    uint64_t take_interrupts;  /* 098h: 1 if core takes INTR, 0 if the domain does */
    uint16_t turns;            /* 0A0h: odd while the domain runs; others read it */
    uint16_t requests;         /* 0A2h: SVM_REQUEST_*; any CPU sets bits: atomic */
    uint32_t sipi_vector;      /* of the last SIPI; atomic */
    svm_exit_handler *attend;  /* answers requests */
    svm_exit_handler *kept;    /* `handler`, while that ends a flush: run.c */

    const struct bh_header *image;  /* the policy image */
    const struct bh_domain *domain; /* its row there */
    const uint64_t *p2m;            /* root of its table */
    struct svm_domain *shared;      /* with the domain's other vCPUs */
    unsigned index;                 /* of the domain */
    unsigned id;                    /* which of the domain's vCPUs: it runs on its core[id] */
    unsigned slot;                  /* which of all vCPUs: < BH_MAX_VCPUS */
    unsigned cpu;                   /* core number it runs on */
    svm_wake_condition *asleep;     /* NULL: it has something to do; atomic */
    uint64_t deadline;              /* when core is to look at it again: svm_set_deadline() */
    struct asid asid;
    bool parked;           /* it has left its domain for good; atomic */
    bool knocked;          /* it sleeps, and an interrupt has said that it is to be asked; atomic */
    bool waits;            /* it had an INIT and no SIPI yet: exits/life.c */
    bool has_started;      /* after an INIT, at least once */
    uint32_t icr_high;     /* as the domain wrote it: vdev/apic.c; */
    uint32_t ldr, dfr;     /* likewise, read by the domain's other vCPUs, too: atomic */
    struct inject inject;  /* interrupts and NMIs on their way: inject.h */
    uint64_t efer;         /* as the domain wrote it; the VMCB's has SVME, and LME only with PG */
    struct shadow *shadow; /* its shadow tables; NULL: nested paging */
    uint64_t cr0, cr3, cr4, pat; /* with shadow tables, as the domain wrote them: exits/mode.h */
    struct svm_place
        places[SVM_PLACES];       /* of its instructions that exited, and of its moves that */
    struct move *moves;           /* did: exits/fetch.c */
    const struct msr_index *msrs; /* exits/msr.c */
    uint64_t apic_base;           /* as it reads it */
    const struct cpuid_answer *const *cpuid; /* exits/cpuid.c */
    uint64_t exits[SVM_SLOTS];               /* how many there were of each */
    uint64_t soft_event; /* EVENTINJ of the last software interrupt that core injected: */
    uint64_t soft_rip;   /* where its instruction lies, */
    uint64_t soft_next;  /* and what follows; see exits/event.c */
};

/* What `code` points at while no code is remembered: it equals no opcode that is looked for. */
extern const uint16_t svm_no_code[2];

/* Boot CPU, before any CPU runs domains: finds out what SVM can do here. */
void svm_init(void);

/* Makes this CPU able to run domains: EFER.SVME, VM_HSAVE_PA, and a copy of its own state. */
void svm_enable_cpu(unsigned cpu);

/*
 * Prepares vCPU `id` of domain `index`, to run on CPU `cpu`: the policy's rights in its VMCB. The
 * image was checked: index < domains, id < the domain's ncores, all ncores <= BH_MAX_VCPUS.
 */
struct vcpu *svm_init_vcpu(const struct bh_header *image, unsigned index, unsigned id,
                           unsigned cpu);

/* vCPU `id` of domain `index`, or NULL if there is none (yet). */
struct vcpu *svm_vcpu_of(unsigned index, unsigned id);

/*
 * Runs the calling CPU's vCPUs, those that svm_init_vcpu() made for it, in turn and for ever. Every
 * #VMEXIT calls the vCPU's `handler`, which returns to resume the vCPU; `attend` is called before
 * it is resumed, or run for the first time, while there are requests of SVM_REQUESTS_TOLD.
 */
_Noreturn void svm_run(unsigned cpu, svm_exit_handler *attend);

/* Sets bits of the vCPU's `requests`, which it answers before it runs on; it may go on running. */
static inline void svm_ask(struct vcpu *vcpu, uint32_t requests)
{
    __atomic_fetch_or(&vcpu->requests, (uint16_t)(requests | SVM_REQUESTED), __ATOMIC_SEQ_CST);
}

/*
 * Sets bits of the vCPU's `requests` and kicks it. An INIT takes back a SIPI that wasn't answered
 * yet. Any CPU may. False if it can't be kicked.
 */
bool svm_request(struct vcpu *vcpu, uint32_t requests);

/*
 * The state that VMLOAD and VMSAVE move (FS, GS, TR, LDTR, SYSCALL and SYSENTER registers) is in
 * the CPU while exits are handled. Who changes it has it stored in the VMCB, and loaded again.
 */
void svm_save(struct vmcb *vmcb);
void svm_load(struct vmcb *vmcb);

/*
 * Puts the vCPU that had this exit to sleep: it doesn't run again before `is_over` says so. That is
 * asked with GIF clear, by the vCPU's own CPU, at once and after each svm_wake(); when it returns
 * true it has done what is to be done at the end of the sleep.
 */
void svm_sleep(struct vcpu *vcpu, svm_wake_condition *is_over);

/* Any CPU: what a sleeping vCPU waits for may have come. */
void svm_wake(struct vcpu *vcpu);

/*
 * The vCPU's own CPU: has the vCPU leave its domain, or its sleep's condition asked, when the TSC
 * has come to `deadline`; TIMER_NEVER: not at all. Replaces the deadline before. While another vCPU
 * has a turn of its own this waits for the turn's end.
 */
void svm_set_deadline(struct vcpu *vcpu, uint64_t deadline);

/*
 * Any CPU: true while the vCPU is the one that its CPU holds. If it isn't, nothing of it is at
 * work, and it looks at `requests` before it is again.
 */
bool svm_is_current(const struct vcpu *vcpu);

/* Ends the exit that is being handled, from anywhere below the handler, like a return from it. */
_Noreturn void svm_leave(struct vcpu *vcpu);

/*
 * Any CPU: has the vCPU's core leave the domain soon, if it runs there, or its sleep: whatever was
 * stored before is seen before the domain's next instruction. By an IPI that core takes, or by an
 * NMI where the domain has the interrupts. False if the local APIC doesn't send it.
 */
bool svm_kick(struct vcpu *vcpu);

/*
 * The vCPU's own CPU: translations that were cached for it aren't used any more when it runs again
 * (APM vol. 2, 15.16.1). After each change, by core, of what its addresses mean.
 */
void svm_flush_tlb(struct vcpu *vcpu);

/*
 * Any CPU, in an exit: on return no vCPU of the domain uses translations that were cached before
 * the call. Waits for those that run to leave their domain, which needs no lock and no more than an
 * interrupt: two CPUs that flush each other's domains don't wait for one another.
 */
void svm_flush_domain(unsigned index);

/*
 * To be called after changing fields of the VMCB that a CPU may have cached: VMCB_CLEAN_* of their
 * groups (15.15.3).
 */
static inline void svm_dirty(struct vcpu *vcpu, uint32_t groups)
{
    vcpu->vmcb->clean &= ~groups;
}

/*
 * Lets what is pending reach core: NMI and SMI always, maskable interrupts if core takes them for
 * this vCPU. Host state is loaded meanwhile. Called with GIF clear, returns with GIF clear.
 */
void svm_host_window(struct vcpu *vcpu);

/*
 * Calls function(argument) with the host's state, and with the domain's x87 and SSE registers put
 * away: what libsodium needs, which uses both SSE and FS. Wider registers' upper parts stay as
 * they are, as core has no instruction that changes them. Nothing is let in: GIF stays clear.
 */
void svm_with_host(struct vcpu *vcpu, void (*function)(void *argument), void *argument);

/* Has the domain take an exception (15.20) when it resumes; `error` only if the vector has one. */
void svm_inject_exception(struct vcpu *vcpu, unsigned vector, uint32_t error);

/* Has the domain take an NMI when it resumes. */
void svm_inject_nmi(struct vcpu *vcpu);

/* A general register by its encoding, including RAX and RSP. */
static inline uint64_t svm_get_gpr(const struct vcpu *vcpu, unsigned reg)
{
    return reg == RAX ? vcpu->vmcb->rax : reg == RSP ? vcpu->vmcb->rsp : vcpu->gpr[reg];
}

void svm_set_gpr(struct vcpu *vcpu, unsigned reg, uint64_t value);

#endif
