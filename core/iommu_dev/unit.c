#include "core/iommu_dev/unit.h"

#include "bulkhead/layout.h"
#include "core/iommu_dev/amdvi_mmio.h"
#include "core/platform/platform.h"
#include "lib/memory.h"

/* How often core looks before it gives a unit up: far longer than any of them needs. */
#define PATIENCE 10000000u

struct unit unit_make(const struct ivrs_unit *from, uint32_t number, struct amdvi_command *commands,
                      struct amdvi_event *events)
{
    return (struct unit){
        .base = from->base,
        .number = number,
        .commands = commands,
        .events = events,
        .control = AMDVI_CONTROL_ENABLE | AMDVI_CONTROL_EVENT_LOG | AMDVI_CONTROL_COHERENT |
                   AMDVI_CONTROL_COMMANDS | (from->ht_tunnel ? AMDVI_CONTROL_HT_TUNNEL : 0),
    };
}

/* Waits until the register's bits under mask have this value; false if they never do. */
static bool wait_for(const struct unit *unit, uint32_t offset, uint64_t mask, uint64_t value)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        if ((amdvi_read(unit->base, offset) & mask) == value)
            return true;
        pause();
    }
    return false;
}

void unit_complete(struct unit *unit)
{
    unit->commands[unit->command_tail] = (struct amdvi_command){
        {(uint64_t)AMDVI_COMPLETION_WAIT << AMDVI_CODE_SHIFT | AMDVI_WAIT_STORE |
             ((uint64_t)&unit->waited & AMDVI_WAIT_ADDRESS),
         ++unit->waits}};
    unit->command_tail = (unit->command_tail + 1) % AMDVI_RING_ENTRIES;
    unit->queued = 0;
    amdvi_write(unit->base, AMDVI_COMMAND_TAIL, unit->command_tail * sizeof(struct amdvi_command));
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (unit->waited == unit->waits)
            return;
        pause();
    }
    fatal("IOMMU %u at %lx: it doesn't carry out commands, head %lx, tail %lx, status %lx. Update "
          "the firmware, or report this machine",
          unit->number, unit->base, amdvi_read(unit->base, AMDVI_COMMAND_HEAD),
          amdvi_read(unit->base, AMDVI_COMMAND_TAIL), amdvi_read(unit->base, AMDVI_STATUS));
}

/* Puts a command into the ring; unit_complete() starts it. One slot stays free for the wait, and
 * one because a ring whose head equals its tail is empty. */
static void queue(struct unit *unit, enum amdvi_command_code code, uint64_t low, uint64_t high)
{
    if (unit->queued == AMDVI_RING_ENTRIES - 2)
        unit_complete(unit);
    unit->commands[unit->command_tail] =
        (struct amdvi_command){{(uint64_t)code << AMDVI_CODE_SHIFT | low, high}};
    unit->command_tail = (unit->command_tail + 1) % AMDVI_RING_ENTRIES;
    unit->queued++;
}

void unit_queue_interrupts(struct unit *unit, uint32_t device)
{
    queue(unit, AMDVI_INVALIDATE_INTERRUPTS, device, 0);
}

void unit_queue_device(struct unit *unit, uint32_t device)
{
    queue(unit, AMDVI_INVALIDATE_DTE, device, 0);
    unit_queue_interrupts(unit, device);
}

void unit_queue_pages(struct unit *unit, uint64_t domain)
{
    queue(unit, AMDVI_INVALIDATE_PAGES, domain << AMDVI_PAGES_DOMAIN_SHIFT, AMDVI_PAGES_ALL);
}

void unit_forget_all(struct unit *unit)
{
    if (amdvi_read(unit->base, AMDVI_FEATURES) & AMDVI_FEATURE_INVALIDATE_ALL) {
        queue(unit, AMDVI_INVALIDATE_ALL, 0, 0);
    } else {
        for (uint32_t i = 0; i < AMDVI_DEVICES; i++) {
            unit_queue_device(unit, i);
            unit_queue_pages(unit, i); /* a DomainID has as many values as a requester id */
        }
    }
    unit_complete(unit);
}

static uint64_t ring_base(const void *ring)
{
    return (uint64_t)ring | AMDVI_RING_256;
}

/* Only the rings must stand still while they are moved (3.4). */
void unit_start(const struct unit *unit)
{
    uint64_t was = amdvi_read(unit->base, AMDVI_CONTROL);

    if (was == UINT64_MAX)
        fatal(
            "IOMMU %u: nothing answers at %lx, where ACPI table IVRS has it. Switch AMD-Vi (IOMMU) "
            "on in the firmware's set-up",
            unit->number, unit->base);
    amdvi_write(unit->base, AMDVI_CONTROL, was & (AMDVI_CONTROL_ENABLE | AMDVI_CONTROL_HT_TUNNEL));
    if (!wait_for(unit, AMDVI_STATUS, AMDVI_STATUS_EVENT_RUN | AMDVI_STATUS_COMMAND_RUN, 0))
        fatal("IOMMU %u at %lx: it doesn't stop what the firmware began, status %lx. Switch "
              "pre-boot DMA protection off in the firmware's set-up",
              unit->number, unit->base, amdvi_read(unit->base, AMDVI_STATUS));

    memset(unit->events, 0, AMDVI_RING_ENTRIES * sizeof(struct amdvi_event)); /* unit_log.c */
    amdvi_write(unit->base, AMDVI_DEVICE_TABLE, DEVICE_TABLE_BASE | AMDVI_DEVICE_TABLE_SIZE);
    amdvi_write(unit->base, AMDVI_EXCLUSION_BASE, 0);
    amdvi_write(unit->base, AMDVI_EXCLUSION_LIMIT, 0);
    amdvi_write(unit->base, AMDVI_COMMAND_BASE, ring_base(unit->commands));
    amdvi_write(unit->base, AMDVI_COMMAND_HEAD, 0);
    amdvi_write(unit->base, AMDVI_COMMAND_TAIL, 0);
    amdvi_write(unit->base, AMDVI_EVENT_BASE, ring_base(unit->events));
    amdvi_write(unit->base, AMDVI_EVENT_HEAD, 0);
    amdvi_write(unit->base, AMDVI_EVENT_TAIL, 0);
    amdvi_write(unit->base, AMDVI_STATUS,
                AMDVI_STATUS_EVENT_OVERFLOW | AMDVI_STATUS_EVENT_INT | AMDVI_STATUS_WAIT_INT);
    amdvi_write(unit->base, AMDVI_CONTROL, unit->control);
}

static void expect(const struct unit *unit, uint32_t offset, uint64_t mask, uint64_t value)
{
    uint64_t found = amdvi_read(unit->base, offset);

    if ((found & mask) != value)
        fatal("IOMMU %u at %lx: register %x holds %lx, not %lx under mask %lx, so it can't be "
              "trusted to protect memory. Update the firmware, or report this machine",
              unit->number, unit->base, offset, found, value, mask);
}

/* HtTunEn is hardwired to 0 where there is no tunnel. */
#define CONTROL_CHECKED (~AMDVI_CONTROL_HT_TUNNEL)

void unit_verify(const struct unit *unit)
{
    expect(unit, AMDVI_CONTROL, CONTROL_CHECKED, unit->control & CONTROL_CHECKED);
    expect(unit, AMDVI_DEVICE_TABLE, UINT64_MAX, DEVICE_TABLE_BASE | AMDVI_DEVICE_TABLE_SIZE);
    expect(unit, AMDVI_COMMAND_BASE, UINT64_MAX, ring_base(unit->commands));
    expect(unit, AMDVI_EVENT_BASE, UINT64_MAX, ring_base(unit->events));
    expect(unit, AMDVI_EXCLUSION_BASE, AMDVI_EXCLUSION_BITS, 0);
    expect(unit, AMDVI_STATUS, AMDVI_STATUS_EVENT_RUN | AMDVI_STATUS_COMMAND_RUN,
           AMDVI_STATUS_EVENT_RUN | AMDVI_STATUS_COMMAND_RUN);
}
