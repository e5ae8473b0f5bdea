/* The event log of an IOMMU (IOMMU spec, 2.5). */
#include "core/iommu_dev/amdvi_mmio.h"
#include "core/iommu_dev/event.h"
#include "core/iommu_dev/unit.h"

static bool take_event(struct unit *unit, struct dma_event *event)
{
    uint64_t head = unit->event_head * sizeof(struct amdvi_event);
    struct amdvi_event *slot = &unit->events[unit->event_head];

    /* The first quadword may be there before the second; the tail moves when both are. */
    if (!unit_slot_is_filled(unit) ||
        (amdvi_read(unit->base, AMDVI_EVENT_TAIL) & AMDVI_RING_POINTER) == head)
        return false;

    *event = event_decode(slot, unit->number);
    *slot = (struct amdvi_event){0};
    unit->event_head = (unit->event_head + 1) % AMDVI_RING_ENTRIES;
    amdvi_write(unit->base, AMDVI_EVENT_HEAD, unit->event_head * sizeof(struct amdvi_event));
    unit->drained = true;
    return true;
}

/*
 * A full log stops. Empty again, it can go on, once the unit is seen to have stopped (2.5.1): if it
 * hasn't yet, the next call looks again. False if nothing was lost.
 */
static bool restart_log(struct unit *unit)
{
    uint64_t status = amdvi_read(unit->base, AMDVI_STATUS);

    if (!(status & AMDVI_STATUS_EVENT_OVERFLOW))
        return false;
    amdvi_write(unit->base, AMDVI_CONTROL, unit->control & ~AMDVI_CONTROL_EVENT_LOG);
    unit->drained = status & AMDVI_STATUS_EVENT_RUN;
    if (unit->drained)
        return false;
    amdvi_write(unit->base, AMDVI_STATUS, AMDVI_STATUS_EVENT_OVERFLOW);
    amdvi_write(unit->base, AMDVI_CONTROL, unit->control);
    return true;
}

bool unit_next_event(struct unit *unit, struct dma_event *event)
{
    if (take_event(unit, event))
        return true;
    if (!unit->drained)
        return false;
    unit->drained = false;
    *event = (struct dma_event){.kind = DMA_LOST, .name = "EventOverflow", .unit = unit->number};
    return restart_log(unit);
}
