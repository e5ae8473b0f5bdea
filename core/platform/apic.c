#include "core/platform/apic.h"

#include "core/platform/cpu.h"
#include "core/platform/instructions.h"
#include "core/platform/panic.h"
#include "core/platform/spinlock.h"

/* The APIC accepts a command within microseconds; a register read takes some 100 ns. */
#define SEND_TRIES 100000

/* OCW1 of the two 8259s: one bit a line masks it. */
#define PIC1_MASK 0x21
#define PIC2_MASK 0xa1

static struct spinlock ioapic_lock;
static uint32_t ioapic_base;

void apic_check(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE);

    if (base & APIC_BASE_X2APIC)
        fatal("local APIC in x2APIC mode: CPU %u, APIC_BASE %lx. Turn x2APIC off in the firmware's "
              "set-up",
              cpu_current()->index, base);
    if (!(base & APIC_BASE_ENABLE) || (base & APIC_BASE_ADDRESS) != APIC_BASE_DEFAULT)
        fatal(
            "local APIC off or moved: CPU %u, APIC_BASE %lx. Load the firmware's default settings",
            cpu_current()->index, base);
}

uint32_t apic_id(void)
{
    return apic_read(APIC_ID) >> APIC_ID_SHIFT;
}

void apic_quiet(void)
{
    apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    apic_write(APIC_SPURIOUS, APIC_SPURIOUS_ENABLE | VECTOR_SPURIOUS);
}

static bool is_idle(void)
{
    for (int i = 0; i < SEND_TRIES; i++) {
        if (!(apic_read(APIC_ICR_LOW) & APIC_ICR_PENDING))
            return true;
        pause();
    }
    return false;
}

bool apic_send(uint32_t destination, uint32_t command)
{
    if (!is_idle())
        return false;
    apic_write(APIC_ICR_HIGH, destination << APIC_ID_SHIFT);
    apic_write(APIC_ICR_LOW, command);
    return is_idle();
}

void ioapic_init(uint32_t address)
{
    ioapic_base = address;
}

static volatile uint32_t *ioapic_register(uint32_t offset)
{
    return at_physical(ioapic_base + offset);
}

uint32_t ioapic_read(uint32_t index)
{
    spinlock_take(&ioapic_lock);
    *ioapic_register(IOAPIC_SELECT) = index;

    uint32_t value = *ioapic_register(IOAPIC_WINDOW);

    spinlock_release(&ioapic_lock);
    return value;
}

void ioapic_write(uint32_t index, uint32_t value)
{
    spinlock_take(&ioapic_lock);
    *ioapic_register(IOAPIC_SELECT) = index;
    *ioapic_register(IOAPIC_WINDOW) = value;
    spinlock_release(&ioapic_lock);
}

void interrupts_mask_all(void)
{
    uint32_t last = ioapic_read(IOAPIC_VERSION) >> 16 & 0xff;

    for (uint32_t n = 0; n <= last; n++)
        ioapic_write(IOAPIC_ENTRY + 2 * n, IOAPIC_MASKED);
    out8(PIC1_MASK, 0xff);
    out8(PIC2_MASK, 0xff);
}
