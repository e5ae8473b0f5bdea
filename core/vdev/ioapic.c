/*
 * The I/O APIC, shown to the domain that owns some of its pins (82093AA data sheet, 3). Core
 * does the accesses; entries of other pins read as masked and can't be written. Whatever
 * destination a domain puts in, the IOMMU's remapping table for the I/O APIC has the last word.
 */
#include "core/audit/audit.h"
#include "core/platform/platform.h"
#include "core/vdev/devices.h"

#define PINS            24u
#define VERSION_82093AA 0x11u
#define MODE            0x700u
#define LOWEST          0x100u
#define WRITABLE        0x1afffu /* vector, delivery mode, destination mode, polarity, trigger, mask */

/* Guarded by the domain's lock (vdev.c). */
static uint32_t selected[BH_MAX_DOMAINS];

static void read_window(const struct vcpu *vcpu, uint32_t index, uint32_t *value)
{
    uint32_t pin = (index - IOAPIC_ENTRY) / 2;

    if (index == IOAPIC_ID) {
        *value = ioapic_read(index);
    } else if (index == IOAPIC_VERSION) { /* later ones have an EOI register, which isn't here */
        *value = (ioapic_read(index) & ~0xffu) | VERSION_82093AA;
    } else if (index >= IOAPIC_ENTRY && pin < PINS) {
        bool granted = vcpu->domain->ioapic_pins >> pin & 1;

        *value = granted ? ioapic_read(index) : index & 1 ? 0 : IOAPIC_MASKED;
    } else {
        *value = 0;
    }
}

static void deny(const struct vcpu *vcpu, uint32_t index, uint32_t value)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_IOAPIC, index, value);
}

static void write_window(const struct vcpu *vcpu, uint32_t index, uint32_t value)
{
    uint32_t pin = (index - IOAPIC_ENTRY) / 2;
    bool is_high = index & 1;

    if (index < IOAPIC_ENTRY || pin >= PINS) {
        if (index != IOAPIC_ID) /* its number is for show: operating systems renumber it */
            deny(vcpu, index, value);
        return;
    }
    if (!(vcpu->domain->ioapic_pins >> pin & 1)) {
        if (!is_high && !(value & IOAPIC_MASKED)) /* masking what is masked is no attempt */
            deny(vcpu, index, value);
        return;
    }
    if (!is_high && (value & MODE) > LOWEST) { /* SMI, NMI, INIT, ExtINT */
        if (!(value & IOAPIC_MASKED))
            deny(vcpu, index, value);
        value = IOAPIC_MASKED;
    }
    ioapic_write(index, is_high ? value & 0xff000000 : value & WRITABLE);
}

bool vioapic_access(struct vcpu *vcpu, uint32_t offset, bool is_write, uint32_t *value)
{
    uint32_t *select = &selected[vcpu->index];

    if (offset == IOAPIC_SELECT) {
        if (is_write)
            *select = *value & 0xff;
        else
            *value = *select;
        return true;
    }
    if (offset != IOAPIC_WINDOW)
        return false;
    if (is_write)
        write_window(vcpu, *select, *value);
    else
        read_window(vcpu, *select, value);
    return true;
}
