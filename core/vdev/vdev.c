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
    if (vcpu->id == 0)
        vpci_init(vcpu);
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

static __attribute__((noinline)) bool access_ioapic(struct vcpu *vcpu, uint64_t gpa, bool is_write,
                                                    uint64_t *value)
{
    uint32_t word = (uint32_t)*value;
    bool done;

    if (gpa - IOAPIC_BASE_DEFAULT >= PAGE_SIZE || !vcpu->domain->ioapic_pins)
        return false;
    spinlock_take(&locks[vcpu->index]);
    done = vioapic_access(vcpu, gpa & (PAGE_SIZE - 1), is_write, &word);
    spinlock_release(&locks[vcpu->index]);
    *value = word;
    return done;
}

static __attribute__((noinline)) bool write_ioapic(struct vcpu *vcpu, uint64_t gpa, uint64_t value)
{
    return access_ioapic(vcpu, gpa, true, &value);
}

static bool has_registers(const struct vcpu *vcpu, uint64_t gpa, unsigned size)
{
    return vcpu->domain->interrupts == BH_DIRECT && size == 4 && !(gpa & 3);
}

bool vdev_read(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t *value)
{
    *value = 0;
    return has_registers(vcpu, gpa, size) && access_ioapic(vcpu, gpa, false, value);
}

bool vdev_write(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    if (!has_registers(vcpu, gpa, size))
        return false;
    if (gpa / PAGE_SIZE != APIC_BASE_DEFAULT / PAGE_SIZE)
        return write_ioapic(vcpu, gpa, value);
    vdev_write_apic(vcpu, gpa % PAGE_SIZE, (uint32_t)value);
    return true;
}
