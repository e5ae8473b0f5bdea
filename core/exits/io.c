/* Port accesses that the IOPM stops (APM vol. 2, 15.10). */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/platform/platform.h"
#include "core/vdev/vdev.h"

static void set_in_result(struct vcpu *vcpu, unsigned size, uint32_t value)
{
    uint64_t *rax = &vcpu->vmcb->rax;

    if (size == 4)
        *rax = value;
    else if (size == 2)
        *rax = (*rax & ~0xffffull) | (value & 0xffff);
    else
        *rax = (*rax & ~0xffull) | (value & 0xff);
}

void exit_io(struct vcpu *vcpu)
{
    uint32_t info = (uint32_t)vcpu->vmcb->exitinfo1;
    uint16_t port = (uint16_t)(info >> VMCB_IO_PORT_SHIFT);
    unsigned size = info >> VMCB_IO_SIZE_SHIFT & 7;
    bool in = info & VMCB_IO_IN;
    uint32_t mask = size == 4 ? 0xffffffff : (1u << (8 * size)) - 1;
    uint32_t value = (uint32_t)vcpu->vmcb->rax & mask;

    if (info & VMCB_IO_STRING) {
        audit_violation(vcpu->domain, vcpu->index, in ? VIOLATION_PORT_READ : VIOLATION_PORT_WRITE,
                        port, size);
        svm_inject_exception(vcpu, VECTOR_GP, 0);
        return;
    }
    if (!vdev_port(vcpu, port, size, in, &value)) {
        audit_violation(vcpu->domain, vcpu->index, in ? VIOLATION_PORT_READ : VIOLATION_PORT_WRITE,
                        port, in ? size : value);
        value = mask; /* as an empty bus reads; a write is dropped */
    }
    if (in)
        set_in_result(vcpu, size, value);
    exits_set_rip(vcpu, vcpu->vmcb->exitinfo2);
}
