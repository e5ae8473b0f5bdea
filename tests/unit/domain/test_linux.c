/*
 * linux_read, linux_find_places, linux_write: headers that lie are refused, everything gets a
 * place that nobody else has, and the zero page says what the boot protocol wants.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/domain/linux.h"
#include "hw/x86.h"

#define MIB       0x100000ul
#define FILE_SIZE 0x4000u

static union {
    uint8_t bytes[FILE_SIZE];
    struct linux_boot_params params; /* its hdr lies where the file's does */
} file;

static struct linux_setup_header *const h = &file.params.hdr;
static struct linux_kernel kernel;
static struct memory_map ram, nobodys;
static struct linux_places places;
static struct linux_start start;

/* A small kernel that is right in everything, and a machine with 1 GiB. */
static int set_up(void **state)
{
    (void)state;
    memset(&file, 0xcc, sizeof file);
    *h = (struct linux_setup_header){.setup_sects = 7,
                                     .boot_flag = LINUX_BOOT_FLAG,
                                     .jump_opcode = 0xeb,
                                     .jump_length = 0x6a,
                                     .header = LINUX_HEADER_MAGIC,
                                     .version = 0x20f,
                                     .loadflags = LINUX_LOADED_HIGH,
                                     .initrd_addr_max = 0x7fffffff,
                                     .kernel_alignment = 2 * MIB,
                                     .relocatable_kernel = 1,
                                     .xloadflags = LINUX_XLF_KERNEL_64,
                                     .cmdline_size = 2047,
                                     .pref_address = 16 * MIB,
                                     .init_size = 48 * MIB};
    memset(&kernel, 0xee, sizeof kernel);
    memset(&places, 0, sizeof places);
    memset(&start, 0xee, sizeof start);
    ram.count = 0;
    memory_map_set(&ram, 0x1000, 0x9f000, MEMORY_USABLE);
    memory_map_set(&ram, MIB, 1024 * MIB, MEMORY_USABLE);
    nobodys = ram;
    return 0;
}

static void right_kernel_is_read(void **state)
{
    (void)state;
    assert_int_equal(linux_read(&file, FILE_SIZE, &kernel), START_OK);
    assert_int_equal(kernel.setup_size, 8 * 512);
    assert_int_equal(kernel.code_size, FILE_SIZE - 8 * 512);
    assert_int_equal(kernel.room, 48 * MIB);
    assert_int_equal(kernel.lowest, 16 * MIB);
    assert_int_equal(kernel.alignment, 2 * MIB);
    assert_int_equal(kernel.initrd_end, 0x80000000);
    assert_int_equal(kernel.cmdline_max, 2047);
    h->version = LINUX_PROTOCOL_64; /* the oldest that will do */
    h->setup_sects = 0;             /* means 4 */
    assert_int_equal(linux_read(&file, FILE_SIZE, &kernel), START_OK);
    assert_int_equal(kernel.setup_size, 5 * 512);
}

static void wrong_headers_are_refused(void **state)
{
#define WRONG(expected, ...)                                                       \
    do {                                                                           \
        set_up(state);                                                             \
        __VA_ARGS__;                                                               \
        assert_int_equal(linux_read(&file, FILE_SIZE, &kernel), START_##expected); \
    } while (0)
    WRONG(KERNEL_MAGIC, h->boot_flag = 0);
    WRONG(KERNEL_MAGIC, h->header = 0x7f454c46);
    WRONG(KERNEL_OLD, h->version = 0x20b);
    WRONG(KERNEL_32, h->xloadflags = 0);
    WRONG(KERNEL_32, h->loadflags = 0);
    WRONG(KERNEL_FIXED, h->relocatable_kernel = 0);
    WRONG(KERNEL_SHORT, h->setup_sects = FILE_SIZE / 512 - 1);
    WRONG(KERNEL_SHORT, h->setup_sects = FILE_SIZE / 512 - 2);
    WRONG(KERNEL_SHORT, h->setup_sects = 255);
    WRONG(KERNEL_SIZES, h->init_size = FILE_SIZE - 8 * 512 - 1);
    WRONG(KERNEL_SIZES, h->init_size = UINT32_MAX);
    WRONG(KERNEL_SIZES, h->pref_address = 0);
    WRONG(KERNEL_SIZES, h->pref_address = UINT64_MAX);
    WRONG(KERNEL_SIZES, h->kernel_alignment = 0);
    WRONG(KERNEL_SIZES, h->kernel_alignment = 3 * MIB);
    WRONG(KERNEL_SIZES, h->kernel_alignment = 512);
    WRONG(KERNEL_SIZES, h->kernel_alignment = 1u << 31);
}

/* The file is as long as it is: nothing behind its end is read (the sanitizer watches). */
static void short_files_are_refused(void **state)
{
    static const size_t sizes[] = {
        0, 1, 512, LINUX_HEADER_LIMIT - 1, LINUX_HEADER_LIMIT, 8 * 512, 8 * 512 + LINUX_ENTRY_64};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *exact = malloc(sizes[i] + 1);
        uint8_t *at_end = (uint8_t *)exact + 1;

        memcpy(at_end, &file, sizes[i]);
        assert_int_equal(linux_read(at_end, sizes[i], &kernel), START_KERNEL_SHORT);
        free(exact);
    }
}

static enum start_error find(void)
{
    assert_int_equal(linux_read(&file, FILE_SIZE, &kernel), START_OK);
    return linux_find_places(&kernel, &ram, &nobodys, &places);
}

static void take_from_nobodys(uint64_t from, uint64_t to)
{
    assert_true(memory_map_set(&nobodys, from, to, MEMORY_TAKEN));
}

static void preferred_place_is_taken_if_free(void **state)
{
    (void)state;
    assert_int_equal(find(), START_OK);
    assert_int_equal(places.kernel, 16 * MIB);
    assert_int_equal(places.start, 0x1000);
    assert_int_equal(places.initrd, 0);
    assert_int_equal(places.efi_map, 0);
    assert_false(
        memory_map_usable(&nobodys, places.kernel + 48 * MIB - 1, places.kernel + 48 * MIB));
    assert_true(
        memory_map_usable(&nobodys, places.kernel + 48 * MIB, places.kernel + 48 * MIB + 1));
}

static void kernel_goes_around_what_is_taken(void **state)
{
    (void)state;
    take_from_nobodys(63 * MIB, 63 * MIB + 1); /* a byte of the 48 MiB from 16 MiB on */
    assert_int_equal(find(), START_OK);
    assert_int_equal(places.kernel, 64 * MIB);
}

static void kernel_needs_all_its_room(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 1024; at += 40) /* never 48 MiB in one piece */
        take_from_nobodys(at * MIB, at * MIB + 1);
    assert_int_equal(find(), START_NO_PLACE_KERNEL);
}

static void initrd_stays_where_it_can(void **state)
{
    (void)state;
    places.initrd = 300 * MIB + 5; /* needs no alignment */
    places.initrd_size = 3 * MIB;
    take_from_nobodys(places.initrd, places.initrd + places.initrd_size);
    assert_int_equal(find(), START_OK);
    assert_int_equal(places.initrd, 300 * MIB + 5);
}

static void initrd_moves_out_of_withheld_memory(void **state)
{
    (void)state;
    places.initrd = 300 * MIB;
    places.initrd_size = 3 * MIB;
    take_from_nobodys(places.initrd, places.initrd + places.initrd_size);
    memory_map_set(&ram, 302 * MIB, 310 * MIB, MEMORY_RESERVED); /* its tail is core's */
    assert_int_equal(find(), START_OK);
    assert_int_not_equal(places.initrd, 300 * MIB);
    assert_true(memory_map_usable(&ram, places.initrd, places.initrd + places.initrd_size));
    assert_true(places.initrd >= places.kernel + kernel.room ||
                places.initrd + places.initrd_size <= places.kernel);
    assert_true(places.initrd + places.initrd_size <= 300 * MIB || places.initrd >= 303 * MIB);
}

static void initrd_moves_below_the_kernels_limit(void **state)
{
    (void)state;
    h->initrd_addr_max = 0x12ffffff; /* one byte less than where it ends */
    places.initrd = 0x12f00001;
    places.initrd_size = MIB;
    assert_int_equal(find(), START_OK);
    assert_true(places.initrd + places.initrd_size <= 0x13000000);
    assert_int_not_equal(places.initrd, 0x12f00001);
    set_up(state);
    h->initrd_addr_max = 0x12ffffff;
    places.initrd = 0x12f00000;
    places.initrd_size = MIB;
    assert_int_equal(find(), START_OK);
    assert_int_equal(places.initrd, 0x12f00000);
    set_up(state);
    h->initrd_addr_max = 0x1fffff; /* nothing fits there */
    places.initrd = 0x12f00000;
    places.initrd_size = 2 * MIB;
    assert_int_equal(find(), START_NO_PLACE_INITRD);
}

static void nothing_overlaps(void **state)
{
    (void)state;
    srand(4);
    for (uint32_t round = 0; round < 500; round++) {
        set_up(state);
        for (uint32_t i = 0; i < 20; i++) {
            uint64_t at = (uint64_t)(rand() % 1024) * MIB;
            take_from_nobodys(at, at + (uint64_t)(rand() % 4) * MIB);
        }
        struct memory_map before = nobodys;
        places.initrd = 1100 * MIB; /* must move: not RAM */
        places.initrd_size = (uint64_t)(rand() % 20000 + 1) * 1000;
        places.efi_room = 0x9000;
        if (find() != START_OK)
            continue;
        uint64_t taken[4][2] = {
            {places.kernel, places.kernel + kernel.room},
            {places.initrd, places.initrd + places.initrd_size},
            {places.start, places.start + sizeof(struct linux_start)},
            {places.efi_map, places.efi_map + places.efi_room},
        };
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(memory_map_usable(&before, taken[i][0], taken[i][1]));
            for (uint32_t j = 0; j < i; j++)
                assert_true(taken[i][0] >= taken[j][1] || taken[j][0] >= taken[i][1]);
        }
    }
}

static struct linux_boot boot(const char *cmdline)
{
    return (struct linux_boot){.kernel_file = &file,
                               .cmdline = cmdline,
                               .map = &ram,
                               .efi_system_table = 0x123456789a,
                               .efi_map_size = 480,
                               .efi_descriptor_size = 48,
                               .efi_descriptor_version = 1};
}

static void zero_page_says_it_all(void **state)
{
    struct linux_boot all = boot("console=ttyS1");

    (void)state;
    places.initrd = 300 * MIB;
    places.initrd_size = 12345;
    places.efi_room = 0x1000;
    assert_int_equal(find(), START_OK);
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_OK);
    const struct linux_boot_params *p = &start.params;
    assert_int_equal(p->hdr.header, LINUX_HEADER_MAGIC);
    assert_int_equal(p->hdr.type_of_loader, 0xff);
    assert_int_equal(p->hdr.cmd_line_ptr, places.start + 0x1000);
    assert_string_equal(start.cmdline, "console=ttyS1");
    assert_int_equal(p->hdr.ramdisk_image, 300 * MIB);
    assert_int_equal(p->hdr.ramdisk_size, 12345);
    assert_int_equal(p->acpi_rsdp_addr, places.start + 8 * 4096);
    assert_int_equal(p->e820_entries, 2);
    assert_int_equal(p->e820_table[1].address, MIB);
    assert_int_equal(p->e820_table[1].size, 1023 * MIB);
    assert_int_equal(p->e820_table[1].type, MEMORY_USABLE);
    assert_memory_equal(&p->efi_info.loader_signature, "EL64", 4);
    assert_int_equal(p->efi_info.systab, 0x3456789a);
    assert_int_equal(p->efi_info.systab_hi, 0x12);
    assert_int_equal(p->efi_info.memmap, places.efi_map);
    assert_int_equal(p->efi_info.memmap_size, 480);
    assert_int_equal(p->efi_info.memdesc_size, 48);
    /* The header's own end is honoured, all behind it zero: the file has CCh there. */
    assert_int_equal(file.bytes[0x202 + 0x6a], 0xcc);
    assert_int_equal(((const uint8_t *)p)[0x202 + 0x6a], 0);
    assert_int_equal(((const uint8_t *)p)[0x1ef], 0); /* sentinel */
    h->jump_length = 0xff;                            /* longer than the zero page has room for */
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_OK);
    assert_int_equal(((const uint8_t *)p)[LINUX_HEADER_LIMIT - 1], 0xcc);
    assert_int_equal(((const uint8_t *)p)[LINUX_HEADER_LIMIT], 0);
    all.efi_system_table = 0;
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_OK);
    assert_int_equal(p->efi_info.loader_signature, 0);
}

static void what_does_not_fit_is_refused(void **state)
{
    char cmdline[64];
    struct linux_boot all = boot(cmdline);

    (void)state;
    memset(cmdline, 'x', 63);
    cmdline[63] = 0;
    h->cmdline_size = 62;
    assert_int_equal(find(), START_OK);
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_KERNEL_CMDLINE);
    cmdline[62] = 0;
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_OK);
    ram.count = 0;
    for (uint64_t i = 0; i < LINUX_E820_MAX + 1; i++)
        memory_map_set(&ram, i * 0x2000, i * 0x2000 + 0x1000, MEMORY_USABLE);
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_MAP_FULL);
    ram.count--;
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_OK);
}

/* Walks the tables as the CPU would: every address below 4 GiB is itself. */
static void entry_state_reaches_everything(void **state)
{
    struct linux_boot all = boot("");

    (void)state;
    assert_int_equal(find(), START_OK);
    assert_int_equal(linux_write(&kernel, &places, &all, &start), START_OK);
    struct start_state s = linux_entry(&places);
    assert_int_equal(s.rip, places.kernel + 0x200);
    assert_int_equal(s.rsi, places.start);
    assert_int_equal(s.efer, EFER_LME | EFER_LMA);
    assert_int_equal(s.cr4, CR4_PAE);
    assert_int_equal(s.cr0 & (CR0_PE | CR0_PG), CR0_PE | CR0_PG);
    for (uint64_t address = 0; address < 4096 * MIB; address += 2 * MIB) {
        const uint64_t *table = (const uint64_t *)((uint8_t *)&start + (s.cr3 - places.start));

        for (uint32_t shift = 39; shift > 21; shift -= 9) {
            uint64_t entry = table[address >> shift & 511];

            assert_int_equal(entry & 3, 3);
            table =
                (const uint64_t *)((uint8_t *)&start + ((entry & 0xffffffffff000) - places.start));
        }
        assert_int_equal(table[address >> 21 & 511] & 0xfffffffe00083, address | 0x83);
    }
    const uint64_t *gdt = (const uint64_t *)((uint8_t *)&start + (s.gdt_base - places.start));
    assert_int_equal(s.gdt_limit, 31);
    assert_int_equal(s.cs, 0x10);
    assert_int_equal(s.ds, 0x18);
    assert_int_equal(gdt[2] >> 40 & 0xff, 0x9b); /* present, code, readable, accessed */
    assert_int_equal(gdt[2] >> 52 & 0xf, 0xa);   /* 4-KiB units, long */
    assert_int_equal(gdt[3] >> 40 & 0xff, 0x93); /* present, data, writable, accessed */
    assert_int_equal(gdt[3] >> 52 & 0xf, 0xc);
}

static void each_error_has_cause_and_remedy(void **state)
{
    (void)state;
    for (uint32_t error = START_OK + 1; error < START_ERRORS; error++) {
        assert_true(strlen(start_error_cause((enum start_error)error)) > 10);
        assert_true(strlen(start_error_remedy((enum start_error)error)) > 10);
        assert_null(strchr(start_error_cause((enum start_error)error), ':'));
        assert_null(strchr(start_error_remedy((enum start_error)error), '.'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(right_kernel_is_read, set_up),
        cmocka_unit_test_setup(wrong_headers_are_refused, set_up),
        cmocka_unit_test_setup(short_files_are_refused, set_up),
        cmocka_unit_test_setup(preferred_place_is_taken_if_free, set_up),
        cmocka_unit_test_setup(kernel_goes_around_what_is_taken, set_up),
        cmocka_unit_test_setup(kernel_needs_all_its_room, set_up),
        cmocka_unit_test_setup(initrd_stays_where_it_can, set_up),
        cmocka_unit_test_setup(initrd_moves_out_of_withheld_memory, set_up),
        cmocka_unit_test_setup(initrd_moves_below_the_kernels_limit, set_up),
        cmocka_unit_test_setup(nothing_overlaps, set_up),
        cmocka_unit_test_setup(zero_page_says_it_all, set_up),
        cmocka_unit_test_setup(what_does_not_fit_is_refused, set_up),
        cmocka_unit_test(each_error_has_cause_and_remedy),
        cmocka_unit_test_setup(entry_state_reaches_everything, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
