/*
 * The local APIC of a vCPU whose interrupts are core's: APM vol. 2, chapter 16, in x2APIC mode for
 * good. A state machine that touches no hardware: it is told what time it is, and tells what is to
 * be offered, when it wants to be called again, and which IPI is to be sent.
 *
 * All is its vCPU's own but for `irr` and `nmi`, in which any CPU may set bits: they are changed by
 * atomic operations alone. Who has set one kicks the vCPU, so that it looks.
 */
#ifndef VDEV_VLAPIC_H
#define VDEV_VLAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define VLAPIC_NEVER   UINT64_MAX
#define VLAPIC_NOTHING (-1) /* instead of a vector */

/* A timer that ticks faster is slowed down to one interrupt in so many ticks of the TSC: each costs
 * the host some. */
#define VLAPIC_PERIOD_MIN 0x8000u

/* LVT entries, in the order of their registers. */
enum vlapic_lvt {
    VLAPIC_TIMER,
    VLAPIC_THERMAL,
    VLAPIC_PERF,
    VLAPIC_LINT0,
    VLAPIC_LINT1,
    VLAPIC_ERROR,
    VLAPIC_LVTS
};

struct vlapic {
    uint64_t irr[4]; /* interrupts that are pending */
    uint32_t nmi;    /* 1: so is an NMI */

    uint32_t id;     /* which of the domain's vCPUs */
    uint64_t isr[4]; /* interrupts in service */
    uint32_t tpr, svr;
    uint32_t esr, errors; /* as it reads; what has happened since it was latched */
    uint64_t icr;
    uint32_t lvt[VLAPIC_LVTS];
    uint32_t timer_count, timer_divide;
    uint64_t timer_deadline; /* in the TSC that the domain reads; VLAPIC_NEVER: it stands still */
};

/* As after reset. */
void vlapic_init(struct vlapic *apic, uint32_t id);

/* RDMSR; false: #GP(0). `now` is the domain's TSC. */
bool vlapic_read(const struct vlapic *apic, uint32_t msr, uint64_t now, uint64_t *value);

enum vlapic_ipi_kind {
    VLAPIC_IPI_NONE,
    VLAPIC_IPI_FIXED,
    VLAPIC_IPI_NMI,
    VLAPIC_IPI_INIT,
    VLAPIC_IPI_STARTUP,
    VLAPIC_IPI_DENIED, /* a kind that no domain may send */
};

/* An IPI that a write asked for. */
struct vlapic_ipi {
    enum vlapic_ipi_kind kind;
    uint8_t vector;
    uint8_t shorthand;
    bool logical;
    bool to_one; /* lowest priority: the first that matches takes it */
    uint32_t destination;
};

/* WRMSR; false: #GP(0). Fills `ipi`. */
bool vlapic_write(struct vlapic *apic, uint32_t msr, uint64_t value, uint64_t now,
                  struct vlapic_ipi *ipi);

/* Is vCPU `id` of the domain meant by an IPI that vCPU `from` sends? */
bool vlapic_is_meant(const struct vlapic_ipi *ipi, uint32_t from, uint32_t id);

/*
 * Any CPU: a fixed interrupt, edge-triggered, or an NMI arrives. True if it wasn't pending before:
 * kick the vCPU. An APIC that software hasn't enabled takes no fixed ones.
 */
bool vlapic_accept(struct vlapic *apic, uint8_t vector);
bool vlapic_accept_nmi(struct vlapic *apic);

/* The highest pending vector if what is in service lets it through, whatever TPR says, or
 * VLAPIC_NOTHING. */
int vlapic_pending(const struct vlapic *apic);

/* True if TPR lets this vector through. */
bool vlapic_passes_tpr(const struct vlapic *apic, uint8_t vector);

/*
 * It is the CPU's to take, and pending no more: the CPU takes it without a word, and whoever sends
 * it again from then on means another one.
 */
void vlapic_offer(struct vlapic *apic, uint8_t vector);

/* The CPU hasn't taken it: it is pending again. */
void vlapic_take_back(struct vlapic *apic, uint8_t vector);

/* The CPU has: from now on it is in service. */
void vlapic_take(struct vlapic *apic, uint8_t vector);

/* When vlapic_tick() must be called next; the domain's TSC. */
static inline uint64_t vlapic_deadline(const struct vlapic *apic)
{
    return apic->timer_deadline;
}

/* Lets the timer fire if it is due. */
void vlapic_tick(struct vlapic *apic, uint64_t now);

#endif
