/* Multiboot2: what GRUB hands over is read, what is malformed is refused and never overrun. */
#include "testing.h"

#include "core/boot/loader.h"
#include "foreign.h"
#include "hw/multiboot2.h"

/* The boot information under construction. */
static _Alignas(8) uint8_t blob[0x20000];
static uint32_t used;

static struct boot_info result;

static void begin(void)
{
    memset(blob, 0, sizeof(blob));
    used = sizeof(struct mb2_info);
}

/* Appends a tag whose body (what follows type and size) is length bytes; returns its offset. */
static uint32_t add(uint32_t type, const void *body, uint32_t length)
{
    struct mb2_tag tag = {type, length + (uint32_t)sizeof(struct mb2_tag)};
    uint32_t offset = used;

    memcpy(blob + used, &tag, sizeof(tag));
    if (length)
        memcpy(blob + used + sizeof(tag), body, length);
    used += (tag.size + 7) & ~7u;
    return offset;
}

static uint32_t add_map(void)
{
    const struct {
        uint32_t entry_size, version;
        struct mb2_region regions[2];
    } map = {24, 0, {{0x1000, 0x9f000, 1, 0}, {0x100000, 0x3ff00000, 1, 0}}};

    return add(MB2_TAG_MEMORY_MAP, &map, sizeof(map));
}

static uint32_t add_module(uint32_t start, uint32_t end, const char *string)
{
    uint8_t body[128];

    memcpy(body, &start, 4);
    memcpy(body + 4, &end, 4);
    strcpy((char *)body + 8, string);
    return add(MB2_TAG_MODULE, body, 8 + (uint32_t)strlen(string) + 1);
}

static enum boot_error parse_total(uint32_t total, uint32_t bytes)
{
    memcpy(blob, &total, sizeof(total));
    foreign_set(blob, bytes);
    memset(&result, 0, sizeof(result));
    return multiboot2_read(foreign_read, FOREIGN_BASE, &result);
}

static enum boot_error finish(void)
{
    add(MB2_TAG_END, NULL, 0);
    return parse_total(used, used);
}

static void set32(uint32_t offset, uint32_t value)
{
    memcpy(blob + offset, &value, sizeof(value));
}

static void add_everything(void)
{
    const struct {
        uint64_t address;
        uint32_t pitch, width, height;
        uint8_t bits, type;
        uint16_t reserved;
        struct mb2_rgb rgb;
    } __attribute__((packed)) screen = {0x80000000, 5120, 1280, 800, 32, 1, 0, {16, 8, 8, 8, 0, 8}};
    const struct {
        uint32_t descriptor_size, version;
        uint8_t map[96];
    } efi_map = {48, 1, {[0] = 7, [95] = 9}};
    const uint64_t system_table = 0x3f9ee018;

    begin();
    add(MB2_TAG_COMMAND_LINE, "x y", 4);
    add(MB2_TAG_LOADER_NAME, "GRUB 2.06", 10);
    add(10, "APM", 3); /* unknown to core: skipped, padded */
    add_module(0x4000, 0x5000, "name=policy");
    add_map();
    add(MB2_TAG_FRAMEBUFFER, &screen, sizeof(screen));
    add(MB2_TAG_EFI64, &system_table, 8);
    add(MB2_TAG_RSDP_1, "RSD PTR .......rev0x", 20);
    add(MB2_TAG_RSDP_2, "RSD PTR .......rev2y................", 36);
    add(MB2_TAG_EFI_MAP, &efi_map, sizeof(efi_map));
    add_module(0x8000, 0x9000, "name=signature quiet");
    add(77, "", 0);
}

static void everything_is_read(void **state)
{
    (void)state;
    add_everything();
    assert_int_equal(finish(), BOOT_OK);
    assert_string_equal(result.command_line, "x y");
    assert_string_equal(result.loader_name, "GRUB 2.06");
    assert_int_equal(result.module_count, 2);
    assert_string_equal(result.modules[0].name, "policy");
    assert_string_equal(result.modules[1].name, "signature");
    assert_int_equal(result.modules[1].end, 0x9000);
    assert_int_equal(result.region_count, 2);
    assert_int_equal(result.regions[1].end, 0x40000000);
    assert_int_equal(result.screen.kind, SCREEN_RGB);
    assert_int_equal(result.screen.address, 0x80000000);
    assert_int_equal(result.screen.pitch, 5120);
    assert_int_equal(result.screen.red_position, 16);
    assert_int_equal(result.screen.blue_size, 8);
    assert_int_equal(result.efi.system_table, 0x3f9ee018);
    assert_int_equal(result.efi.map_size, 96);
    assert_int_equal(result.efi.descriptor_size, 48);
    assert_int_equal(result.efi.descriptor_version, 1);
    assert_int_equal(result.efi.map[0], 7);
    assert_int_equal(result.efi.map[95], 9);
    assert_int_equal(result.rsdp_size, 36);
    assert_memory_equal(result.rsdp, "RSD PTR .......rev2y", 20);
}

/* Cut in memory, or said to be shorter than it is: refused, and nothing behind it is read. */
static void no_prefix_of_it_is_overrun(void **state)
{
    (void)state;
    add_everything();
    add(MB2_TAG_END, NULL, 0);
    for (uint32_t size = 0; size < used; size++) {
        assert_int_not_equal(parse_total(size, used), BOOT_OK);
        assert_int_not_equal(parse_total(used, size), BOOT_OK);
        if (size >= 4)
            assert_int_not_equal(parse_total(size, size), BOOT_OK);
    }
}

/* Each 32-bit word in turn set to hostile values: any answer, but no overrun. */
static void no_hostile_word_makes_it_overrun(void **state)
{
    const uint32_t hostile[] = {0, 1, 7, 8, 9, 23, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
    uint32_t kept, accepted = 0, refused = 0;

    (void)state;
    add_everything();
    add(MB2_TAG_END, NULL, 0);
    set32(0, used);
    for (uint32_t offset = 0; offset + 4 <= used; offset += 4)
        for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
            memcpy(&kept, blob + offset, 4);
            set32(offset, hostile[i]);
            foreign_set(blob, used);
            memset(&result, 0, sizeof(result));
            if (multiboot2_read(foreign_read, FOREIGN_BASE, &result) == BOOT_OK)
                accepted++;
            else
                refused++;
            assert_true(result.region_count <= BOOT_REGIONS);
            assert_true(result.module_count <= BOOT_MODULES);
            assert_true(result.efi.map_size <= BOOT_EFI_MAP_SIZE);
            set32(offset, kept);
        }
    assert_true(accepted > 0 && refused > 0);
}

static void bad_tag_sizes_are_refused(void **state)
{
    const uint32_t bad[] = {0, 7, 0x7fffffff, 0xfffffff9, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        add_map();
        set32(add(99, "abcd", 4) + 4, bad[i]);
        assert_int_equal(finish(), BOOT_INFO_MALFORMED);
        assert_non_null(strstr(result.fault, "tag 99"));
    }
    begin();
    add_map();
    assert_int_equal(parse_total(used, used), BOOT_INFO_MALFORMED); /* no end tag */
    begin();
    assert_int_equal(finish(), BOOT_MAP_MISSING);
    begin();
    add_map();
    assert_int_equal(parse_total(0x200000, used), BOOT_INFO_UNREADABLE);
}

static void short_tags_are_refused(void **state)
{
    static const uint8_t zeros[64];
    const struct {
        uint32_t type, length;
    } cases[] = {
        {MB2_TAG_MODULE, 7},  {MB2_TAG_MEMORY_MAP, 7}, {MB2_TAG_FRAMEBUFFER, 23},
        {MB2_TAG_EFI64, 7},   {MB2_TAG_RSDP_1, 19},    {MB2_TAG_RSDP_2, 35},
        {MB2_TAG_EFI_MAP, 7},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        add(cases[i].type, zeros, cases[i].length);
        assert_int_equal(finish(), BOOT_INFO_MALFORMED);
    }
    begin();
    set32(add(MB2_TAG_FRAMEBUFFER, zeros, 24 + 5) + 28, MB2_FRAMEBUFFER_RGB << 8);
    assert_int_equal(finish(), BOOT_INFO_MALFORMED); /* RGB without all of its colors */
}

static void map_entries_have_their_size(void **state)
{
    const uint32_t bad[] = {0, 1, 8, 16, 20, 25, 32, 0x7ffffff8, 0xfffffff8, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        set32(add_map() + 8, bad[i]);
        assert_int_equal(finish(), BOOT_INFO_MALFORMED);
    }
    begin();
    set32(add_map() + 8, 48); /* a longer entry of a later version */
    assert_int_equal(finish(), BOOT_OK);
    assert_int_equal(result.region_count, 1);
}

static void efi_maps_have_whole_descriptors_and_fit(void **state)
{
    static uint32_t body[(BOOT_EFI_MAP_SIZE + 64) / 4 + 2] = {64, 1};

    (void)state;
    begin();
    add_map();
    add(MB2_TAG_EFI_MAP, body, 8 + BOOT_EFI_MAP_SIZE);
    assert_int_equal(finish(), BOOT_OK);
    assert_int_equal(result.efi.map_size, BOOT_EFI_MAP_SIZE);
    begin();
    add_map();
    add(MB2_TAG_EFI_MAP, body, 8 + BOOT_EFI_MAP_SIZE + 64);
    assert_int_equal(finish(), BOOT_EFI_MAP_TOO_LONG);
    begin();
    add_map();
    add(MB2_TAG_EFI_MAP, body, 8 + 63);
    assert_int_equal(finish(), BOOT_INFO_MALFORMED);
    body[0] = 0;
    begin();
    add(MB2_TAG_EFI_MAP, body, 8 + 64);
    assert_int_equal(finish(), BOOT_INFO_MALFORMED);
    body[0] = 64;
}

static void repeated_tags_are_refused(void **state)
{
    (void)state;
    begin();
    add_map();
    add_map();
    assert_int_equal(finish(), BOOT_TAG_REPEATED);
    assert_non_null(strstr(result.fault, "tag 6"));
}

static void boot_services_must_be_over(void **state)
{
    (void)state;
    begin();
    add_map();
    add(MB2_TAG_BOOT_SERVICES, NULL, 0);
    assert_int_equal(finish(), BOOT_BOOT_SERVICES_ACTIVE);
}

static void strings_end_within_their_tag(void **state)
{
    static char text[BOOT_COMMAND_LINE + 1];

    (void)state;
    begin();
    add_map();
    add(MB2_TAG_COMMAND_LINE, "abcd", 4); /* the terminator would be the next tag's */
    assert_int_equal(finish(), BOOT_STRING_UNTERMINATED);
    begin();
    add_map();
    add(MB2_TAG_COMMAND_LINE, "", 0);
    assert_int_equal(finish(), BOOT_STRING_UNTERMINATED);
    begin();
    add_map();
    add(MB2_TAG_MODULE, "\0\0\0\0\0\0\0\0name=x", 14);
    assert_int_equal(finish(), BOOT_STRING_UNTERMINATED);
    memset(text, 'c', sizeof(text) - 1);
    begin();
    add_map();
    add(MB2_TAG_LOADER_NAME, text, sizeof(text));
    add(MB2_TAG_COMMAND_LINE, text + 1, sizeof(text) - 1);
    assert_int_equal(finish(), BOOT_OK);
    assert_int_equal(strlen(result.loader_name), BOOT_LOADER_NAME - 1);
    assert_int_equal(strlen(result.command_line), BOOT_COMMAND_LINE - 1);
    begin();
    add_map();
    add(MB2_TAG_COMMAND_LINE, text, sizeof(text));
    assert_int_equal(finish(), BOOT_STRING_TOO_LONG);
}

static void modules_are_counted(void **state)
{
    (void)state;
    begin();
    add_map();
    for (uint32_t i = 0; i < BOOT_MODULES; i++)
        add_module(0x100000 + i * 0x1000, 0x101000 + i * 0x1000, "x");
    assert_int_equal(finish(), BOOT_OK);
    assert_int_equal(result.module_count, BOOT_MODULES);
    used -= 8; /* over the end tag */
    add_module(0x200000, 0x201000, "x");
    assert_int_equal(finish(), BOOT_MODULES_TOO_MANY);
}

static void the_newer_rsdp_counts(void **state)
{
    (void)state;
    begin();
    add_map();
    add(MB2_TAG_RSDP_2, "new.................................", 36);
    add(MB2_TAG_RSDP_1, "old.................", 20);
    assert_int_equal(finish(), BOOT_OK);
    assert_int_equal(result.rsdp_size, 36);
    assert_memory_equal(result.rsdp, "new", 3);
    begin();
    add_map();
    add(MB2_TAG_RSDP_1, "old.................", 20);
    assert_int_equal(finish(), BOOT_OK);
    assert_int_equal(result.rsdp_size, 20);
}

static int release(void **state)
{
    (void)state;
    foreign_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(no_prefix_of_it_is_overrun),
        cmocka_unit_test(no_hostile_word_makes_it_overrun),
        cmocka_unit_test(bad_tag_sizes_are_refused),
        cmocka_unit_test(short_tags_are_refused),
        cmocka_unit_test(map_entries_have_their_size),
        cmocka_unit_test(efi_maps_have_whole_descriptors_and_fit),
        cmocka_unit_test(repeated_tags_are_refused),
        cmocka_unit_test(boot_services_must_be_over),
        cmocka_unit_test(strings_end_within_their_tag),
        cmocka_unit_test(modules_are_counted),
        cmocka_unit_test(the_newer_rsdp_counts),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
