/*
 * The local APIC of a domain that owns its cores. Reads and interrupts are the hardware's; writes
 * come here. A fixed IPI leaves as a real one, to one core of the domain after the other by their
 * physical ids; NMI, INIT and SIPI go to the vCPU, not to the core: an INIT resets a core whatever
 * GIF and intercepts say, and an SMI or NMI to another core is an attack.
 */
#include "core/audit/audit.h"
#include "core/platform/platform.h"
#include "core/vdev/apic_filter.h"
#include "core/vdev/devices.h"

static uint32_t id_of(const struct vcpu *vcpu)
{
    return cpu_areas[vcpu->cpu].cpu.apic_id;
}

void vapic_cores(const struct vcpu *vcpu, struct apic_core *core)
{
    for (unsigned id = 0; id < vcpu->domain->ncores; id++) {
        const struct vcpu *other = svm_vcpu_of(vcpu->index, id); /* there, before any runs */

        core[id] = (struct apic_core){.id = id_of(other),
                                      .ldr = __atomic_load_n(&other->ldr, __ATOMIC_RELAXED),
                                      .dfr = __atomic_load_n(&other->dfr, __ATOMIC_RELAXED)};
    }
}

static void send_to(struct vcpu *vcpu, struct vcpu *target, const struct apic_ipi *ipi)
{
    switch (ipi->event) {
    case APIC_INTERRUPT:
        if (target == vcpu)
            apic_write(APIC_ICR_LOW, APIC_ICR_SELF | ipi->vector);
        else
            apic_send(id_of(target), APIC_ICR_ASSERT | ipi->vector);
        return;
    case APIC_NMI:
        if (target == vcpu) /* answered before it runs on */
            svm_ask(vcpu, SVM_REQUEST_NMI);
        else
            svm_request(target, SVM_REQUEST_NMI);
        return;
    case APIC_INIT:
        svm_request(target, SVM_REQUEST_INIT);
        return;
    case APIC_STARTUP:
        __atomic_store_n(&target->sipi_vector, ipi->vector, __ATOMIC_RELAXED);
        svm_request(target, SVM_REQUEST_SIPI);
        return;
    case APIC_NOTHING:
        return;
    }
}

static void send_ipi(struct vcpu *vcpu, uint32_t low)
{
    struct apic_core core[BH_MAX_CORES];
    struct apic_ipi ipi;

    vapic_cores(vcpu, core);
    ipi = apic_filter_ipi(low, vcpu->icr_high, core, vcpu->domain->ncores, vcpu->id);
    if (ipi.denied)
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_IPI,
                        (uint64_t)vcpu->icr_high << 32 | low, 0);
    for (unsigned id = 0; id < vcpu->domain->ncores; id++)
        if (ipi.targets >> id & 1)
            send_to(vcpu, svm_vcpu_of(vcpu->index, id), &ipi);
}

/* What other vCPUs need to know of this one's APIC. True if it is another name than before. */
static bool note_write(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    uint32_t *name = offset == APIC_LDR ? &vcpu->ldr : offset == APIC_DFR ? &vcpu->dfr : NULL;

    return name && __atomic_exchange_n(name, value, __ATOMIC_RELAXED) != value;
}

static void write_register(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    apic_write(offset, value);
    if (note_write(vcpu, offset, value) && bh_is_remapped(vcpu->domain))
        vdev_renew_interrupts(vcpu);
}

void vapic_init(struct vcpu *vcpu)
{
    note_write(vcpu, APIC_LDR, apic_read(APIC_LDR));
    note_write(vcpu, APIC_DFR, apic_read(APIC_DFR));
}

/* Interrupts in service end, so that those below them aren't held back for ever. */
static void end_service(void)
{
    for (uint32_t i = 0; i < 8; i++)
        for (uint32_t left = apic_read(APIC_ISR + 0x10 * i); left; left &= left - 1)
            apic_write(APIC_EOI, 0);
}

/* Register values after INIT: APM vol. 2, 16.3.2. What was requested and not yet taken stays. */
void vapic_reset(struct vcpu *vcpu)
{
    static const uint32_t lvt[] = {APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF,
                                   APIC_LVT_LINT0, APIC_LVT_LINT1,   APIC_LVT_ERROR};

    end_service();
    for (unsigned i = 0; i < sizeof(lvt) / sizeof(lvt[0]); i++)
        apic_write(lvt[i], APIC_LVT_MASKED);
    apic_write(APIC_TIMER_COUNT, 0);
    apic_write(APIC_TIMER_DIVIDE, 0);
    apic_write(APIC_TPR, 0);
    write_register(vcpu, APIC_LDR, 0);
    write_register(vcpu, APIC_DFR, APIC_DFR_RESET);
    apic_write(APIC_SPURIOUS, APIC_SPURIOUS_RESET);
    vcpu->icr_high = 0;
}

static __attribute__((noinline)) void write_filtered(struct vcpu *vcpu, uint32_t offset,
                                                     uint32_t value)
{
    struct apic_store store = apic_filter_write(offset, value);

    switch ((enum apic_rule)store.rule) {
    case APIC_RULE_PASS:
    case APIC_RULE_LOGICAL:
    case APIC_RULE_LVT:
        write_register(vcpu, offset, store.value);
        break;
    case APIC_RULE_ICR_HIGH:
        vcpu->icr_high = value & 0xff000000; /* core uses the real one for its own IPIs */
        return;
    case APIC_RULE_ICR_LOW:
        send_ipi(vcpu, value);
        return;
    case APIC_RULE_KEEP:
        return;
    case APIC_RULE_NONE:
        break;
    }
    if (store.denied)
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_APIC, offset, value);
}

void vdev_write_apic(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    uint32_t mask;

    if (apic_passes(offset, &mask))
        apic_write(offset, value & mask);
    else
        write_filtered(vcpu, offset, value);
}
