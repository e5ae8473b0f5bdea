/*
 * The virtual local APICs of the machine's vCPUs, as the MSRs that domains reach them by, and the
 * IPIs between those of one domain: nothing leads out of it.
 */
#include "core/audit/audit.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

/* Owner of each: its vCPU's CPU, but for what vlapic.h says. */
static struct vlapic apics[BH_MAX_VCPUS];

struct vlapic *vdev_apic(const struct vcpu *vcpu)
{
    return vcpu->domain->interrupts == BH_VIRTUAL ? &apics[vcpu->slot] : NULL;
}

uint64_t vdev_tsc(const struct vcpu *vcpu)
{
    return read_tsc() + vcpu->vmcb->tsc_offset;
}

/* What it begins with it keeps: there is no memory at which another mode could be had. */
static uint64_t base_of(const struct vcpu *vcpu)
{
    return APIC_BASE_DEFAULT | APIC_BASE_ENABLE | APIC_BASE_X2APIC |
           (vcpu->id == 0 ? APIC_BASE_BSP : 0);
}

static void send_to(const struct vcpu *vcpu, struct vcpu *target, const struct vlapic_ipi *ipi)
{
    bool is_news = false;

    switch (ipi->kind) {
    case VLAPIC_IPI_FIXED:
        is_news = vlapic_accept(vdev_apic(target), ipi->vector);
        break;
    case VLAPIC_IPI_NMI:
        is_news = vlapic_accept_nmi(vdev_apic(target));
        break;
    case VLAPIC_IPI_INIT:
        svm_request(target, SVM_REQUEST_INIT);
        break;
    case VLAPIC_IPI_STARTUP:
        __atomic_store_n(&target->sipi_vector, ipi->vector, __ATOMIC_RELAXED);
        svm_request(target, SVM_REQUEST_SIPI);
        break;
    case VLAPIC_IPI_NONE:
    case VLAPIC_IPI_DENIED:
        break;
    }
    if (is_news && target != vcpu) /* the sender itself looks before it runs on */
        svm_kick(target);
}

static void send(const struct vcpu *vcpu, const struct vlapic_ipi *ipi)
{
    for (unsigned id = 0; id < vcpu->domain->ncores; id++) {
        struct vcpu *target = svm_vcpu_of(vcpu->index, id);

        if (!target || !vlapic_is_meant(ipi, vcpu->id, id))
            continue;
        send_to(vcpu, target, ipi);
        if (ipi->to_one)
            return;
    }
}

static bool write(struct vcpu *vcpu, struct vlapic *apic, uint32_t msr, uint64_t value)
{
    struct vlapic_ipi ipi;

    if (!vlapic_write(apic, msr, value, vdev_tsc(vcpu), &ipi))
        return false;
    /* The CPU's copy of the priority, which is also CR8 (15.21.2). */
    vcpu->vmcb->v_intr = (vcpu->vmcb->v_intr & ~VMCB_V_TPR) | apic->tpr >> 4;
    svm_dirty(vcpu, VMCB_CLEAN_TPR);
    if (ipi.kind == VLAPIC_IPI_DENIED)
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_IPI, value, 0);
    else if (ipi.kind != VLAPIC_IPI_NONE)
        send(vcpu, &ipi);
    return true;
}

bool vdev_apic_msr(struct vcpu *vcpu, uint32_t msr, bool is_write, uint64_t *value)
{
    struct vlapic *apic = vdev_apic(vcpu);

    if (!apic)
        return false;
    if (msr == MSR_APIC_BASE && is_write)
        return *value == base_of(vcpu);
    if (msr == MSR_APIC_BASE) {
        *value = base_of(vcpu);
        return true;
    }
    return is_write ? write(vcpu, apic, msr, *value)
                    : vlapic_read(apic, msr, vdev_tsc(vcpu), value);
}
