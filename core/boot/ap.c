#include "core/boot/ap.h"

#include "core/platform/platform.h"
#include "lib/memory.h"

/* Waits between INIT and start-up IPIs, as firmware has always done (MultiProcessor Specification
 * 1.4, B.4), and the time that a CPU has to get through its set-up. */
#define AFTER_INIT_US    10000
#define AFTER_STARTUP_US 1000
#define ARRIVAL_LIMIT_US 10000000

extern const uint8_t ap_trampoline[], ap_trampoline_end[];

/* Where the CPU that is being started finds its stack: start.S. One starts at a time. */
uint64_t ap_stack;
noreturn void ap_main(void);

void ap_main(void)
{
    struct cpu *cpu = cpu_current();

    cpu_setup(cpu->index);
    features_check();
    apic_check();
    apic_quiet();
    smp_join(cpu);
}

static bool arrives(uint32_t count, uint32_t limit_us)
{
    uint64_t deadline = time_after(limit_us);

    while (smp_count() < count) {
        if (time_is_over(deadline))
            return false;
        pause();
    }
    return true;
}

static void start(uint32_t index, uint32_t apic, uint64_t page)
{
    struct cpu_area *area = &cpu_areas[index];
    uint32_t startup = APIC_ICR_STARTUP | (uint32_t)(page / PAGE_SIZE);

    area->cpu.index = index;
    area->cpu.apic_id = apic;
    ap_stack = (uint64_t)(area + 1);
    apic_send(apic, APIC_ICR_INIT | APIC_ICR_ASSERT);
    time_wait(AFTER_INIT_US);
    apic_send(apic, startup);
    if (arrives(index + 1, AFTER_STARTUP_US))
        return;
    apic_send(apic, startup); /* one that has started ignores it */
    if (!arrives(index + 1, ARRIVAL_LIMIT_US))
        fatal("a CPU doesn't start: CPU %u with APIC ID %u, by the page at %lx. Switch the machine "
              "off and on again, or turn that core off in the firmware's set-up",
              index, apic, page);
}

void ap_start_all(const struct boot_info *info, const struct acpi_cpus *cpus)
{
    uint64_t page = boot_find_low_page(info);
    uint32_t self = apic_id(), next = 1;

    cpu_current()->apic_id = self;
    if (!page)
        fatal("no free page below 640 KiB to start CPUs from: %u modules. Load fewer modules",
              info->module_count);
    memcpy(at_physical(page), ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    for (uint32_t i = 0; i < cpus->count; i++)
        if (cpus->apic_id[i] != self)
            start(next++, cpus->apic_id[i], page);
    memset(at_physical(page), 0, PAGE_SIZE);
    if (next != cpus->count)
        fatal("ACPI table APIC doesn't list the boot CPU: APIC ID %u. Update the firmware", self);
}
