/*
 * The real-time clock (MC146818A), for reading: a domain that may read the clock sees date and
 * time, and nothing else of CMOS, where the firmware keeps its settings. The index port's bit 7,
 * which masks NMI, stays core's.
 */
#include "core/platform/platform.h"
#include "core/vdev/devices.h"

#define NMI_MASK 0x80u
#define REG_D    0x0du /* the last of the clock's registers: seconds to status D */
#define CENTURY  0x32u
#define ALARMS   0x2au /* bits of registers 1, 3, 5: the alarm, which nobody has */

static struct spinlock rtc_lock;

/* Guarded by the domain's lock (vdev.c). */
static uint8_t selected[BH_MAX_DOMAINS];

static uint8_t read_register(uint8_t index)
{
    uint8_t value;

    spinlock_take(&rtc_lock);
    out8(RTC_INDEX, index);
    value = in8(RTC_DATA);
    spinlock_release(&rtc_lock);
    return value;
}

bool vrtc_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value)
{
    uint8_t *index = &selected[vcpu->index];
    bool is_time = (*index <= REG_D && !(ALARMS >> *index & 1)) || *index == CENTURY;

    if (size != 1 || !(vcpu->domain->rights & BH_RIGHT_CLOCK))
        return false;
    if (port == RTC_INDEX) {
        if (in)
            return false;
        *index = (uint8_t)(*value & ~NMI_MASK);
        return true;
    }
    if (!in)
        return false;
    *value = is_time ? read_register(*index) : 0;
    return true;
}
