#include "core/vdev/vdev.h"

#include "core/iommu_dev/dma.h"
#include "core/platform/platform.h"
#include "core/vdev/devices.h"

/* By domain: its PCI views, the registers that it has selected of RTC and I/O APIC. */
static struct spinlock locks[BH_MAX_DOMAINS];

void vdev_init_vcpu(struct vcpu *vcpu)
{
    if (vcpu->domain->interrupts == BH_DIRECT)
        vapic_init(vcpu);
    else
        vlapic_init(vdev_apic(vcpu), vcpu->id);
    if (vcpu->id != 0)
        return;
    vpci_init(vcpu);
    vmsi_init(vcpu);
    vioapic_init(vcpu);
}

void vdev_reset_vcpu(struct vcpu *vcpu)
{
    if (vcpu->domain->interrupts == BH_DIRECT)
        vapic_reset(vcpu);
    else
        vlapic_init(vdev_apic(vcpu), vcpu->id);
}

void vdev_stop_domain(const struct vcpu *vcpu)
{
    dma_revoke(vcpu->index);
    vpci_quiet(vcpu);
}

bool vdev_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value)
{
    bool done = false;

    if (port == PCI_CONFIG_ADDRESS && size == 4)
        return vpci_address(vcpu, in, value);
    spinlock_take(&locks[vcpu->index]);
    if (port >= PCI_CONFIG_ADDRESS && port + size <= PCI_CONFIG_DATA + 4)
        done = vpci_port(vcpu, port, size, in, value);
    else if (port == RTC_INDEX || port == RTC_DATA)
        done = vrtc_port(vcpu, port, size, in, value);
    else if (port == KEYBOARD_DATA || port == KEYBOARD_STATUS)
        done = vkeyboard_port(vcpu, port, size, in, value);
    spinlock_release(&locks[vcpu->index]);
    return done;
}

static bool access_ioapic(struct vcpu *vcpu, uint64_t gpa, unsigned size, bool is_write,
                          uint64_t *value)
{
    uint32_t word = (uint32_t)*value;
    bool done = vcpu->domain->ioapic_pins && size == 4 &&
                vioapic_access(vcpu, gpa % PAGE_SIZE, is_write, &word);

    *value = word;
    return done;
}

/* What lies elsewhere than the local APIC, at addresses that are multiples of their size. */
static __attribute__((noinline)) bool access(struct vcpu *vcpu, uint64_t gpa, unsigned size,
                                             bool is_write, uint64_t *value)
{
    bool is_ioapic = gpa / PAGE_SIZE == IOAPIC_BASE_DEFAULT / PAGE_SIZE;
    bool done;

    if (vcpu->domain->interrupts != BH_DIRECT || gpa % size != 0 ||
        !(is_ioapic || bh_is_remapped(vcpu->domain)))
        return false;
    spinlock_take(&locks[vcpu->index]);
    done = is_ioapic ? access_ioapic(vcpu, gpa, size, is_write, value)
                     : vmsix_access(vcpu, gpa, size, is_write, value);
    spinlock_release(&locks[vcpu->index]);
    return done;
}

static __attribute__((noinline)) bool write(struct vcpu *vcpu, uint64_t gpa, unsigned size,
                                            uint64_t value)
{
    return access(vcpu, gpa, size, true, &value);
}

static bool is_local_apic(const struct vcpu *vcpu, uint64_t gpa)
{
    return vcpu->domain->interrupts == BH_DIRECT &&
           gpa / PAGE_SIZE == APIC_BASE_DEFAULT / PAGE_SIZE;
}

bool vdev_read(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t *value)
{
    *value = 0;
    return access(vcpu, gpa, size, false, value);
}

bool vdev_write(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    if (!is_local_apic(vcpu, gpa))
        return write(vcpu, gpa, size, value);
    if (size != 4 || gpa % 4 != 0)
        return false;
    vdev_write_apic(vcpu, gpa % PAGE_SIZE, (uint32_t)value);
    return true;
}

void vdev_renew_interrupts(const struct vcpu *vcpu)
{
    spinlock_take(&locks[vcpu->index]);
    vmsi_renew(vcpu);
    vioapic_renew(vcpu);
    spinlock_release(&locks[vcpu->index]);
}
