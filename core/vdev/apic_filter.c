#include "core/vdev/apic_filter.h"

#include "core/iommu_dev/remap.h"
#include "hw/apic.h"

enum shorthand { DESTINATION, SELF, ALL, OTHERS };

const struct apic_register apic_registers[APIC_REGISTERS] = {
#define APIC(offset, name, rule, mask) [(offset) / APIC_APART] = {(mask), APIC_RULE_##rule},
#include "tables/apic.def"
#undef APIC
};

#define APIC(offset, name, rule, mask) \
    _Static_assert((offset) % APIC_APART == 0 && (offset) / APIC_APART < APIC_REGISTERS, #name);
#include "tables/apic.def"
#undef APIC

/*
 * An LVT entry with a forbidden delivery mode (SMI, INIT, ExtINT) is written masked and fixed:
 * masked it is harmless, and operating systems park LINT0 that way.
 */
static struct apic_store filter_lvt(uint32_t offset, uint32_t value, uint32_t mask)
{
    struct apic_store store = {.rule = APIC_RULE_LVT, .value = value & mask};
    unsigned mode = (store.value & APIC_ICR_MODE) >> APIC_ICR_MODE_SHIFT;

    if (offset != APIC_LVT_TIMER && mode != APIC_MODE_FIXED && mode != APIC_MODE_NMI) {
        store.denied = !(value & APIC_LVT_MASKED);
        store.value = (store.value & ~APIC_ICR_MODE) | APIC_LVT_MASKED;
    }
    return store;
}

struct apic_store apic_filter_write(uint32_t offset, uint32_t value)
{
    const struct apic_register *reg = &apic_registers[offset / APIC_APART % APIC_REGISTERS];

    if (offset % APIC_APART || reg->rule == APIC_RULE_NONE)
        return (struct apic_store){.rule = APIC_RULE_NONE, .denied = true};
    if (reg->rule == APIC_RULE_LVT)
        return filter_lvt(offset, value, reg->mask);
    return (struct apic_store){.rule = reg->rule, .value = value & reg->mask};
}

/* An IPI's destination, and the domain's cores, one of which sends it. */
struct address {
    uint8_t to;
    const struct apic_core *core;
    unsigned count, self;
};

static bool is_flat(const struct apic_core *core)
{
    return core->dfr >> 28 == 0xf;
}

/* Logical destinations, 16.6.2: flat, or clusters of four. Bits of `to` that mean this core. */
static uint32_t logical_bits(const struct apic_core *core, uint8_t to)
{
    uint32_t ldr = core->ldr >> 24;

    if (is_flat(core))
        return to & ldr;
    return to >> 4 == ldr >> 4 || to >> 4 == 0xf ? to & ldr & 0xf : 0;
}

uint32_t apic_filter_targets(uint8_t to, bool is_logical, const struct apic_core *core,
                             unsigned count)
{
    uint32_t targets = 0;

    for (unsigned i = 0; i < count; i++)
        if (is_logical ? logical_bits(&core[i], to) != 0 : to == 0xff || to == core[i].id)
            targets |= 1u << i;
    return targets;
}

int apic_filter_wish(struct apic_wish wish, const struct apic_core *core, unsigned count)
{
    uint32_t targets = apic_filter_targets(wish.to, wish.is_logical, core, count);

    if (wish.mode > APIC_MODE_LOWEST || wish.vector < REMAP_FIRST_VECTOR ||
        wish.vector > REMAP_LAST_VECTOR || targets == 0)
        return -1;
    return __builtin_ctz(targets);
}

/* Is it for others? What its bits mean follows the sender's model; all of it may be broadcast. */
static bool logical_others(const struct address *a, uint32_t found)
{
    const struct apic_core *self = &a->core[a->self];
    bool is_broadcast = is_flat(self) ? a->to == 0xff : a->to >> 4 == 0xf;

    if (is_broadcast)
        return a->count == 1;
    if (is_flat(self))
        return a->to & ~found;
    for (unsigned i = 0; i < a->count; i++)
        if (a->core[i].ldr >> 28 == a->to >> 4)
            return a->to & ~found & 0xf;
    return true;
}

static uint32_t match_logical(const struct address *a, bool *others)
{
    uint32_t targets = 0, found = 0;

    for (unsigned i = 0; i < a->count; i++) {
        uint32_t bits = logical_bits(&a->core[i], a->to);

        targets |= bits ? 1u << i : 0;
        found |= bits;
    }
    *others = logical_others(a, found);
    return targets;
}

static uint32_t match_physical(const struct address *a, bool *others)
{
    uint32_t targets = 0;

    for (unsigned i = 0; i < a->count; i++)
        if (a->to == 0xff || a->to == a->core[i].id)
            targets |= 1u << i;
    *others = a->to == 0xff ? a->count == 1 : targets == 0;
    return targets;
}

static uint32_t match(uint32_t low, const struct address *a, bool *others)
{
    uint32_t all = (1u << a->count) - 1;

    *others = a->count == 1;
    switch ((enum shorthand)(low >> APIC_ICR_SHORTHAND_SHIFT & 3)) {
    case SELF:
        *others = false;
        return 1u << a->self;
    case ALL:
        return all;
    case OTHERS:
        return all & ~(1u << a->self);
    case DESTINATION:
        break;
    }
    return low & APIC_ICR_LOGICAL ? match_logical(a, others) : match_physical(a, others);
}

static struct apic_ipi interrupt(uint32_t targets, uint8_t vector, bool is_lowest, bool denied)
{
    if (vector < 16) /* would be an exception's vector */
        return (struct apic_ipi){.denied = true};
    if (targets == 0)
        return (struct apic_ipi){.denied = denied};
    if (is_lowest)
        targets &= -targets; /* one of them, whichever */
    return (struct apic_ipi){APIC_INTERRUPT, vector, targets, denied};
}

/* INIT and SIPI: no core asks that of itself, and what it asks of others is emulated. */
static struct apic_ipi startup(uint32_t low, uint32_t targets, unsigned self, bool denied)
{
    bool is_init = (low & APIC_ICR_MODE) == APIC_ICR_INIT;
    uint32_t others = targets & ~(1u << self);

    denied |= others != targets;
    if (others == 0)
        return (struct apic_ipi){.denied = denied};
    if (is_init)
        return (struct apic_ipi){APIC_INIT, 0, others, denied};
    return (struct apic_ipi){APIC_STARTUP, (uint8_t)low, others, denied};
}

struct apic_ipi apic_filter_ipi(uint32_t low, uint32_t high, const struct apic_core *core,
                                unsigned count, unsigned self)
{
    const struct address address = {(uint8_t)(high >> 24), core, count, self};
    unsigned mode = (low & APIC_ICR_MODE) >> APIC_ICR_MODE_SHIFT;
    uint32_t targets;
    bool others;

    if (mode == APIC_MODE_INIT && (low & APIC_ICR_LEVEL) && !(low & APIC_ICR_ASSERT))
        return (struct apic_ipi){0}; /* INIT de-assert: no CPU that has SVM heeds it */
    targets = match(low, &address, &others);
    switch (mode) {
    case APIC_MODE_FIXED:
    case APIC_MODE_LOWEST:
        return interrupt(targets, (uint8_t)low, mode == APIC_MODE_LOWEST, others);
    case APIC_MODE_NMI:
        return (struct apic_ipi){
            .event = targets ? APIC_NMI : APIC_NOTHING, .targets = targets, .denied = others};
    case APIC_MODE_INIT:
    case APIC_MODE_STARTUP:
        return startup(low, targets, self, others);
    default:
        return (struct apic_ipi){.denied = true};
    }
}
