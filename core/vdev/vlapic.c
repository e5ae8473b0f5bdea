#include "core/vdev/vlapic.h"

#include <stddef.h>

#include "core/vdev/vtimer.h"
#include "hw/apic.h"
#include "hw/x86.h"
#include "lib/memory.h"

#define VERSION 0x00050014u /* 16.3.4: an integrated APIC, six LVT entries */

#define SVR_RESET  0xffu
#define BAD_VECTOR 16u /* below it are exceptions alone, 16.4.6 */

/* ESR, 16.4.6 */
#define ESR_SENT_BAD     0x20u
#define ESR_RECEIVED_BAD 0x40u

#define ICR_STATUS 0x1000u /* always idle: an IPI is gone when WRMSR ends */

#define EVERYBODY 0xffffffffu

enum shorthand { DESTINATION, SELF, ALL, OTHERS };

enum access { R = 1, W = 2, RW = 3 };

#define X2APIC(first, last, name, access, mask) REG_##name = (first),
enum reg {
#include "tables/x2apic.def"
};
#undef X2APIC

static const struct reg_row {
    uint16_t first, last;
    uint8_t access;
    uint64_t mask;
} rows[] = {
#define X2APIC(first, last, name, access, mask) {(first), (last), (access), (mask)},
#include "tables/x2apic.def"
#undef X2APIC
};

static const struct reg_row *find(uint32_t msr, enum access access)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (msr >= rows[i].first && msr <= rows[i].last)
            return rows[i].access & access ? &rows[i] : NULL;
    return NULL;
}

void vlapic_init(struct vlapic *apic, uint32_t id)
{
    memset(apic, 0, sizeof(*apic));
    apic->id = id;
    apic->svr = SVR_RESET;
    apic->timer_deadline = VLAPIC_NEVER;
    for (unsigned i = 0; i < VLAPIC_LVTS; i++)
        apic->lvt[i] = APIC_LVT_MASKED;
}

static bool is_enabled(const struct vlapic *apic)
{
    return __atomic_load_n(&apic->svr, __ATOMIC_RELAXED) & APIC_SPURIOUS_ENABLE;
}

static int highest(const uint64_t bits[4])
{
    for (int i = 3; i >= 0; i--) {
        uint64_t word = __atomic_load_n(&bits[i], __ATOMIC_ACQUIRE);

        if (word)
            return i * 64 + 63 - __builtin_clzll(word);
    }
    return VLAPIC_NOTHING;
}

static uint32_t word_of(const uint64_t bits[4], uint32_t n)
{
    return (uint32_t)(__atomic_load_n(&bits[n / 2], __ATOMIC_ACQUIRE) >> n % 2 * 32);
}

/* 16.6.4: the higher of TPR and the class of what is in service. */
static uint32_t ppr(const struct vlapic *apic)
{
    int in_service = highest(apic->isr);

    if (in_service == VLAPIC_NOTHING || apic->tpr >> 4 >= (uint32_t)in_service >> 4)
        return apic->tpr;
    return (uint32_t)in_service & 0xf0;
}

int vlapic_pending(const struct vlapic *apic)
{
    int vector = highest(apic->irr);
    int in_service = highest(apic->isr);

    if (in_service != VLAPIC_NOTHING && vector >> 4 <= in_service >> 4)
        return VLAPIC_NOTHING;
    return vector;
}

bool vlapic_passes_tpr(const struct vlapic *apic, uint8_t vector)
{
    return vector >> 4 > apic->tpr >> 4;
}

void vlapic_offer(struct vlapic *apic, uint8_t vector)
{
    __atomic_fetch_and(&apic->irr[vector / 64], ~(1ull << vector % 64), __ATOMIC_ACQ_REL);
}

void vlapic_take_back(struct vlapic *apic, uint8_t vector)
{
    __atomic_fetch_or(&apic->irr[vector / 64], 1ull << vector % 64, __ATOMIC_ACQ_REL);
}

void vlapic_take(struct vlapic *apic, uint8_t vector)
{
    apic->isr[vector / 64] |= 1ull << vector % 64;
}

static void end_of_interrupt(struct vlapic *apic)
{
    int vector = highest(apic->isr);

    if (vector != VLAPIC_NOTHING)
        apic->isr[vector / 64] &= ~(1ull << vector % 64);
}

bool vlapic_accept(struct vlapic *apic, uint8_t vector)
{
    uint64_t bit = 1ull << vector % 64;

    if (vector < BAD_VECTOR || !is_enabled(apic))
        return false;
    return !(__atomic_fetch_or(&apic->irr[vector / 64], bit, __ATOMIC_ACQ_REL) & bit);
}

bool vlapic_accept_nmi(struct vlapic *apic)
{
    return !__atomic_exchange_n(&apic->nmi, 1, __ATOMIC_ACQ_REL);
}

/* What an LVT entry makes of its source's event. */
static void fire(struct vlapic *apic, enum vlapic_lvt n);

static void note_error(struct vlapic *apic, uint32_t error)
{
    apic->errors |= error;
    if ((apic->lvt[VLAPIC_ERROR] & 0xff) >= BAD_VECTOR) /* else it would be an error in turn */
        fire(apic, VLAPIC_ERROR);
}

static void fire(struct vlapic *apic, enum vlapic_lvt n)
{
    uint32_t entry = apic->lvt[n];
    unsigned mode =
        n == VLAPIC_TIMER ? APIC_MODE_FIXED : (entry & APIC_ICR_MODE) >> APIC_ICR_MODE_SHIFT;

    if (entry & APIC_LVT_MASKED)
        return;
    if (mode == APIC_MODE_NMI)
        vlapic_accept_nmi(apic);
    else if (mode == APIC_MODE_FIXED && (entry & 0xff) < BAD_VECTOR)
        note_error(apic, ESR_RECEIVED_BAD);
    else if (mode == APIC_MODE_FIXED)
        vlapic_accept(apic, (uint8_t)entry);
}

void vlapic_tick(struct vlapic *apic, uint64_t now)
{
    if (vtimer_is_due(apic, now))
        fire(apic, VLAPIC_TIMER);
}

/* 16.11: sixteen in a cluster, by the id. */
static uint32_t logical_id(uint32_t id)
{
    return (id >> 4) << 16 | 1u << (id & 15);
}

bool vlapic_read(const struct vlapic *apic, uint32_t msr, uint64_t now, uint64_t *value)
{
    const struct reg_row *row = find(msr, R);

    if (msr == MSR_TSC_DEADLINE) {
        *value = vtimer_read_deadline(apic);
        return true;
    }
    *value = 0;
    switch (row ? row->first : 0u) {
    case REG_ID:
        *value = apic->id;
        return true;
    case REG_VERSION:
        *value = VERSION;
        return true;
    case REG_TPR:
        *value = apic->tpr;
        return true;
    case REG_PPR:
        *value = ppr(apic);
        return true;
    case REG_LDR:
        *value = logical_id(apic->id);
        return true;
    case REG_SVR:
        *value = apic->svr;
        return true;
    case REG_ISR:
        *value = word_of(apic->isr, msr - REG_ISR);
        return true;
    case REG_TMR: /* nothing is level-triggered */
        return true;
    case REG_IRR:
        *value = word_of(apic->irr, msr - REG_IRR);
        return true;
    case REG_ESR:
        *value = apic->esr;
        return true;
    case REG_ICR:
        *value = apic->icr;
        return true;
    case REG_LVT_TIMER:
    case REG_LVT_THERMAL:
    case REG_LVT_PERF:
    case REG_LVT_LINT0:
    case REG_LVT_LINT1:
    case REG_LVT_ERROR:
        *value = apic->lvt[msr - REG_LVT_TIMER];
        return true;
    case REG_TIMER_COUNT:
        *value = apic->timer_count;
        return true;
    case REG_TIMER_CURRENT:
        *value = vtimer_count(apic, now);
        return true;
    case REG_TIMER_DIVIDE:
        *value = apic->timer_divide;
        return true;
    default:
        return false;
    }
}

static void ask_fixed(struct vlapic *apic, struct vlapic_ipi *ipi)
{
    if (ipi->vector < BAD_VECTOR)
        note_error(apic, ESR_SENT_BAD);
    else
        ipi->kind = VLAPIC_IPI_FIXED;
}

/* 16.5. The shorthand for itself is for fixed vectors alone. */
static void write_icr(struct vlapic *apic, uint64_t value, struct vlapic_ipi *ipi)
{
    uint32_t low = (uint32_t)value;

    apic->icr = value & ~(uint64_t)ICR_STATUS;
    ipi->vector = (uint8_t)low;
    ipi->destination = (uint32_t)(value >> 32);
    ipi->shorthand = low >> APIC_ICR_SHORTHAND_SHIFT & 3;
    ipi->logical = low & APIC_ICR_LOGICAL;
    switch ((enum apic_mode)((low & APIC_ICR_MODE) >> APIC_ICR_MODE_SHIFT)) {
    case APIC_MODE_FIXED:
        ask_fixed(apic, ipi);
        return;
    case APIC_MODE_LOWEST:
        ipi->to_one = true;
        ask_fixed(apic, ipi);
        return;
    case APIC_MODE_NMI:
        ipi->kind = ipi->shorthand == SELF ? VLAPIC_IPI_DENIED : VLAPIC_IPI_NMI;
        return;
    case APIC_MODE_INIT:
        if ((low & APIC_ICR_LEVEL) && !(low & APIC_ICR_ASSERT))
            return; /* de-assert: no CPU that has SVM heeds it */
        ipi->kind = ipi->shorthand == SELF ? VLAPIC_IPI_DENIED : VLAPIC_IPI_INIT;
        return;
    case APIC_MODE_STARTUP:
        ipi->kind = ipi->shorthand == SELF ? VLAPIC_IPI_DENIED : VLAPIC_IPI_STARTUP;
        return;
    case APIC_MODE_SMI:
    case APIC_MODE_EXTINT:
        break;
    }
    ipi->kind = VLAPIC_IPI_DENIED;
}

bool vlapic_is_meant(const struct vlapic_ipi *ipi, uint32_t from, uint32_t id)
{
    uint32_t to = ipi->destination, logical = logical_id(id);

    switch ((enum shorthand)ipi->shorthand) {
    case SELF:
        return id == from;
    case ALL:
        return true;
    case OTHERS:
        return id != from;
    case DESTINATION:
        break;
    }
    if (to == EVERYBODY)
        return true;
    return ipi->logical ? to >> 16 == logical >> 16 && (to & logical & 0xffff) : to == id;
}

/* 16.4.7: while software hasn't enabled the APIC every LVT entry is masked. */
static void write_svr(struct vlapic *apic, uint32_t value)
{
    __atomic_store_n(&apic->svr, value, __ATOMIC_RELAXED);
    if (!is_enabled(apic))
        for (unsigned i = 0; i < VLAPIC_LVTS; i++)
            apic->lvt[i] |= APIC_LVT_MASKED;
}

static bool write_lvt(struct vlapic *apic, enum vlapic_lvt n, uint32_t value)
{
    if (!is_enabled(apic))
        value |= APIC_LVT_MASKED;
    if (n == VLAPIC_TIMER && !vtimer_takes_mode(apic, value))
        return false;
    apic->lvt[n] = value & ~ICR_STATUS;
    return true;
}

bool vlapic_write(struct vlapic *apic, uint32_t msr, uint64_t value, uint64_t now,
                  struct vlapic_ipi *ipi)
{
    const struct reg_row *row = find(msr, W);

    *ipi = (struct vlapic_ipi){.kind = VLAPIC_IPI_NONE};
    if (msr == MSR_TSC_DEADLINE) {
        vtimer_write_deadline(apic, value);
        return true;
    }
    if (!row || (value & ~row->mask))
        return false;
    switch (row->first) {
    case REG_TPR:
        apic->tpr = (uint32_t)value;
        return true;
    case REG_EOI:
        end_of_interrupt(apic);
        return true;
    case REG_SVR:
        write_svr(apic, (uint32_t)value);
        return true;
    case REG_ESR:
        apic->esr = apic->errors;
        apic->errors = 0;
        return true;
    case REG_ICR:
        write_icr(apic, value, ipi);
        return true;
    case REG_LVT_TIMER:
    case REG_LVT_THERMAL:
    case REG_LVT_PERF:
    case REG_LVT_LINT0:
    case REG_LVT_LINT1:
    case REG_LVT_ERROR:
        return write_lvt(apic, (enum vlapic_lvt)(msr - REG_LVT_TIMER), (uint32_t)value);
    case REG_TIMER_COUNT:
        vtimer_write_count(apic, (uint32_t)value, now);
        return true;
    case REG_TIMER_DIVIDE:
        vtimer_write_divide(apic, (uint32_t)value, now);
        return true;
    case REG_SELF_IPI:
        *ipi = (struct vlapic_ipi){.vector = (uint8_t)value, .shorthand = SELF};
        ask_fixed(apic, ipi);
        return true;
    default:
        return false;
    }
}
