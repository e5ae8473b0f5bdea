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
    if (vcpu->id == 0)
        vpci_init(vcpu);
}

void vdev_reset_vcpu(struct vcpu *vcpu)
{
    if (vcpu->domain->interrupts == BH_DIRECT)
        vapic_reset(vcpu);
}

void vdev_stop_domain(const struct vcpu *vcpu)
{
    dma_revoke(vcpu->index);
    vpci_quiet(vcpu);
}

bool vdev_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value)
{
    bool done = false;

    spinlock_take(&locks[vcpu->index]);
    if (port >= PCI_CONFIG_ADDRESS && port + size <= PCI_CONFIG_DATA + 4)
        done = vpci_port(vcpu, port, size, in, value);
    else if (port == RTC_INDEX || port == RTC_DATA)
        done = vrtc_port(vcpu, port, size, in, value);
    spinlock_release(&locks[vcpu->index]);
    return done;
}

bool vdev_memory(struct vcpu *vcpu, uint64_t gpa, unsigned size, bool is_write, uint64_t *value)
{
    uint32_t offset = gpa & (PAGE_SIZE - 1);
    uint32_t word = (uint32_t)*value;
    bool done = false;

    if (vcpu->domain->interrupts != BH_DIRECT || size != 4 || (offset & 3))
        return false;
    if (gpa - offset == APIC_BASE_DEFAULT) {
        done = is_write && vapic_write(vcpu, offset, word);
    } else if (gpa - offset == IOAPIC_BASE_DEFAULT && vcpu->domain->ioapic_pins) {
        spinlock_take(&locks[vcpu->index]);
        done = vioapic_access(vcpu, offset, is_write, &word);
        spinlock_release(&locks[vcpu->index]);
    }
    *value = word;
    return done;
}
