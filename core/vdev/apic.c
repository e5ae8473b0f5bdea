/*
 * The local APIC of a domain that owns its core. Reads and interrupts are the hardware's; writes
 * come here. An IPI leaves only to the domain's own core and only as fixed or NMI: an INIT resets
 * a core whatever GIF and intercepts say, and an SMI or NMI to another core is an attack.
 */
#include "core/audit/audit.h"
#include "core/platform/platform.h"
#include "core/vdev/apic_filter.h"
#include "core/vdev/devices.h"

static void send_ipi(struct vcpu *vcpu, uint32_t low)
{
    const struct apic_self self = {
        .id = apic_read(APIC_ID) >> 24, .ldr = apic_read(APIC_LDR), .dfr = apic_read(APIC_DFR)};
    struct apic_ipi ipi = apic_filter_ipi(low, vcpu->icr_high, &self);

    if (ipi.denied)
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_IPI,
                        (uint64_t)vcpu->icr_high << 32 | low, 0);
    if (ipi.self_vector)
        apic_write(APIC_ICR_LOW, APIC_ICR_SELF | ipi.self_vector);
    /* A real one, so that it stays pending beside whatever else the domain has to take. */
    if (ipi.self_nmi && !apic_send(self.id, APIC_ICR_NMI))
        svm_inject_nmi(vcpu);
}

bool vapic_write(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    struct apic_store store = apic_filter_write(offset, value);

    switch (store.rule) {
    case APIC_RULE_PASS:
    case APIC_RULE_LVT:
        apic_write(offset, store.value);
        break;
    case APIC_RULE_ICR_HIGH:
        vcpu->icr_high = value & 0xff000000; /* core uses the real one for its own IPIs */
        return true;
    case APIC_RULE_ICR_LOW:
        send_ipi(vcpu, value);
        return true;
    case APIC_RULE_KEEP:
        return true;
    case APIC_RULE_NONE:
        break;
    }
    if (store.denied)
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_APIC, offset, value);
    return true;
}
