/* What a write to the local APIC may do: pure decisions, by include/tables/apic.def. */
#ifndef VDEV_APIC_FILTER_H
#define VDEV_APIC_FILTER_H

#include <stdbool.h>
#include <stdint.h>

enum apic_rule {
    APIC_RULE_NONE, /* no row: nothing is written */
    APIC_RULE_PASS,
    APIC_RULE_LVT,
    APIC_RULE_ICR_LOW,
    APIC_RULE_ICR_HIGH,
    APIC_RULE_KEEP
};

struct apic_store {
    enum apic_rule rule;
    uint32_t value; /* what reaches the register, for PASS and LVT */
    bool denied;    /* an attempt at something else: log it */
};

/* Decides on a 32-bit write of `value` to the register at `offset`. */
struct apic_store apic_filter_write(uint32_t offset, uint32_t value);

/* The registers by which an APIC recognizes that it is meant (APM vol. 2, 16.6). */
struct apic_self {
    uint32_t id;
    uint32_t ldr, dfr;
};

struct apic_ipi {
    uint8_t self_vector; /* send this fixed vector to the own core; 0: none */
    bool self_nmi;       /* NMI for the own core */
    bool denied;         /* it was meant for others too, or was of a forbidden kind */
};

/* Decides on an IPI as written to ICR_LOW and ICR_HIGH by the domain on core `self`. */
struct apic_ipi apic_filter_ipi(uint32_t low, uint32_t high, const struct apic_self *self);

#endif
