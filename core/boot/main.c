/*
 * Core's way from the loader to the domains: a list of phases, each of which either succeeds or
 * stops the machine with a line that says why.
 */
#include "bulkhead/layout.h"
#include "bulkhead/version.h"
#include "core/attest/attest.h"
#include "core/boot/ap.h"
#include "core/boot/loader.h"
#include "core/domain/domain.h"
#include "core/iommu_dev/dma.h"
#include "core/platform/platform.h"
#include "core/policy/policy.h"
#include "core/smm_container/smm.h"
#include "core/vdev/vdev.h"
#include "hw/multiboot1.h"
#include "hw/multiboot2.h"

extern const char core_text_start[], core_rodata_end[], core_end[];

noreturn void core_main(uint32_t magic, uint32_t address);

static struct boot_info boot_info;

static const void *read_physical(uint64_t address, uint64_t length)
{
    return paging_is_outside_core(address, length) ? at_physical(address) : NULL;
}

static enum boot_error read_loader(uint32_t magic, uint32_t address, struct boot_info *info)
{
    switch (magic) {
    case MB1_LOADED_MAGIC:
        return multiboot1_read(read_physical, address, info);
    case MB2_LOADED_MAGIC:
        return multiboot2_read(read_physical, address, info);
    default:
        return BOOT_LOADER_UNKNOWN;
    }
}

static void take_boot_info(uint32_t magic, uint32_t address, struct boot_info *info)
{
    enum boot_error error = read_loader(magic, address, info);

    if (!error && !boot_is_usable(info, CORE_BASE, CORE_END))
        error = BOOT_CORE_NOT_RAM;
    if (!error)
        error = loader_check_modules(info, CORE_BASE, (uint64_t)core_end);
    if (!error)
        return;
    loader_blame(info, "loader magic %x, boot information at %x", magic, address);
    fatal("%s: %s. %s", boot_error_cause(error), info->fault, boot_error_remedy(error));
}

/* Shows text on the loader's screen if that is one, and lies where no memory is. */
static void start_screen(const struct boot_info *info)
{
    const struct screen_mode *screen = &info->screen;
    uint64_t size = screen_size(screen), end = screen->address + size;

    if (size == 0 || !paging_is_outside_core(screen->address, size) ||
        boot_touches_usable(info, screen->address, end))
        return;
    paging_set_write_combining(screen->address, end);
    screen_init(screen);
    print("screen: %ux%u %s at %lx", screen->width, screen->height,
          screen->kind == SCREEN_RGB ? "pixels" : "characters", screen->address);
}

static void print_boot_info(const struct boot_info *info)
{
    uint64_t usable = 0;

    for (uint32_t i = 0; i < info->region_count; i++)
        if (info->regions[i].type == MEMORY_USABLE)
            usable += info->regions[i].end - info->regions[i].start;
    print("loader: %s, %s%s", info->loader_name,
          info->loader == BOOT_MULTIBOOT2 ? "Multiboot2" : "Multiboot 1",
          info->efi.system_table ? " on UEFI" : "");
    print("memory: %lu KiB usable in %u regions, ends at %lx below 4 GiB", usable / 1024,
          info->region_count, boot_memory_end(info));
    for (uint32_t i = 0; i < info->module_count; i++)
        print("module: %s at %lx-%lx",
              info->modules[i].name[0] ? info->modules[i].name : "(no name)",
              info->modules[i].start, info->modules[i].end);
}

/* No device reaches memory from here on, nor any CPU by an interrupt. */
static void close_devices(const struct boot_info *info)
{
    if (!boot_is_usable(info, DEVICE_TABLE_BASE, DEVICE_TABLE_BASE + DEVICE_TABLE_SIZE) ||
        boot_has_module(info, DEVICE_TABLE_BASE, DEVICE_TABLE_BASE + DEVICE_TABLE_SIZE))
        fatal("device table: memory %x-%x isn't free. Use a machine whose firmware leaves it "
              "alone, and smaller modules",
              DEVICE_TABLE_BASE, DEVICE_TABLE_BASE + DEVICE_TABLE_SIZE);
    dma_close();
}

static void start_cpus(const struct boot_info *info, struct acpi_cpus *cpus)
{
    acpi_find_cpus(cpus);
    ioapic_init(cpus->ioapic);
    interrupts_mask_all();
    apic_check();
    apic_quiet();
    ap_start_all(info, cpus);
    print("machine: %u CPUs, I/O APIC at %x, TSC at %lu kHz", smp_count(), cpus->ioapic,
          time_tsc_khz());
}

noreturn void core_main(uint32_t magic, uint32_t address)
{
    const struct bh_header *policy;
    struct policy_origin origin;
    struct bh_event_smm smm;
    struct acpi_cpus cpus;

    console_init();
    idt_init();
    cpu_setup(0);
    paging_init();
    print("core %s at %x-%lx", BULKHEAD_VERSION, CORE_BASE, (uint64_t)core_end);

    take_boot_info(magic, address, &boot_info);
    paging_set_uncached_from(boot_memory_end(&boot_info));
    start_screen(&boot_info);
    print_boot_info(&boot_info);

    features_check();
    acpi_init(boot_info.rsdp, boot_info.rsdp_size);
    time_init();
    close_devices(&boot_info);
    start_cpus(&boot_info, &cpus);
    timer_init();
    smm_take(&smm);

    attest_begin(core_text_start, (size_t)(core_rodata_end - core_text_start));
    policy = policy_load(&boot_info, &origin);
    attest_policy(policy, &origin, &smm);
    policy_match(policy, &cpus);
    vpci_place(policy);
    domains_place(policy, &boot_info, &cpus);
    attest_domains();
    dma_apply(policy); /* last: a device must not change a file between its check and its use */
    smp_enter(domains_run);
}
