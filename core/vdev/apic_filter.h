/* What a write to the local APIC may do: pure decisions, by include/tables/apic.def. */
#ifndef VDEV_APIC_FILTER_H
#define VDEV_APIC_FILTER_H

#include <stdbool.h>
#include <stdint.h>

enum apic_rule {
    APIC_RULE_NONE, /* no row: nothing is written */
    APIC_RULE_PASS,
    APIC_RULE_LOGICAL,
    APIC_RULE_LVT,
    APIC_RULE_ICR_LOW,
    APIC_RULE_ICR_HIGH,
    APIC_RULE_KEEP
};

struct apic_store {
    uint32_t value; /* what reaches the register, for PASS and LVT */
    uint8_t rule;   /* enum apic_rule */
    bool denied;    /* an attempt at something else: log it */
};

#define APIC_APART     16u  /* bytes from one register to the next */
#define APIC_REGISTERS 256u /* of one page */

/* The table by which apic_filter_write() decides; without a row the rule is NONE. Offsets are in
 * the page. */
extern const struct apic_register {
    uint32_t mask;
    uint8_t rule; /* enum apic_rule */
} apic_registers[APIC_REGISTERS];

/*
 * The straight path, for EOI and timer: true if a write to the register at `offset` passes as it
 * is but for the bits outside of `mask`, which are dropped.
 */
static inline bool apic_passes(uint32_t offset, uint32_t *mask)
{
    const struct apic_register *reg = &apic_registers[offset / APIC_APART % APIC_REGISTERS];

    *mask = reg->mask;
    return reg->rule == APIC_RULE_PASS && offset % APIC_APART == 0;
}

/* Decides on a 32-bit write of `value` to the register at `offset`. */
struct apic_store apic_filter_write(uint32_t offset, uint32_t value);

/* One of the domain's cores: how its APIC recognizes that it is meant (APM vol. 2, 16.6). */
struct apic_core {
    uint32_t id;
    uint32_t ldr, dfr;
};

/* An IPI as the domain's cores must see it. Nobody else gets any of it. */
struct apic_ipi {
    enum { APIC_NOTHING, APIC_INTERRUPT, APIC_NMI, APIC_INIT, APIC_STARTUP } event;
    uint8_t vector;
    uint32_t targets; /* bit n: core[n] */
    bool denied;      /* it was meant for others too, or was of a forbidden kind */
};

/*
 * Decides on an IPI as written to ICR_LOW and ICR_HIGH by core[self] of the domain's `count` cores.
 * A broadcast means all of them; where there is but one, it is an attempt at others.
 */
struct apic_ipi apic_filter_ipi(uint32_t low, uint32_t high, const struct apic_core *core,
                                unsigned count, unsigned self);

/*
 * Which of the domain's cores a destination means, 8 bits in physical or logical mode: bit n:
 * core[n]. What it may mean beside them isn't told.
 */
uint32_t apic_filter_targets(uint8_t to, bool is_logical, const struct apic_core *core,
                             unsigned count);

/* A device's interrupt as the domain asked for it. */
struct apic_wish {
    uint8_t to, vector, mode; /* enum apic_mode */
    bool is_logical;
};

/*
 * The core that gets it, the first where several are meant; -1 if the domain can't have it: no core
 * of its own, a vector below 20h or FFh, another mode than fixed and lowest priority.
 */
int apic_filter_wish(struct apic_wish wish, const struct apic_core *core, unsigned count);

#endif
