#include "core/svm/svm.h"

#include <stddef.h>

#include "core/platform/platform.h"
#include "core/svm/check.h"
#include "core/svm/run.h"
#include "core/svm/state.h"
#include "hw/x86.h"
#include "lib/memory.h"

#define MSR_VM_HSAVE_PA 0xc0010117u /* 15.30.4 */

_Static_assert(offsetof(struct vcpu, vmcb) == 0x80, "vmrun.S");
_Static_assert(offsetof(struct vcpu, handler) == 0x88, "vmrun.S");
_Static_assert(offsetof(struct vcpu, host) == 0x90, "vmrun.S");
_Static_assert(offsetof(struct vcpu, take_interrupts) == 0x98, "vmrun.S");
_Static_assert(offsetof(struct vcpu, turns) == 0xa0, "vmrun.S");
_Static_assert(offsetof(struct vcpu, requests) == 0xa2 && SVM_REQUESTED == 0x8000, "vmrun.S");
_Static_assert(offsetof(struct vmcb, clean) == 0xc0 && VMCB_CLEAN_ALL == 0x7ff, "vmrun.S");
_Static_assert(RDI * 8 == 0x38 && R8 * 8 == 0x40 && RBP * 8 == 0x28, "vmrun.S");

/* Owner of each: the CPU that runs the vCPU. By slot. */
static struct vcpu vcpus[BH_MAX_VCPUS];
static struct vmcb guest_vmcb[BH_MAX_VCPUS] __attribute__((aligned(4096)));

/* Where others find a vCPU: set when it is complete. */
static struct vcpu *vcpu_of[BH_MAX_DOMAINS][BH_MAX_CORES];

static struct svm_domain shared[BH_MAX_DOMAINS];

/*
 * VMRUN and VMSAVE keep the host's state in pages that they reach by physical address and that
 * nobody else needs: those behind the unmapped guards of the CPU's stacks. So core itself can't
 * spoil them.
 */
static uintptr_t hsave_of(unsigned cpu)
{
    return (uintptr_t)cpu_areas[cpu].nmi_guard;
}

static struct vmcb *host_state_of(unsigned cpu)
{
    return (struct vmcb *)cpu_areas[cpu].df_guard;
}

const uint16_t svm_no_code[2];

void svm_init(void)
{
    svm_find_features();
    state_find_features();
    svm_check_start();
}

void svm_enable_cpu(unsigned cpu)
{
    svm_check_features(cpu);
    cpu_areas[cpu].cpu.doze = (uintptr_t)svm_doze;
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
    write_msr(MSR_VM_HSAVE_PA, hsave_of(cpu));
    __asm__ volatile("vmsave %0" : : "a"(host_state_of(cpu)) : "memory");
}

/* vCPUs in the order of domains, then of their cores: each finds its place without a lock. */
static unsigned slot_of(const struct bh_header *image, unsigned index, unsigned id)
{
    for (unsigned i = 0; i < index; i++)
        id += bh_domain_row(image, i)->ncores;
    return id;
}

struct vcpu *svm_init_vcpu(const struct bh_header *image, unsigned index, unsigned id, unsigned cpu)
{
    const struct bh_domain *domain = bh_domain_row(image, index);
    unsigned slot = slot_of(image, index, id);
    struct vcpu *vcpu = &vcpus[slot];
    struct vmcb *vmcb = &guest_vmcb[slot];
    struct svm_cpu *own = &svm_cpus[cpu];

    memset(vmcb, 0, sizeof(*vmcb));
    memcpy(vmcb->intercepts, domain->intercepts, sizeof(vmcb->intercepts));
    vmcb->iopm_base_pa = domain->iopm;
    vmcb->msrpm_base_pa = domain->msrpm;
    vmcb->np_enable = 1;
    vmcb->n_cr3 = domain->table;
    vmcb->v_intr = domain->interrupts == BH_VIRTUAL ? VMCB_V_INTR_MASKING : 0;
    vmcb->g_pat = PAT_DEFAULT;
    vmcb->efer = EFER_SVME;
    vmcb->rflags = RFLAGS_FIXED;
    vmcb->dr6 = 0xffff0ff0;
    vmcb->dr7 = 0x400;

    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->vmcb = vmcb;
    vcpu->host = host_state_of(cpu);
    vcpu->take_interrupts = domain->interrupts == BH_VIRTUAL;
    vcpu->image = image;
    vcpu->domain = domain;
    vcpu->p2m = (const uint64_t *)(uintptr_t)domain->table;
    vcpu->shared = &shared[index];
    vcpu->index = index;
    vcpu->id = id;
    vcpu->slot = slot;
    vcpu->cpu = cpu;
    svm_ask(vcpu, SVM_REQUEST_SCHEDULE); /* it has no ASID yet */
    vcpu->deadline = TIMER_NEVER;
    if (own->count == 0) {
        own->current = vcpu;
        own->others_at = TIMER_NEVER;
    }
    own->queue[own->count++] = vcpu;
    inject_reset(vcpu);
    state_init_vcpu(vcpu);
    __atomic_store_n(&vcpu_of[index][id], vcpu, __ATOMIC_SEQ_CST); /* before it looks for an end */
    return vcpu;
}

struct vcpu *svm_vcpu_of(unsigned index, unsigned id)
{
    if (index >= BH_MAX_DOMAINS || id >= BH_MAX_CORES)
        return NULL;
    return __atomic_load_n(&vcpu_of[index][id], __ATOMIC_ACQUIRE);
}

void svm_with_host(struct vcpu *vcpu, void (*function)(void *argument), void *argument)
{
    svm_call_host(vcpu->vmcb, vcpu->host, function, argument);
}

/* Vectors that push an error code, 8.2: #DF, #TS to #PF, #AC, #CP, #VC, #SX. */
static bool has_error_code(unsigned vector)
{
    return vector < 32 && (0x60227d00u >> vector & 1);
}

void svm_inject_exception(struct vcpu *vcpu, unsigned vector, uint32_t error)
{
    uint64_t event = VMCB_EVENT_VALID | VMCB_EVENT_EXCEPTION | vector;

    /* Real mode knows none (8.6), and the CPU would push what EVENTINJ says nevertheless. */
    if (has_error_code(vector) && (vcpu->vmcb->cr0 & CR0_PE)) {
        event |= VMCB_EVENT_HAS_ERROR | (uint64_t)error << 32;
    }
    vcpu->vmcb->eventinj = event;
}

void svm_inject_nmi(struct vcpu *vcpu)
{
    vcpu->vmcb->eventinj = VMCB_EVENT_VALID | VMCB_EVENT_NMI;
}

void svm_set_gpr(struct vcpu *vcpu, unsigned reg, uint64_t value)
{
    if (reg == RAX) {
        vcpu->vmcb->rax = value;
    } else if (reg == RSP) {
        vcpu->vmcb->rsp = value;
    } else {
        vcpu->gpr[reg] = value;
    }
}
