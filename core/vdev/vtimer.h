/*
 * The timer of a virtual local APIC (APM vol. 2, 16.4.1): one-shot, periodic, TSC deadline. It runs
 * with the domain's TSC, divided as the domain says. `now` is that TSC.
 */
#ifndef VDEV_VTIMER_H
#define VDEV_VTIMER_H

#include "core/vdev/vlapic.h"

/* True once for each interrupt that the timer makes; ticks that were missed are one. */
bool vtimer_is_due(struct vlapic *apic, uint64_t now);

/* False if `lvt`, to be written to its LVT entry, has no mode. Going from or to deadlines stops it.
 */
bool vtimer_takes_mode(struct vlapic *apic, uint32_t lvt);

uint64_t vtimer_count(const struct vlapic *apic, uint64_t now);
void vtimer_write_count(struct vlapic *apic, uint32_t count, uint64_t now);
void vtimer_write_divide(struct vlapic *apic, uint32_t value, uint64_t now);

uint64_t vtimer_read_deadline(const struct vlapic *apic);
void vtimer_write_deadline(struct vlapic *apic, uint64_t deadline);

#endif
