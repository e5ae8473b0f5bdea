/* One IOMMU of the AMD-Vi kind: its registers, its command ring, its event log. */
#ifndef CORE_IOMMU_DEV_UNIT_H
#define CORE_IOMMU_DEV_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/iommu_dev/backend.h"
#include "core/iommu_dev/ivrs.h"
#include "hw/amdvi.h"

struct unit {
    uint64_t base;
    uint64_t control;      /* what its control register must hold */
    uint32_t number;       /* for messages */
    uint32_t command_tail; /* index */
    uint32_t queued;       /* commands since the last completion */
    uint32_t event_head;   /* index */
    bool drained;          /* events were taken since the log was last seen not to overflow */
    uint64_t waits;        /* COMPLETION_WAITs so far; each stores its number in waited */
    struct amdvi_command *commands;
    struct amdvi_event *events;
    volatile uint64_t waited; /* written by the unit */
};

/*
 * The first word of the log's next slot, zero until the unit has written an event there: core
 * clears what it has read.
 */
static inline const volatile uint64_t *unit_slot(const struct unit *unit)
{
    return &unit->events[unit->event_head].q[0];
}

static inline bool unit_slot_is_filled(const struct unit *unit)
{
    return __atomic_load_n(unit_slot(unit), __ATOMIC_ACQUIRE) >> AMDVI_CODE_SHIFT;
}

/* Describes the unit that an IVRS block tells of; rings are one page each. */
struct unit unit_make(const struct ivrs_unit *from, uint32_t number, struct amdvi_command *commands,
                      struct amdvi_event *events);

/*
 * Turns the unit on with our device table (bulkhead/layout.h), whose entries are written. A unit
 * that the firmware left on stays on while it changes over, so that nothing passes in between.
 */
void unit_start(const struct unit *unit);

/* Stops the machine unless the unit's registers read back as unit_start wrote them. */
void unit_verify(const struct unit *unit);

/* Makes the unit forget whatever it has cached. */
void unit_forget_all(struct unit *unit);

/* Queue commands that make it forget a device's entries, and a DomainID's translations. */
void unit_queue_device(struct unit *unit, uint32_t device);
void unit_queue_interrupts(struct unit *unit, uint32_t device); /* its remapping table alone */
void unit_queue_pages(struct unit *unit, uint64_t domain);

/* Waits until the unit has carried out all that was queued. */
void unit_complete(struct unit *unit);

/* Takes the oldest event out of the log; false if there is none. */
bool unit_next_event(struct unit *unit, struct dma_event *event);

#endif
