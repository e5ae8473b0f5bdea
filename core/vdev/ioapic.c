/*
 * The I/O APIC, shown to the domain that owns some of its pins (82093AA data sheet, 3). Core
 * does the accesses; entries of other pins read as masked and can't be written. Whatever
 * destination a domain puts in, the IOMMU's remapping table for the I/O APIC has the last word.
 *
 * If the domain has several cores, the I/O APIC has entries of core's: in place of mode and vector
 * they have the number of an entry of the remapping table, which core points where the domain
 * asked. An EOI of a level-triggered interrupt finds the pins that have its vector, so their
 * entries keep it: they can use the number that is the vector, or that with lowest priority's bit.
 * Those of edge-triggered pins have the pin's own number, which is no vector that a pin may have.
 */
#include "core/audit/audit.h"
#include "core/iommu_dev/remap.h"
#include "core/platform/platform.h"
#include "core/vdev/apic_filter.h"
#include "core/vdev/devices.h"

#define PINS            24u
#define VERSION_82093AA 0x11u
#define VECTOR          0xffu
#define MODE            0x700u
#define LOWEST          0x100u
#define LOGICAL         0x800u
#define PENDING         0x5000u /* delivery status, remote IRR: read-only */
#define POLARITY        0x2000u
#define LEVEL           0x8000u
#define WRITABLE        0x1afffu /* vector, delivery mode, destination mode, polarity, trigger, mask */
#define TO_SHIFT        24       /* in the upper half */

_Static_assert(PINS <= REMAP_FIRST_VECTOR, "a pin's number is no vector");

/* Guarded by the domain's lock (vdev.c). */
static uint32_t selected[BH_MAX_DOMAINS];

static bool is_granted(const struct vcpu *vcpu, uint32_t pin)
{
    return vcpu->domain->ioapic_pins >> pin & 1;
}

static void deny(const struct vcpu *vcpu, uint32_t index, uint32_t value)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_IOAPIC, index, value);
}

/* ---- several cores ---- */

/* What the domain has written is kept where its other messages are, by pin: `data` is the lower
 * half, `upper` the upper one; `control` is the index that the pin uses, plus 1. */
static struct remap find(const struct vcpu *vcpu)
{
    return remap_find_ioapic(vcpu->image, vcpu->index);
}

static int core_of(const struct vcpu *vcpu, const struct bh_message *asked)
{
    const struct apic_wish wish = {.to = (uint8_t)(asked->upper >> TO_SHIFT),
                                   .is_logical = asked->data & LOGICAL,
                                   .mode = asked->data >> APIC_ICR_MODE_SHIFT & 7,
                                   .vector = (uint8_t)asked->data};
    struct apic_core cores[BH_MAX_CORES];

    vapic_cores(vcpu, cores);
    return apic_filter_wish(wish, cores, vcpu->domain->ncores);
}

/* Does another pin use the entry? For `id`, or for any core if that is negative. */
static bool is_used(const struct vcpu *vcpu, const struct remap *remap, uint32_t pin,
                    uint32_t index, int but_for)
{
    for (uint32_t other = 0; other < PINS; other++) {
        const struct bh_message *asked = &remap->table->asked[other];

        if (other != pin && asked->control == index + 1 &&
            (but_for < 0 || core_of(vcpu, asked) != but_for))
            return true;
    }
    return false;
}

/* The index for a pin that is to interrupt core `id`; BH_REMAP_INDEXES: two other pins have its
 * vector for other cores. */
static uint32_t choose(const struct vcpu *vcpu, const struct remap *remap, uint32_t pin, int id)
{
    const struct bh_message *asked = &remap->table->asked[pin];
    uint32_t index = asked->data & VECTOR;

    if (!(asked->data & LEVEL))
        return pin;
    while (index < BH_REMAP_INDEXES && is_used(vcpu, remap, pin, index, id))
        index += LOWEST;
    return index;
}

/* Gives the pin what it has been asked for, or nothing; false if that was denied. */
static bool route(const struct vcpu *vcpu, struct remap *remap, uint32_t pin)
{
    struct bh_message *asked = &remap->table->asked[pin];
    uint32_t before = asked->control, index = BH_REMAP_INDEXES, low = IOAPIC_MASKED;
    bool is_masked = asked->data & IOAPIC_MASKED;
    int id = is_masked ? -1 : core_of(vcpu, asked);

    if (id >= 0)
        index = choose(vcpu, remap, pin, id);
    if (index < BH_REMAP_INDEXES && remap_point(remap, index, (uint32_t)id, asked->data & VECTOR)) {
        low = (asked->data & (POLARITY | LEVEL)) | index;
        asked->control = index + 1;
    } else {
        low |= asked->data & (POLARITY | LEVEL | VECTOR); /* the EOI of its last one may be due */
        asked->control = 0;
    }
    remap_commit(remap);
    ioapic_write(IOAPIC_ENTRY + 2 * pin + 1, 0);
    ioapic_write(IOAPIC_ENTRY + 2 * pin, low);
    if (before && before != asked->control && !is_used(vcpu, remap, pin, before - 1, -1)) {
        remap_close(remap, before - 1);
        remap_commit(remap);
    }
    return is_masked || asked->control;
}

void vioapic_init(const struct vcpu *vcpu)
{
    struct remap remap = find(vcpu);

    for (uint32_t pin = 0; pin < PINS && remap.table; pin++)
        remap.table->asked[pin].data = IOAPIC_MASKED;
}

/* As if all at once: pins that are routed anew leave their indexes to each other. */
void vioapic_renew(const struct vcpu *vcpu)
{
    struct remap remap = find(vcpu);
    uint32_t before[PINS];

    for (uint32_t pin = 0; pin < PINS && remap.table; pin++) {
        before[pin] = remap.table->asked[pin].control;
        remap.table->asked[pin].control = 0;
    }
    for (uint32_t pin = 0; pin < PINS && remap.table; pin++)
        if (is_granted(vcpu, pin) && !(remap.table->asked[pin].data & IOAPIC_MASKED))
            route(vcpu, &remap, pin);
    for (uint32_t pin = 0; pin < PINS && remap.table; pin++)
        if (before[pin] && !is_used(vcpu, &remap, PINS, before[pin] - 1, -1))
            remap_close(&remap, before[pin] - 1);
    remap_commit(&remap);
}

/* ---- registers ---- */

static uint32_t read_entry(const struct vcpu *vcpu, uint32_t index)
{
    uint32_t pin = (index - IOAPIC_ENTRY) / 2, value = ioapic_read(index);
    struct remap remap = find(vcpu);

    if (!remap.table)
        return value;
    return index & 1 ? remap.table->asked[pin].upper
                     : remap.table->asked[pin].data | (value & PENDING);
}

static void read_window(const struct vcpu *vcpu, uint32_t index, uint32_t *value)
{
    uint32_t pin = (index - IOAPIC_ENTRY) / 2;

    if (index == IOAPIC_ID) {
        *value = ioapic_read(index);
    } else if (index == IOAPIC_VERSION) { /* later ones have an EOI register, which isn't here */
        *value = (ioapic_read(index) & ~0xffu) | VERSION_82093AA;
    } else if (index >= IOAPIC_ENTRY && pin < PINS) {
        *value = is_granted(vcpu, pin) ? read_entry(vcpu, index) : index & 1 ? 0 : IOAPIC_MASKED;
    } else {
        *value = 0;
    }
}

static void write_entry(const struct vcpu *vcpu, uint32_t index, uint32_t value)
{
    uint32_t pin = (index - IOAPIC_ENTRY) / 2;
    struct remap remap = find(vcpu);

    if (!remap.table) {
        ioapic_write(index, value);
        return;
    }
    if (index & 1)
        remap.table->asked[pin].upper = value;
    else
        remap.table->asked[pin].data = value;
    if (!route(vcpu, &remap, pin))
        deny(vcpu, index & ~1u, remap.table->asked[pin].data);
}

static void write_window(const struct vcpu *vcpu, uint32_t index, uint32_t value)
{
    uint32_t pin = (index - IOAPIC_ENTRY) / 2;
    bool is_high = index & 1;

    if (index < IOAPIC_ENTRY || pin >= PINS) {
        if (index != IOAPIC_ID) /* its number is for show: operating systems renumber it */
            deny(vcpu, index, value);
        return;
    }
    if (!is_granted(vcpu, pin)) {
        if (!is_high && !(value & IOAPIC_MASKED)) /* masking what is masked is no attempt */
            deny(vcpu, index, value);
        return;
    }
    if (!is_high && (value & MODE) > LOWEST) { /* SMI, NMI, INIT, ExtINT */
        if (!(value & IOAPIC_MASKED))
            deny(vcpu, index, value);
        value = IOAPIC_MASKED;
    }
    write_entry(vcpu, index, is_high ? value & 0xff000000 : value & WRITABLE);
}

bool vioapic_access(struct vcpu *vcpu, uint32_t offset, bool is_write, uint32_t *value)
{
    uint32_t *select = &selected[vcpu->index];

    if (offset == IOAPIC_SELECT) {
        if (is_write)
            *select = *value & 0xff;
        else
            *value = *select;
        return true;
    }
    if (offset != IOAPIC_WINDOW)
        return false;
    if (is_write)
        write_window(vcpu, *select, *value);
    else
        read_window(vcpu, *select, value);
    return true;
}
