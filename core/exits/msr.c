/* MSR accesses that the MSRPM stops, answered by the policy's rows (APM vol. 2, 15.11). */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

/*
 * A domain's rows by their numbers' low bits, in chains that end with `unknown`. Filled before the
 * domain runs.
 */
#define BUCKETS 64u

struct msr_index {
    const struct bh_msr *first[BUCKETS];
    const struct bh_msr *rows;
    const struct bh_msr *next[BH_MAX_MSR]; /* of each row */
};

static struct msr_index indices[BH_MAX_DOMAINS];
static const struct bh_msr unknown = {.read = BH_MSR_GP, .write = BH_MSR_GP};

/*
 * Where the local APIC lies is the core's, and nobody moves it; who boots is the domain's first
 * vCPU (16.3.1).
 */
static uint64_t apic_base(const struct vcpu *vcpu)
{
    uint64_t base = read_msr(MSR_APIC_BASE) & ~(uint64_t)APIC_BASE_BSP;

    return vcpu->id == 0 ? base | APIC_BASE_BSP : base;
}

void msr_init_vcpu(struct vcpu *vcpu)
{
    struct msr_index *index = &indices[vcpu->index];

    vcpu->msrs = index;
    vcpu->apic_base = apic_base(vcpu);
    if (vcpu->id != 0)
        return;
    index->rows =
        (const struct bh_msr *)bh_rows(vcpu->image, &vcpu->image->msrs) + vcpu->domain->msrs.offset;
    for (unsigned i = 0; i < BUCKETS; i++)
        index->first[i] = &unknown;
    for (unsigned i = vcpu->domain->msrs.count; i-- > 0;) {
        const struct bh_msr **first = &index->first[index->rows[i].number % BUCKETS];

        index->next[i] = *first;
        *first = &index->rows[i];
    }
}

static const struct bh_msr *find_row(const struct vcpu *vcpu, uint32_t number)
{
    const struct msr_index *index = vcpu->msrs;
    const struct bh_msr *row = index->first[number % BUCKETS];

    while (row->number != number && row != &unknown)
        row = index->next[row - index->rows];
    return row;
}

/* Apart from the others, so that the value that those return needs no place in memory. */
struct x2apic_read {
    uint64_t value;
    bool is_there;
};

static __attribute__((noinline)) struct x2apic_read read_x2apic(struct vcpu *vcpu, uint32_t number)
{
    struct x2apic_read read = {.value = 0};

    read.is_there = vdev_apic_msr(vcpu, number, false, &read.value);
    return read;
}

static __attribute__((noinline)) bool write_x2apic(struct vcpu *vcpu, uint32_t number,
                                                   uint64_t value)
{
    return vdev_apic_msr(vcpu, number, true, &value);
}

/* What the domain reads; false: #GP(0). */
static bool read_value(struct vcpu *vcpu, const struct bh_msr *row, uint64_t *value)
{
    struct x2apic_read x2apic;

    if (row->read == BH_MSR_APIC_BASE) { /* which kernels read again and again */
        *value = vcpu->apic_base;
        return true;
    }
    switch (row->read) {
    case BH_MSR_CONSTANT:
        *value = row->value;
        return true;
    case BH_MSR_HARDWARE:
        *value = read_msr(row->number);
        return true;
    case BH_MSR_X2APIC:
        x2apic = read_x2apic(vcpu, row->number);
        *value = x2apic.value;
        return x2apic.is_there;
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
    switch (row->write) {
    case BH_MSR_CONSTANT:
        return value == row->value;
    case BH_MSR_DROP:
        return true;
    case BH_MSR_EFER:
        return mode_write_efer(vcpu, value);
    case BH_MSR_PAT:
        return mode_write_pat(vcpu, value);
    case BH_MSR_APIC_BASE:
        return value == vcpu->apic_base;
    case BH_MSR_X2APIC:
        return write_x2apic(vcpu, row->number, value);
    default:
        return false;
    }
}

static __attribute__((noinline)) void refuse(struct vcpu *vcpu, enum violation kind, uint64_t value)
{
    audit_violation(vcpu->domain, vcpu->index, kind, (uint32_t)vcpu->gpr[RCX], value);
    svm_inject_exception(vcpu, VECTOR_GP, 0);
}

static __attribute__((noinline)) void write(struct vcpu *vcpu)
{
    const struct bh_msr *row = find_row(vcpu, (uint32_t)vcpu->gpr[RCX]);
    uint64_t value = vcpu->gpr[RDX] << 32 | (uint32_t)vcpu->vmcb->rax;

    if (write_value(vcpu, row, value))
        exits_skip_two_byte(vcpu, 0x30);
    else
        refuse(vcpu, VIOLATION_MSR_WRITE, value);
}

void exit_msr(struct vcpu *vcpu)
{
    uint64_t value;

    if (vcpu->vmcb->exitinfo1 & 1) {
        write(vcpu);
        return;
    }
    if (!read_value(vcpu, find_row(vcpu, (uint32_t)vcpu->gpr[RCX]), &value)) {
        refuse(vcpu, VIOLATION_MSR_READ, 0);
        return;
    }
    vcpu->vmcb->rax = (uint32_t)value;
    vcpu->gpr[RDX] = value >> 32;
    exits_skip_two_byte(vcpu, 0x32);
}
