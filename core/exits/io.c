/* Port accesses that the IOPM stops (APM vol. 2, 15.10). */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

static uint32_t mask_of(unsigned size)
{
    return size == 4 ? 0xffffffff : size == 2 ? 0xffff : 0xff;
}

static __attribute__((noinline)) void deny(struct vcpu *vcpu, enum violation kind, uint64_t value)
{
    audit_violation(vcpu->domain, vcpu->index, kind,
                    (uint16_t)(vcpu->vmcb->exitinfo1 >> VMCB_IO_PORT_SHIFT), value);
}

static unsigned size_of(const struct vcpu *vcpu)
{
    return vcpu->vmcb->exitinfo1 >> VMCB_IO_SIZE_SHIFT & 7;
}

/* What nobody answers reads as an empty bus does. */
static __attribute__((noinline)) void in(struct vcpu *vcpu, uint16_t port)
{
    uint32_t value = 0;
    uint64_t mask;

    if (!vdev_port(vcpu, port, size_of(vcpu), true, &value)) {
        deny(vcpu, VIOLATION_PORT_READ, size_of(vcpu));
        value = 0xffffffff;
    }
    mask = size_of(vcpu) == 4 ? ~0ull : mask_of(size_of(vcpu)); /* 32 bits clear the upper half */
    vcpu->vmcb->rax = (vcpu->vmcb->rax & ~mask) | (value & mask);
    exits_set_rip(vcpu, vcpu->vmcb->exitinfo2);
}

/* What nobody takes is dropped. */
static __attribute__((noinline)) void out(struct vcpu *vcpu, uint16_t port)
{
    uint32_t value = (uint32_t)vcpu->vmcb->rax & mask_of(size_of(vcpu));

    if (!vdev_port(vcpu, port, size_of(vcpu), false, &value))
        deny(vcpu, VIOLATION_PORT_WRITE, (uint32_t)vcpu->vmcb->rax & mask_of(size_of(vcpu)));
    exits_set_rip(vcpu, vcpu->vmcb->exitinfo2);
}

void exit_io(struct vcpu *vcpu)
{
    uint64_t info = vcpu->vmcb->exitinfo1;
    uint16_t port = (uint16_t)(info >> VMCB_IO_PORT_SHIFT);

    if (info & VMCB_IO_STRING) {
        deny(vcpu, info & VMCB_IO_IN ? VIOLATION_PORT_READ : VIOLATION_PORT_WRITE, size_of(vcpu));
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    if (info & VMCB_IO_IN)
        in(vcpu, port);
    else
        out(vcpu, port);
}
