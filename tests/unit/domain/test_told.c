/* What kernels by PVH and Multiboot 1 are told of memory, modules and texts, as both specify it. */
#include "testing.h"

#include <string.h>

#include "core/domain/kernel.h"
#include "hw/x86.h"

#define MIB 0x100000ul
#define AT  0x7000u

static struct kernel kernel;
static struct kernel_start start;
static struct start_state begin;
static struct memory_map map;

static struct kernel_boot boot(const char *texts, uint32_t modules)
{
    struct kernel_boot told = {
        .at = AT, .map = &map, .texts = texts, .rsdp = 0x9000, .module_count = modules};

    for (uint32_t i = 0; i < modules; i++) {
        told.module[i].start = 32 * MIB + i * MIB;
        told.module[i].end = 32 * MIB + i * MIB + 100 + i;
    }
    memset(&start, 0xee, sizeof start);
    memset(&begin, 0xee, sizeof begin);
    map.count = 0;
    memory_map_set(&map, 0x1000, 0x9f000, MEMORY_USABLE);
    memory_map_set(&map, MIB, 512 * MIB, MEMORY_USABLE);
    memory_map_set(&map, 512 * MIB, 513 * MIB, MEMORY_ACPI);
    kernel = (struct kernel){.count = 1, .entry = 0x123456};
    return told;
}

static const void *seen(uint64_t address)
{
    assert_true(address >= AT && address < AT + sizeof start);
    return (const uint8_t *)&start + (address - AT);
}

static void expect_flat_entry(void)
{
    assert_int_equal(begin.rip, 0x123456);
    assert_int_equal(begin.rbx, AT);
    assert_int_equal(begin.cr0, CR0_PE | CR0_ET);
    assert_int_equal(begin.cr3 | begin.cr4 | begin.efer | begin.rsi | begin.gdt_limit, 0);
    assert_int_not_equal(begin.cs & ~7u, 0);
    assert_int_not_equal(begin.ds & ~7u, 0);
}

static void pvh_kernel_is_told_everything(void **state)
{
    struct kernel_boot told = boot("console=ttyS1 x", 1);

    (void)state;
    assert_int_equal(pvh_write(&kernel, &told, &start, &begin), START_OK);
    expect_flat_entry();
    assert_int_equal(begin.rax, 0);
    const struct pvh_info *info = seen(begin.rbx);
    assert_int_equal(info->magic, 0x336ec578);
    assert_int_equal(info->version, 1);
    assert_int_equal(info->flags, 0);
    assert_string_equal(seen(info->cmdline_paddr), "console=ttyS1 x");
    assert_int_equal(info->rsdp_paddr, 0x9000);
    assert_int_equal(info->nr_modules, 1);
    const struct pvh_module *module = seen(info->modlist_paddr);
    assert_int_equal(module->paddr, 32 * MIB);
    assert_int_equal(module->size, 100);
    assert_string_equal(seen(module->cmdline_paddr), "");
    assert_int_equal(info->memmap_entries, 3);
    const struct pvh_memory *memory = seen(info->memmap_paddr);
    assert_int_equal(memory[1].addr, MIB);
    assert_int_equal(memory[1].size, 511 * MIB);
    assert_int_equal(memory[1].type, 1);
    assert_int_equal(memory[2].type, 3);
    told = boot("", 0);
    assert_int_equal(pvh_write(&kernel, &told, &start, &begin), START_OK);
    assert_int_equal(info->nr_modules | info->modlist_paddr, 0);
}

static void multiboot_kernel_is_told_everything(void **state)
{
    static const char *const strings[] = {"first  a b", "", "third"};
    struct kernel_boot told = boot("kernel args\nfirst  a b\n\nthird", 3);

    (void)state;
    assert_int_equal(multiboot1_write(&kernel, &told, &start, &begin), START_OK);
    expect_flat_entry();
    assert_int_equal(begin.rax, 0x2badb002);
    const struct mb1_info *info = seen(begin.rbx);
    assert_int_equal(info->flags, 1 | 4 | 8 | 0x40 | 0x200);
    assert_int_equal(info->mem_lower, 636);
    assert_int_equal(info->mem_upper, 511 * 1024);
    assert_string_equal(seen(info->command_line), "kernel args");
    assert_int_equal(info->module_count, 3);
    const struct mb1_module *module = seen(info->modules);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(module[i].start, 32 * MIB + i * MIB);
        assert_int_equal(module[i].end - module[i].start, 100 + i);
        assert_string_equal(seen(module[i].string), strings[i]);
        assert_int_equal(module[i].reserved, 0);
    }
    assert_int_equal(info->map_length, 3 * 24);
    const struct mb1_region *region = seen(info->map);
    assert_int_equal(region[1].size, 20);
    assert_int_equal(region[1].base, MIB);
    assert_int_equal(region[1].length, 511 * MIB);
    assert_int_equal(region[2].type, 3);
    assert_true(strlen(seen(info->loader_name)) > 0);
    map.count = 0; /* no memory at all: nothing underflows */
    assert_int_equal(multiboot1_write(&kernel, &told, &start, &begin), START_OK);
    assert_int_equal(info->mem_lower | info->mem_upper | info->map_length, 0);
}

/* The image's check lets no longer ones in: the most of everything has room. */
static void largest_texts_and_maps_fit(void **state)
{
    char texts[BH_CMDLINE_SIZE] = "";
    struct kernel_boot told = boot(texts, BH_MAX_FILES);

    (void)state;
    memset(texts, '\n', sizeof texts);
    texts[sizeof texts - 1] = 0;
    map.count = 0;
    for (uint64_t i = 0; i < KERNEL_MAP_MAX; i++)
        assert_true(memory_map_set(&map, i * 0x2000, i * 0x2000 + 0x1000, MEMORY_USABLE));
    assert_int_equal(pvh_write(&kernel, &told, &start, &begin), START_OK);
    assert_int_equal(multiboot1_write(&kernel, &told, &start, &begin), START_OK);
    memory_map_set(&map, 1ull << 30, 1ull << 31, MEMORY_USABLE);
    assert_int_equal(pvh_write(&kernel, &told, &start, &begin), START_MAP_FULL);
    assert_int_equal(multiboot1_write(&kernel, &told, &start, &begin), START_MAP_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pvh_kernel_is_told_everything),
        cmocka_unit_test(multiboot_kernel_is_told_everything),
        cmocka_unit_test(largest_texts_and_maps_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
