/* Multiboot 1: what QEMU hands over is read, what is malformed is refused and never overrun. */
#include "testing.h"

#include "core/boot/loader.h"
#include "foreign.h"
#include "hw/multiboot1.h"

/* A boot information with everything that core reads, laid out by hand. */
struct sample {
    struct mb1_info info;
    struct mb1_region map[3];
    struct mb1_module modules[2];
    char command_line[8];
    char loader_name[8];
    char strings[2][32];
} __attribute__((packed));

#define AT(field) ((uint32_t)(FOREIGN_BASE + offsetof(struct sample, field)))

static struct sample make_sample(void)
{
    return (struct sample){
        .info =
            {
                .flags = MB1_INFO_COMMAND_LINE | MB1_INFO_MODULES | MB1_INFO_MEMORY_MAP |
                         MB1_INFO_LOADER_NAME,
                .command_line = AT(command_line),
                .module_count = 2,
                .modules = AT(modules),
                .map_length = 3 * sizeof(struct mb1_region),
                .map = AT(map),
                .loader_name = AT(loader_name),
            },
        .map =
            {
                {20, 0, 0x9fc00, MEMORY_USABLE},
                {20, 0x9fc00, 0, MEMORY_RESERVED},
                {20, 0x100000, 0x3ff00000, MEMORY_USABLE},
            },
        .modules =
            {
                {0x200000, 0x201234, AT(strings[0]), 0},
                {0x300000, 0x300000, AT(strings[1]), 0},
            },
        .command_line = "a b=c",
        .loader_name = "qemu",
        .strings = {"policy.img name=policy x", "name=work.kernel"},
    };
}

static struct boot_info result;

static enum boot_error parse(const struct sample *sample, size_t size)
{
    memset(&result, 0, sizeof(result));
    foreign_set(sample, size);
    return multiboot1_read(foreign_read, FOREIGN_BASE, &result);
}

static enum boot_error parse_all(const struct sample *sample)
{
    return parse(sample, sizeof(*sample));
}

static void everything_is_read(void **state)
{
    struct sample s = make_sample();

    (void)state;
    assert_int_equal(parse_all(&s), BOOT_OK);
    assert_int_equal(result.loader, BOOT_MULTIBOOT1);
    assert_string_equal(result.loader_name, "qemu");
    assert_string_equal(result.command_line, "a b=c");
    assert_int_equal(result.region_count, 2); /* the empty one is left out */
    assert_int_equal(result.regions[1].start, 0x100000);
    assert_int_equal(result.regions[1].end, 0x40000000);
    assert_int_equal(result.regions[1].type, MEMORY_USABLE);
    assert_int_equal(result.module_count, 2);
    assert_int_equal(result.modules[0].start, 0x200000);
    assert_int_equal(result.modules[0].end, 0x201234);
    assert_string_equal(result.modules[0].name, "policy");
    assert_string_equal(result.modules[1].name, "work.kernel");
}

static void no_prefix_of_it_is_overrun(void **state)
{
    struct sample s = make_sample();

    (void)state;
    for (size_t size = 0; size < sizeof(s) - sizeof(s.strings[1]); size++)
        assert_int_not_equal(parse(&s, size), BOOT_OK);
}

static void a_map_is_required(void **state)
{
    struct sample s = make_sample();

    (void)state;
    s.info.map_length = 0;
    assert_int_equal(parse_all(&s), BOOT_MAP_MISSING);
    s = make_sample();
    s.info.flags &= ~MB1_INFO_MEMORY_MAP;
    assert_int_equal(parse_all(&s), BOOT_MAP_MISSING);
}

static void entry_sizes_are_checked(void **state)
{
    const uint32_t bad[] = {0, 19, 21, 69, 0x7fffffff, 0xfffffffb, 0xffffffff};
    struct sample s;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s = make_sample();
        s.map[2].size = bad[i];
        assert_int_equal(parse_all(&s), BOOT_INFO_MALFORMED);
    }
    s = make_sample();
    s.map[0].size = 20 + sizeof(struct mb1_region); /* longer entries may come one day */
    assert_int_equal(parse_all(&s), BOOT_OK);
    assert_int_equal(result.region_count, 2);
}

static void a_region_must_not_wrap(void **state)
{
    struct sample s = make_sample();

    (void)state;
    s.map[0].base = UINT64_MAX - 5;
    s.map[0].length = 7;
    assert_int_equal(parse_all(&s), BOOT_MAP_WRAPS);
}

static void a_map_too_long_is_refused(void **state)
{
    struct {
        struct mb1_info info;
        struct mb1_region map[BOOT_REGIONS + 1];
    } __attribute__((packed))
    s = {.info = {.flags = MB1_INFO_MEMORY_MAP, .map = FOREIGN_BASE + sizeof(struct mb1_info)}};

    (void)state;
    for (unsigned i = 0; i <= BOOT_REGIONS; i++)
        s.map[i] = (struct mb1_region){20, i * 0x1000u, 0x1000, MEMORY_USABLE};
    for (uint32_t count = BOOT_REGIONS; count <= BOOT_REGIONS + 1; count++) {
        s.info.map_length = count * (uint32_t)sizeof(struct mb1_region);
        foreign_set(&s, sizeof(s));
        memset(&result, 0, sizeof(result));
        assert_int_equal(multiboot1_read(foreign_read, FOREIGN_BASE, &result),
                         count == BOOT_REGIONS ? BOOT_OK : BOOT_MAP_TOO_LONG);
    }
}

static void module_tables_and_counts_are_bounded(void **state)
{
    struct sample s = make_sample();

    (void)state;
    s.info.module_count = UINT32_MAX;
    assert_int_equal(parse_all(&s), BOOT_MODULES_TOO_MANY);
    s = make_sample();
    s.info.modules = FOREIGN_BASE + (uint32_t)sizeof(s) - 8;
    assert_int_equal(parse_all(&s), BOOT_INFO_UNREADABLE);
    s = make_sample();
    s.info.modules = 0xfffffff8;
    assert_int_equal(parse_all(&s), BOOT_INFO_UNREADABLE);
}

static void strings_end_or_are_refused(void **state)
{
    struct sample s = make_sample();

    (void)state;
    memset(s.strings[1], 'x', sizeof(s.strings[1])); /* runs to the end of memory */
    assert_int_equal(parse_all(&s), BOOT_INFO_UNREADABLE);
    assert_string_not_equal(result.fault, "");
    s = make_sample();
    s.info.command_line = 0;
    assert_int_equal(parse_all(&s), BOOT_INFO_UNREADABLE);
    s = make_sample();
    s.modules[0].string = 0; /* a module without a string has no name */
    assert_int_equal(parse_all(&s), BOOT_OK);
    assert_string_equal(result.modules[0].name, "");
}

static void long_strings_are_cut_only_where_it_does_no_harm(void **state)
{
    struct {
        struct sample sample;
        char text[BOOT_COMMAND_LINE + 1];
    } __attribute__((packed)) s = {.sample = make_sample()};
    const uint32_t text = FOREIGN_BASE + sizeof(struct sample);

    (void)state;
    memset(s.text, 'y', sizeof(s.text) - 1);
    s.sample.info.loader_name = text;
    assert_int_equal(parse(&s.sample, sizeof(s)), BOOT_OK);
    assert_int_equal(strlen(result.loader_name), BOOT_LOADER_NAME - 1);
    s.sample.info.command_line = text;
    assert_int_equal(parse(&s.sample, sizeof(s)), BOOT_STRING_TOO_LONG);
    s.sample.info.command_line = text + 1;
    assert_int_equal(parse(&s.sample, sizeof(s)), BOOT_OK);
    assert_int_equal(strlen(result.command_line), BOOT_COMMAND_LINE - 1);
}

static void names_are_strict(void **state)
{
    static const char *const bad[] = {
        "name=",         "name=a name=b",  "name=A",
        "name=a/b",      "name=a\tname=b", "f name=\x80 x",
        "name=a  name=", "name=a,b",       "name=aaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    };
    struct sample s;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s = make_sample();
        strcpy(s.strings[0], bad[i]);
        assert_int_equal(parse_all(&s), BOOT_MODULE_NAME);
        assert_non_null(strstr(result.fault, "module 1"));
    }
    s = make_sample();
    strcpy(s.strings[0], "xname=a myname=b name= "); /* only the last is a name, and empty */
    assert_int_equal(parse_all(&s), BOOT_MODULE_NAME);
    strcpy(s.strings[0], "  file  name=a-b_c.0  ");
    assert_int_equal(parse_all(&s), BOOT_OK);
    assert_string_equal(result.modules[0].name, "a-b_c.0");
}

static void names_have_a_greatest_length(void **state)
{
    struct boot_info info = {0};
    char string[5 + BOOT_NAME + 1] = "name=";

    (void)state;
    memset(string + 5, 'n', BOOT_NAME - 1);
    assert_int_equal(loader_add_module(&info, 0, 1, string), BOOT_OK);
    assert_int_equal(strlen(info.modules[0].name), BOOT_NAME - 1);
    string[5 + BOOT_NAME - 1] = 'n';
    assert_int_equal(loader_add_module(&info, 0, 1, string), BOOT_MODULE_NAME);
}

static enum boot_error check(uint64_t start, uint64_t end)
{
    struct sample s = make_sample();

    assert_int_equal(parse_all(&s), BOOT_OK);
    result.modules[1].start = start;
    result.modules[1].end = end;
    return loader_check_modules(&result, 0x11000000, 0x11200000);
}

static void modules_lie_in_memory_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(check(0x300000, 0x301000), BOOT_OK);
    assert_int_equal(check(0x300000, 0x2fffff), BOOT_MODULE_RANGE);
    assert_int_equal(check(0x10fff000, 0x11000001), BOOT_MODULE_RANGE);
    assert_int_equal(check(0x111fffff, 0x11300000), BOOT_MODULE_RANGE);
    assert_int_equal(check(0x11200000, 0x11300000), BOOT_OK);
    assert_int_equal(check(0x9f000, 0x9fc01), BOOT_MODULE_NOT_RAM);
    assert_int_equal(check(0x3ffff000, 0x40000001), BOOT_MODULE_NOT_RAM);
    assert_int_equal(check(0x201233, 0x202000), BOOT_MODULE_OVERLAP);
    assert_non_null(strstr(result.fault, "module 2 (name=work.kernel) at 201233-202000"));
    assert_int_equal(check(0x100000, 0x200001), BOOT_MODULE_OVERLAP);
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
        cmocka_unit_test(a_map_is_required),
        cmocka_unit_test(entry_sizes_are_checked),
        cmocka_unit_test(a_region_must_not_wrap),
        cmocka_unit_test(a_map_too_long_is_refused),
        cmocka_unit_test(module_tables_and_counts_are_bounded),
        cmocka_unit_test(strings_end_or_are_refused),
        cmocka_unit_test(long_strings_are_cut_only_where_it_does_no_harm),
        cmocka_unit_test(names_are_strict),
        cmocka_unit_test(names_have_a_greatest_length),
        cmocka_unit_test(modules_lie_in_memory_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
