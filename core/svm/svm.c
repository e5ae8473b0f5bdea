#include "core/svm/svm.h"

#include <stddef.h>

#include "core/platform/platform.h"
#include "core/svm/features.h"
#include "hw/x86.h"
#include "lib/memory.h"

#define MSR_VM_HSAVE_PA 0xc0010117u /* 15.30.4 */

_Static_assert(offsetof(struct vcpu, vmcb) == 0x80, "vmrun.S");
_Static_assert(offsetof(struct vcpu, handler) == 0x88, "vmrun.S");
_Static_assert(offsetof(struct vcpu, host) == 0x90, "vmrun.S");
_Static_assert(offsetof(struct vcpu, take_interrupts) == 0x98, "vmrun.S");
_Static_assert(offsetof(struct vcpu, requests) == 0xa0, "vmrun.S");
_Static_assert(offsetof(struct vcpu, attend) == 0xa8, "vmrun.S");
_Static_assert(RDI * 8 == 0x38 && R8 * 8 == 0x40 && RBP * 8 == 0x28, "vmrun.S");

_Noreturn void svm_loop(struct vcpu *vcpu);
void svm_window(struct vmcb *guest, struct vmcb *host, bool sleep, bool interrupts);
extern const uint8_t svm_doze[]; /* the HLT in svm_window() */
void svm_call_host(struct vmcb *guest, struct vmcb *host, void (*function)(void *), void *argument);

/* Owner of each: the CPU that runs the vCPU. By slot. */
static struct vcpu vcpus[BH_MAX_VCPUS];
static struct vmcb guest_vmcb[BH_MAX_VCPUS] __attribute__((aligned(4096)));

/* Where others find a vCPU: set when it is complete. */
static struct vcpu *vcpu_of[BH_MAX_DOMAINS][BH_MAX_CORES];

static struct svm_domain shared[BH_MAX_DOMAINS];

/* Owner of each: the CPU of that number. */
static struct vmcb host_state[BH_MAX_CORES] __attribute__((aligned(4096)));

const uint16_t svm_no_code[2];

void svm_enable_cpu(unsigned cpu)
{
    svm_check_features(cpu);
    cpu_areas[cpu].cpu.doze = (uintptr_t)svm_doze;
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
    /* Only the CPU itself may touch that memory (15.30.4): a guard page's is mapped for nobody. */
    write_msr(MSR_VM_HSAVE_PA, (uintptr_t)cpu_areas[cpu].guard);
    __asm__ volatile("vmsave %0" : : "a"(&host_state[cpu]) : "memory");
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

    memset(vmcb, 0, sizeof(*vmcb));
    memcpy(vmcb->intercepts, domain->intercepts, sizeof(vmcb->intercepts));
    vmcb->iopm_base_pa = domain->iopm;
    vmcb->msrpm_base_pa = domain->msrpm;
    vmcb->guest_asid = index + 1;           /* 0 is the host's */
    vmcb->tlb_control = VMCB_TLB_FLUSH_ALL; /* one vCPU a core: flushing at each entry is safe */
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
    vcpu->host = &host_state[cpu];
    vcpu->take_interrupts = domain->interrupts == BH_VIRTUAL;
    vcpu->image = image;
    vcpu->domain = domain;
    vcpu->p2m = (const uint64_t *)(uintptr_t)domain->table;
    vcpu->shared = &shared[index];
    vcpu->index = index;
    vcpu->id = id;
    vcpu->slot = slot;
    vcpu->cpu = cpu;
    inject_reset(vcpu);
    __atomic_store_n(&vcpu_of[index][id], vcpu, __ATOMIC_SEQ_CST); /* before it looks for an end */
    return vcpu;
}

struct vcpu *svm_vcpu_of(unsigned index, unsigned id)
{
    if (index >= BH_MAX_DOMAINS || id >= BH_MAX_CORES)
        return NULL;
    return __atomic_load_n(&vcpu_of[index][id], __ATOMIC_ACQUIRE);
}

/* Leaves nothing of core's in the x87 and SSE registers that a domain could read. */
static void clear_fpu(void)
{
    static const _Alignas(16) struct {
        uint16_t fcw;
        uint8_t zero[22];
        uint32_t mxcsr;
        uint8_t rest[484];
    } clean = {.fcw = 0x37f, .mxcsr = 0x1f80};

    _Static_assert(sizeof(clean) == 512, "FXSAVE image");
    __asm__ volatile("fxrstor64 %0" : : "m"(clean));
}

_Noreturn void svm_run(struct vcpu *vcpu, svm_exit_handler *handler, svm_exit_handler *attend)
{
    vcpu->handler = handler;
    vcpu->attend = attend;
    clear_fpu();
    svm_loop(vcpu);
}

void svm_host_window(struct vcpu *vcpu, bool sleep)
{
    svm_window(vcpu->vmcb, vcpu->host, sleep, vcpu->take_interrupts != 0);
    if (vcpu->take_interrupts) {
        enable_interrupts(); /* GIF is clear: nothing is taken, VMRUN sees IF */
    }
}

void svm_with_host(struct vcpu *vcpu, void (*function)(void *argument), void *argument)
{
    svm_call_host(vcpu->vmcb, vcpu->host, function, argument);
}

/* Where a domain takes the CPU's interrupts itself, only an NMI gets it out. */
bool svm_kick(const struct vcpu *vcpu)
{
    if (!vcpu->take_interrupts)
        return smp_kick(vcpu->cpu);
    return apic_send(cpu_areas[vcpu->cpu].cpu.apic_id, APIC_MODE_FIXED | VECTOR_WAKE);
}

bool svm_request(struct vcpu *vcpu, uint32_t requests)
{
    uint32_t old = __atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED), new;

    do
        new = (requests & SVM_REQUEST_INIT ? old & ~SVM_REQUEST_SIPI : old) | requests;
    while (!__atomic_compare_exchange_n(&vcpu->requests, &old, new, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED));
    return svm_kick(vcpu);
}

void svm_wake(const struct vcpu *vcpu)
{
    if (vcpu->take_interrupts && !svm_kick(vcpu))
        print("%s: its core can't be woken: the local APIC doesn't send", vcpu->domain->name);
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
