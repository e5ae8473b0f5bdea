/* MSR accesses that the MSRPM stops, answered by the policy's rows (APM vol. 2, 15.11). */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

static const struct bh_msr *find_row(const struct vcpu *vcpu, uint32_t number)
{
    const struct bh_msr *rows =
        (const struct bh_msr *)bh_rows(vcpu->image, &vcpu->image->msrs) + vcpu->domain->msrs.offset;

    for (unsigned i = 0; i < vcpu->domain->msrs.count; i++)
        if (rows[i].number == number)
            return &rows[i];
    return NULL;
}

/* Where the local APIC lies is the core's; who boots is the domain's first vCPU (16.3.1). */
static uint64_t apic_base(const struct vcpu *vcpu)
{
    uint64_t base = read_msr(MSR_APIC_BASE) & ~(uint64_t)APIC_BASE_BSP;

    return vcpu->id == 0 ? base | APIC_BASE_BSP : base;
}

/* What the domain reads; false: #GP(0). */
static bool read_value(const struct vcpu *vcpu, const struct bh_msr *row, uint64_t *value)
{
    switch (row ? row->read : BH_MSR_GP) {
    case BH_MSR_CONSTANT:
        *value = row->value;
        return true;
    case BH_MSR_HARDWARE:
        *value = read_msr(row->number);
        return true;
    case BH_MSR_APIC_BASE:
        *value = apic_base(vcpu);
        return true;
    case BH_MSR_EFER:
        *value = vcpu->efer;
        return true;
    case BH_MSR_PAT:
        *value = mode_pat(vcpu);
        return true;
    default:
        return false;
    }
}

/* Carries out or drops a write; false: #GP(0). */
static bool write_value(struct vcpu *vcpu, const struct bh_msr *row, uint64_t value)
{
    switch (row ? row->write : BH_MSR_GP) {
    case BH_MSR_CONSTANT:
        return value == row->value;
    case BH_MSR_DROP:
        return true;
    case BH_MSR_EFER:
        return mode_write_efer(vcpu, value);
    case BH_MSR_PAT:
        return mode_write_pat(vcpu, value);
    case BH_MSR_APIC_BASE:
        return value == apic_base(vcpu);
    default:
        return false;
    }
}

void exit_msr(struct vcpu *vcpu)
{
    bool is_write = vcpu->vmcb->exitinfo1 & 1;
    uint32_t number = (uint32_t)vcpu->gpr[RCX];
    const struct bh_msr *row = find_row(vcpu, number);
    uint64_t value = vcpu->gpr[RDX] << 32 | (uint32_t)vcpu->vmcb->rax;

    if (is_write ? !write_value(vcpu, row, value) : !read_value(vcpu, row, &value)) {
        audit_violation(vcpu->domain, vcpu->index,
                        is_write ? VIOLATION_MSR_WRITE : VIOLATION_MSR_READ, number,
                        is_write ? value : 0);
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    exits_skip_two_byte(vcpu, is_write ? 0x30 : 0x32);
    if (!is_write) {
        vcpu->vmcb->rax = (uint32_t)value;
        vcpu->gpr[RDX] = value >> 32;
    }
}
