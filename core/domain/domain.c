#include "core/domain/domain.h"

#include <stdbool.h>

#include "core/domain/place.h"
#include "core/exits/exits.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"
#include "core/svm/features.h"

#define VGA_PORT 0x3c0u /* attribute controller, the first of the VGA's registers */

/* The policy and how each domain starts: written by the boot CPU before the others read it. */
static struct start_state starts[BH_MAX_DOMAINS];

static const struct bh_header *policy;

void domains_place(const struct bh_header *checked, struct boot_info *info,
                   const struct acpi_cpus *cpus)
{
    policy = checked;
    svm_find_features();
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

/* Whose core it is: the domain, and which of its vCPUs runs there. False if nobody's. */
static bool find_owner(uint32_t cpu, uint32_t *index, uint32_t *id)
{
    for (*index = 0; *index < policy->domains.count; ++*index) {
        const struct bh_domain *domain = bh_domain_row(policy, *index);

        for (*id = 0; *id < domain->ncores; ++*id)
            if (domain->core[*id] == cpu)
                return true;
    }
    return false;
}

/* Until all of the domain's vCPUs can be sent interrupts, which its first may do at once. */
static void await_others(const struct vcpu *vcpu)
{
    for (unsigned id = 1; id < vcpu->domain->ncores; id++)
        while (!svm_vcpu_of(vcpu->index, id))
            pause();
}

/* True if the domain has the VGA's registers: whatever mode the screen is in, it can change it. */
static bool has_screen(const struct bh_domain *domain)
{
    const uint8_t *iopm = at_physical(domain->iopm);

    return (iopm[VGA_PORT / 8] & 1u << VGA_PORT % 8) == 0;
}

noreturn void domains_run(struct cpu *cpu)
{
    uint32_t index, id;
    struct vcpu *vcpu;

    idt_load_run();
    if (!find_owner(cpu->index, &index, &id))
        for (;;)
            __asm__ volatile("hlt"); /* an NMI that isn't core's own wakes it for nothing */
    svm_enable_cpu(cpu->index);
    vcpu = svm_init_vcpu(policy, index, id, cpu->index);
    exits_init_vcpu(vcpu);
    if (id == 0) {
        load_start(vcpu, &starts[index]);
        await_others(vcpu);
        print("%s: starts on core %u", vcpu->domain->name, cpu->index);
        if (has_screen(vcpu->domain))
            console_leave_screen();
    }
    svm_run(vcpu, exits_handler(vcpu), exits_attend);
}
