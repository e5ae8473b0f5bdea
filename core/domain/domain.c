#include "core/domain/domain.h"

#include "core/domain/place.h"
#include "core/exits/exits.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"
#include "core/svm/features.h"

#define VGA_PORT 0x3c0u /* attribute controller, the first of the VGA's registers */

/* The policy and how each domain starts: written by the boot CPU before the others read it. */
static struct start_state starts[BH_MAX_DOMAINS];

static const struct bh_header *policy;

/* How many of each domain's vCPUs are prepared, by domain. */
static uint32_t prepared[BH_MAX_DOMAINS];

void domains_place(const struct bh_header *checked, struct boot_info *info,
                   const struct acpi_cpus *cpus)
{
    policy = checked;
    svm_init();
    domain_place_all(policy, info, cpus, starts);
    for (uint32_t i = 0; i < policy->domains.count; i++)
        exits_init_domain(policy, i);
}

static struct vmcb_segment flat_segment(uint16_t selector, uint16_t attributes)
{
    return (struct vmcb_segment){
        .selector = selector, .attributes = attributes, .limit = 0xffffffff};
}

static void load_start(struct vcpu *vcpu, const struct start_state *start)
{
    struct vmcb *vmcb = vcpu->vmcb;

    vmcb->rip = start->rip;
    vmcb->rsp = start->rsp;
    vmcb->rax = start->rax;
    vcpu->gpr[RBX] = start->rbx;
    vcpu->gpr[RSI] = start->rsi;
    mode_start(vcpu, start->cr0, start->cr3, start->cr4, start->efer);
    vmcb->gdtr.base = start->gdt_base;
    vmcb->gdtr.limit = start->gdt_limit;
    vmcb->cs = flat_segment(start->cs, start->efer & EFER_LMA ? VMCB_SEG_CODE64 : VMCB_SEG_CODE32);
    vmcb->ds = vmcb->es = vmcb->ss = flat_segment(start->ds, VMCB_SEG_DATA);
    vmcb->fs = vmcb->gs = vmcb->ds;
    vmcb->tr = (struct vmcb_segment){.attributes = VMCB_SEG_TSS, .limit = 0xffff};
    vmcb->ldtr = (struct vmcb_segment){.attributes = VMCB_SEG_LDT, .limit = 0xffff};
}

/* Prepares vCPU `id` of domain `index` for this core, which the policy gives it. */
static void prepare(uint32_t index, uint32_t id, uint32_t cpu)
{
    struct vcpu *vcpu = svm_init_vcpu(policy, index, id, cpu);

    vcpu->handler = exits_handler(vcpu);
    exits_init_vcpu(vcpu);
    if (id == 0)
        load_start(vcpu, &starts[index]);
    __atomic_fetch_add(&prepared[index], 1, __ATOMIC_RELEASE);
}

/*
 * Until all vCPUs of the domains that have one here can be sent interrupts: the first may do so at
 * once, and each, as it is reset, has those of the domain's devices pointed anew.
 */
static void await_others(uint32_t cpu)
{
    for (uint32_t index = 0; index < policy->domains.count; index++) {
        const struct bh_domain *domain = bh_domain_row(policy, index);

        for (uint32_t id = 0; id < domain->ncores; id++)
            while (domain->core[id] == cpu &&
                   __atomic_load_n(&prepared[index], __ATOMIC_ACQUIRE) < domain->ncores)
                pause();
    }
}

/* True if the domain has the VGA's registers: whatever mode the screen is in, it can change it. */
static bool has_screen(const struct bh_domain *domain)
{
    const uint8_t *iopm = at_physical(domain->iopm);

    return (iopm[VGA_PORT / 8] & 1u << VGA_PORT % 8) == 0;
}

/* Prepares all vCPUs that the policy gives this core; returns how many they are. */
static uint32_t prepare_all(uint32_t cpu)
{
    uint32_t count = 0;

    for (uint32_t index = 0; index < policy->domains.count; index++) {
        const struct bh_domain *domain = bh_domain_row(policy, index);

        for (uint32_t id = 0; id < domain->ncores; id++) {
            if (domain->core[id] != cpu)
                continue;
            if (count++ == 0)
                svm_enable_cpu(cpu);
            prepare(index, id, cpu);
        }
    }
    return count;
}

noreturn void domains_run(struct cpu *cpu)
{
    idt_load_run();
    if (prepare_all(cpu->index) == 0)
        for (;;)
            __asm__ volatile("hlt"); /* an NMI that isn't core's own wakes it for nothing */
    await_others(cpu->index);
    for (uint32_t index = 0; index < policy->domains.count; index++) {
        if (bh_domain_row(policy, index)->core[0] != cpu->index)
            continue;
        print("%s: starts on core %u", bh_domain_row(policy, index)->name, cpu->index);
        if (has_screen(bh_domain_row(policy, index)))
            console_leave_screen();
    }
    svm_run(cpu->index, exits_attend);
}
