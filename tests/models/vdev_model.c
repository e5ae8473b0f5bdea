#include "models/vdev_model.h"

#include "core/iommu_dev/dma.h"
#include "core/vdev/vdev.h"

struct vdev_model vdev_model;

static bool answer(uint64_t address, unsigned size, bool is_write, uint64_t *value)
{
    vdev_model.accesses++;
    vdev_model.address = address;
    vdev_model.size = size;
    vdev_model.is_write = is_write;
    vdev_model.written = is_write ? *value : 0;
    if (vdev_model.answers && !is_write)
        *value = vdev_model.reads_as;
    return vdev_model.answers;
}

void vdev_init_vcpu(struct vcpu *vcpu)
{
    (void)vcpu;
    vdev_model = (struct vdev_model){0};
}

void vdev_reset_vcpu(struct vcpu *vcpu)
{
    (void)vcpu;
    vdev_model.resets++;
}

void vdev_stop_domain(const struct vcpu *vcpu)
{
    (void)vcpu;
    vdev_model.stops++;
}

const volatile uint64_t *dma_news = &vdev_model.news;

void dma_report(void)
{
    vdev_model.polls++;
}

bool vdev_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value)
{
    uint64_t word = *value;
    bool done = answer(port, size, !in, &word);

    (void)vcpu;
    *value = (uint32_t)word;
    return done;
}

bool vdev_read(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t *value)
{
    (void)vcpu;
    return answer(gpa, size, false, value);
}

bool vdev_write(struct vcpu *vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    (void)vcpu;
    return answer(gpa, size, true, &value);
}

void vdev_write_apic(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
    uint64_t word = value;

    (void)vcpu;
    vdev_model.straight++;
    answer(0xfee00000 + offset, sizeof(value), true, &word);
}

struct vlapic *vdev_apic(const struct vcpu *vcpu)
{
    (void)vcpu;
    return NULL;
}

uint64_t vdev_tsc(const struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}

bool vdev_apic_msr(struct vcpu *vcpu, uint32_t msr, bool is_write, uint64_t *value)
{
    uint64_t word = *value;
    bool done = answer(msr, 8, is_write, &word);

    (void)vcpu;
    *value = word;
    return done;
}
