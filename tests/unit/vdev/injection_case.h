/* Two domains' vCPUs under test, work's and vault's, which has a virtual local APIC. */
#ifndef TESTS_UNIT_VDEV_INJECTION_CASE_H
#define TESTS_UNIT_VDEV_INJECTION_CASE_H

#include "testing.h"

#include "core/vdev/vdev.h"
#include "models/vcpu_model.h"

#define INTR(v) (VMCB_EVENT_VALID | VMCB_EVENT_INTR | (v))

static struct vcpu *vault, *work;
static struct vlapic *apic;

static inline int start(void **state)
{
    struct vlapic_ipi ipi;

    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    vault->vmcb->rip = work->vmcb->rip = MODEL_CODE;
    apic = vdev_apic(vault);
    assert_null(vdev_apic(work));
    return vlapic_write(apic, 0x80f, 0x1ff, 0, &ipi) ? 0 : -1;
}

/* An exit that means nothing to the domain. */
static inline void leave(void)
{
    assert_true(vcpu_model_exit(vault, SVM_EXIT_INTR, 0, 0));
}

/* The CPU takes what is offered. Returns its vector. */
static inline unsigned take(void)
{
    uint64_t v_intr = vault->vmcb->v_intr;

    assert_true(v_intr & VMCB_V_IRQ);
    assert_false(v_intr & VMCB_V_IGN_TPR);
    assert_true((v_intr >> VMCB_V_INTR_PRIO_SHIFT & 15) > (v_intr & VMCB_V_TPR));
    vault->vmcb->v_intr &= ~VMCB_V_IRQ;
    return (unsigned)(v_intr >> VMCB_V_INTR_VECTOR_SHIFT) & 0xff;
}

/* If it isn't taken before the next exit another one that comes now is the same. */
static inline bool is_offered(uint8_t vector)
{
    uint64_t v_intr = vault->vmcb->v_intr;

    return (v_intr & VMCB_V_IRQ) && (uint8_t)(v_intr >> VMCB_V_INTR_VECTOR_SHIFT) == vector;
}

static inline uint64_t get(uint32_t msr)
{
    uint64_t value;

    assert_true(vlapic_read(apic, msr, 0, &value));
    return value;
}

static inline void put(uint32_t msr, uint64_t value)
{
    assert_true(vdev_apic_msr(vault, msr, true, &value));
}

static inline bool in_service(unsigned vector)
{
    return get(0x810 + vector / 32) >> vector % 32 & 1;
}

#endif
