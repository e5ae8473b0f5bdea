#include "core/vdev/vtimer.h"

/* LVT entry: modes */
#define MODE          0x60000u
#define MODE_PERIODIC 0x20000u
#define MODE_DEADLINE 0x40000u

static bool has_deadlines(const struct vlapic *apic)
{
    return (apic->lvt[VLAPIC_TIMER] & MODE) == MODE_DEADLINE;
}

static bool is_periodic(const struct vlapic *apic)
{
    return (apic->lvt[VLAPIC_TIMER] & MODE) == MODE_PERIODIC;
}

/* Bits 3, 1 and 0 of the divide register: 2, 4, ... 128, 1. */
static unsigned divide_shift(const struct vlapic *apic)
{
    unsigned n = (apic->timer_divide & 3) | (apic->timer_divide >> 1 & 4);

    return (n + 1) & 7;
}

/* From one interrupt to the next. */
static uint64_t period(const struct vlapic *apic)
{
    uint64_t ticks = (uint64_t)apic->timer_count << divide_shift(apic);

    return is_periodic(apic) && ticks < VLAPIC_PERIOD_MIN ? VLAPIC_PERIOD_MIN : ticks;
}

bool vtimer_is_due(struct vlapic *apic, uint64_t now)
{
    if (now < apic->timer_deadline || apic->timer_deadline == VLAPIC_NEVER)
        return false;
    if (is_periodic(apic))
        apic->timer_deadline += ((now - apic->timer_deadline) / period(apic) + 1) * period(apic);
    else
        apic->timer_deadline = VLAPIC_NEVER;
    return true;
}

bool vtimer_takes_mode(struct vlapic *apic, uint32_t lvt)
{
    if ((lvt & MODE) == MODE)
        return false; /* reserved */
    if ((lvt ^ apic->lvt[VLAPIC_TIMER]) & MODE_DEADLINE)
        apic->timer_deadline = VLAPIC_NEVER;
    return true;
}

uint64_t vtimer_count(const struct vlapic *apic, uint64_t now)
{
    uint64_t left;

    if (has_deadlines(apic) || apic->timer_deadline == VLAPIC_NEVER || now >= apic->timer_deadline)
        return 0;
    left = (apic->timer_deadline - now) >> divide_shift(apic);
    return left < apic->timer_count ? left : apic->timer_count;
}

void vtimer_write_count(struct vlapic *apic, uint32_t count, uint64_t now)
{
    apic->timer_count = count;
    if (!has_deadlines(apic))
        apic->timer_deadline = count ? now + period(apic) : VLAPIC_NEVER;
}

/* A timer that runs goes on; what is left of it is counted in other steps. */
void vtimer_write_divide(struct vlapic *apic, uint32_t value, uint64_t now)
{
    uint64_t left = vtimer_count(apic, now);

    apic->timer_divide = value;
    if (!has_deadlines(apic) && apic->timer_deadline != VLAPIC_NEVER)
        apic->timer_deadline = now + (left << divide_shift(apic));
}

uint64_t vtimer_read_deadline(const struct vlapic *apic)
{
    return has_deadlines(apic) && apic->timer_deadline != VLAPIC_NEVER ? apic->timer_deadline : 0;
}

/* One that is written in another mode is dropped; 0 stops the timer. */
void vtimer_write_deadline(struct vlapic *apic, uint64_t deadline)
{
    if (has_deadlines(apic))
        apic->timer_deadline = deadline ? deadline : VLAPIC_NEVER;
}
