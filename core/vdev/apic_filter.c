#include "core/vdev/apic_filter.h"

#include <stddef.h>

#include "hw/apic.h"

enum shorthand { DESTINATION, SELF, ALL, OTHERS };

static const struct {
    uint32_t offset;
    enum apic_rule rule;
    uint32_t mask;
} registers[] = {
#define APIC(offset, name, rule, mask) {(offset), APIC_RULE_##rule, (mask)},
#include "tables/apic.def"
#undef APIC
};

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
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        if (registers[i].offset != offset)
            continue;
        if (registers[i].rule == APIC_RULE_LVT)
            return filter_lvt(offset, value, registers[i].mask);
        return (struct apic_store){.rule = registers[i].rule, .value = value & registers[i].mask};
    }
    return (struct apic_store){.rule = APIC_RULE_NONE, .denied = true};
}

/* Logical destinations, 16.6.2: flat, or clusters of four. */
static void match_logical(uint32_t to, const struct apic_self *self, bool *me, bool *others)
{
    uint32_t ldr = self->ldr >> 24;

    if (self->dfr >> 28 == 0xf) {
        *me = to & ldr;
        *others = to & ~ldr;
    } else {
        *me = (to >> 4 == ldr >> 4 || to >> 4 == 0xf) && (to & ldr & 0xf);
        *others = to >> 4 != ldr >> 4 || (to & ~ldr & 0xf);
    }
}

static void match(uint32_t low, uint32_t to, const struct apic_self *self, bool *me, bool *others)
{
    switch ((enum shorthand)(low >> APIC_ICR_SHORTHAND_SHIFT & 3)) {
    case SELF:
        *me = true;
        *others = false;
        return;
    case ALL: /* of the domain's world there is one core */
        *me = true;
        *others = true;
        return;
    case OTHERS:
        *me = false;
        *others = true;
        return;
    case DESTINATION:
        break;
    }
    if (low & APIC_ICR_LOGICAL) {
        match_logical(to, self, me, others);
        return;
    }
    *me = to == self->id || to == 0xff;
    *others = to != self->id;
}

struct apic_ipi apic_filter_ipi(uint32_t low, uint32_t high, const struct apic_self *self)
{
    unsigned mode = (low & APIC_ICR_MODE) >> APIC_ICR_MODE_SHIFT;
    uint8_t vector = (uint8_t)low;
    struct apic_ipi ipi = {0};
    bool me, others;

    if (mode == APIC_MODE_INIT && (low & APIC_ICR_LEVEL) && !(low & APIC_ICR_ASSERT))
        return ipi; /* INIT de-assert: no CPU that has SVM heeds it */
    match(low, high >> 24, self, &me, &others);
    ipi.denied = others;
    if (mode == APIC_MODE_FIXED || mode == APIC_MODE_LOWEST) {
        ipi.self_vector = me && vector >= 16 ? vector : 0;
        ipi.denied |= vector < 16; /* would be an exception's vector */
    } else if (mode == APIC_MODE_NMI) {
        ipi.self_nmi = me;
    } else {
        ipi.denied = true;
    }
    return ipi;
}
