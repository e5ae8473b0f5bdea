/* A virtual local APIC under test: that of vCPU 3, enabled, at time NOW. */
#ifndef TESTS_UNIT_VDEV_VLAPIC_CASE_H
#define TESTS_UNIT_VDEV_VLAPIC_CASE_H

#include "testing.h"

#include "core/vdev/vlapic.h"

enum {
    ID = 0x802,
    VERSION,
    TPR = 0x808,
    PPR = 0x80a,
    EOI,
    LDR = 0x80d,
    SVR = 0x80f,
    ISR,
    TMR = 0x818,
    IRR = 0x820,
    ESR = 0x828,
    ICR = 0x830,
    LVT_TIMER = 0x832,
    LVT_LINT0 = 0x835,
    LVT_ERROR = 0x837,
    COUNT,
    CURRENT,
    DIVIDE = 0x83e,
    SELF_IPI
};

#define PERIODIC   0x20000u
#define DEADLINE   0x40000u
#define BY_ONE     0xbu /* in DIVIDE */
#define BY_SIXTEEN 0x3u
#define SOME_COUNT 100000u
#define NOW        (1ull << 40)

static struct vlapic apic;

static inline int start(void **state)
{
    struct vlapic_ipi ipi;

    (void)state;
    vlapic_init(&apic, 3);
    return vlapic_write(&apic, SVR, 0x1ff, NOW, &ipi) ? 0 : -1;
}

static inline struct vlapic_ipi put_at(uint32_t msr, uint64_t value, uint64_t now)
{
    struct vlapic_ipi ipi;

    if (!vlapic_write(&apic, msr, value, now, &ipi))
        fail_msg("WRMSR %#x with %#lx: #GP", msr, value);
    return ipi;
}

static inline struct vlapic_ipi put(uint32_t msr, uint64_t value)
{
    return put_at(msr, value, NOW);
}

static inline uint64_t get_at(uint32_t msr, uint64_t now)
{
    uint64_t value;

    if (!vlapic_read(&apic, msr, now, &value))
        fail_msg("RDMSR %#x: #GP", msr);
    return value;
}

static inline uint64_t get(uint32_t msr)
{
    return get_at(msr, NOW);
}

static inline bool is_set(uint32_t first, unsigned vector)
{
    return get(first + vector / 32) >> vector % 32 & 1;
}

/* What the CPU takes next by TPR and what is in service, taken; VLAPIC_NOTHING: nothing. */
static inline int take(void)
{
    int vector = vlapic_pending(&apic);

    if (vector == VLAPIC_NOTHING || !vlapic_passes_tpr(&apic, (uint8_t)vector))
        return VLAPIC_NOTHING;
    vlapic_offer(&apic, (uint8_t)vector);
    vlapic_take(&apic, (uint8_t)vector);
    return vector;
}

#endif
