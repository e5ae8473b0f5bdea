/*
 * The world switch: a vCPU for each core of each domain, its VMCB, and the loop that runs it.
 *
 * Between svm_run()'s CLGI and the domain's end GIF is clear whenever core runs, and the
 * CPU keeps the domain's FS, GS, TR, LDTR and SYSCALL registers: #VMEXIT doesn't restore
 * them. So exit handlers use no TLS and no IST stack, and what needs the host's own state
 * or must let interrupts in goes through svm_host_window().
 */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/svm/inject.h"
#include "hw/svm.h"

struct shadow;
struct vcpu;
typedef void svm_exit_handler(struct vcpu *vcpu);

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
    uint32_t bell;      /* rings by interrupt: its vector | vCPU << 8; 0: it doesn't */
    bool stopped;
    uint32_t parked; /* vCPUs that have left it for good */
};

/* What other CPUs ask of a vCPU: bits of its `requests`, answered before the domain runs on. */
#define SVM_REQUEST_STOP (1u << 0) /* look whether the domain has stopped */
#define SVM_REQUEST_INIT (1u << 1) /* take an INIT */
#define SVM_REQUEST_SIPI (1u << 2) /* take the startup IPI with `sipi_vector` */
#define SVM_REQUEST_NMI  (1u << 3) /* take an NMI */

/* vmrun.S knows the offsets of the first fields. */
struct vcpu {
    uint64_t gpr[GPRS];        /* 000h: all but RAX and RSP, which the VMCB holds */
    struct vmcb *vmcb;         /* 080h: physical = virtual */
    svm_exit_handler *handler; /* 088h */
    struct vmcb *host;         /* 090h: what VMLOAD restores for the host */
    uint64_t take_interrupts;  /* 098h: 1 if core takes INTR, 0 if the domain does */
    uint32_t requests;         /* 0A0h: SVM_REQUEST_*; any CPU sets bits, svm_request() */
    uint32_t sipi_vector;      /* 0A4h: of the last SIPI; atomic */
    svm_exit_handler *attend;  /* 0A8h: answers requests */

    const struct bh_header *image;  /* the policy image */
    const struct bh_domain *domain; /* its row there */
    const uint64_t *p2m;            /* root of its table */
    struct svm_domain *shared;      /* with the domain's other vCPUs */
    unsigned index;                 /* of the domain */
    unsigned id;                    /* which of the domain's vCPUs: it runs on its core[id] */
    unsigned slot;                  /* which of all vCPUs: < BH_MAX_VCPUS */
    unsigned cpu;                   /* core number it runs on */
    bool waits;                     /* it had an INIT and no SIPI yet: exits/life.c */
    bool has_started;               /* after an INIT, at least once */
    uint32_t icr_high;              /* as the domain wrote it: vdev/apic.c; */
    uint32_t ldr, dfr;              /* likewise, read by the domain's other vCPUs, too: atomic */
    struct inject inject;           /* interrupts and NMIs on their way: inject.h */
    uint64_t efer;         /* as the domain wrote it; the VMCB's has SVME, and LME only with PG */
    struct shadow *shadow; /* its shadow tables; NULL: nested paging */
    uint64_t cr0, cr3, cr4, pat; /* with shadow tables, as the domain wrote them: exits/mode.h */
    struct svm_place
        places[SVM_PLACES];       /* of its instructions that exited, and of its moves that */
    struct move *moves;           /* did: exits/fetch.c */
    const struct msr_index *msrs; /* exits/msr.c */
    const struct cpuid_answer *const *cpuid; /* exits/cpuid.c */
    uint64_t exits[SVM_SLOTS];               /* how many there were of each */
    uint64_t soft_event; /* EVENTINJ of the last software interrupt that core injected: */
    uint64_t soft_rip;   /* where its instruction lies, */
    uint64_t soft_next;  /* and what follows; see exits/event.c */
};

/* What `code` points at while no code is remembered: it equals no opcode that is looked for. */
extern const uint16_t svm_no_code[2];

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
 * Runs the vCPU for ever; every #VMEXIT calls `handler`, which returns to resume it; `attend` is
 * called before it is resumed, or run for the first time, while there are requests.
 */
_Noreturn void svm_run(struct vcpu *vcpu, svm_exit_handler *handler, svm_exit_handler *attend);

/*
 * Sets bits of the vCPU's `requests` and kicks it. An INIT takes back a SIPI that wasn't answered
 * yet. Any CPU may. False if it can't be kicked.
 */
bool svm_request(struct vcpu *vcpu, uint32_t requests);

/* Has the vCPU leave the domain or its sleep, and look at its requests before it goes on. */
bool svm_kick(const struct vcpu *vcpu);

/*
 * The state that VMLOAD and VMSAVE move (FS, GS, TR, LDTR, SYSCALL and SYSENTER registers) is in
 * the CPU while exits are handled. Who changes it has it stored in the VMCB, and loaded again.
 */
void svm_save(struct vmcb *vmcb);
void svm_load(struct vmcb *vmcb);

/*
 * Lets what is pending reach core: NMI and SMI always, maskable interrupts if core takes
 * them for this vCPU. With `sleep` the CPU halts until one arrives. Host state is loaded
 * meanwhile. Called with GIF clear, returns with GIF clear.
 */
void svm_host_window(struct vcpu *vcpu, bool sleep);

/*
 * Calls function(argument) with the host's state, and with the domain's x87 and SSE registers put
 * away: what libsodium needs, which uses both SSE and FS. Wider registers' upper parts stay as
 * they are, as core has no instruction that changes them. Nothing is let in: GIF stays clear.
 */
void svm_with_host(struct vcpu *vcpu, void (*function)(void *argument), void *argument);

/* Ends the sleep of a vCPU whose doorbell was set; one that owns its interrupts polls instead. */
void svm_wake(const struct vcpu *vcpu);

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
