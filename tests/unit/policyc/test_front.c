/*
 * Every check of checks.def finds what it is for, at the place where it is. The bad policies
 * and machine descriptions in bad/ say so themselves: `#   ^ id` under a line expects the
 * error `id` at the column of the caret; `#! LINE:COLUMN id` anywhere else.
 */
#include "emit/emit.h"
#include "front/front.h"
#include "testing.h"
#include "verify/verify.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define BAD          "tests/unit/policyc/bad/"
#define MAX_EXPECTED 128u

struct expected {
    uint32_t source, line, column;
    char id[32];
    bool seen;
};

struct expectation {
    struct expected item[MAX_EXPECTED];
    unsigned count;
    struct file_fact fact[8];
    unsigned fact_count;
};

static bool covered[CHECKS];

static void expect(struct expectation *all, uint32_t source, uint32_t line, uint32_t column,
                   const char *id)
{
    struct expected *item = &all->item[all->count++];

    assert_true(all->count < MAX_EXPECTED);
    item->source = source;
    item->line = line;
    item->column = column;
    snprintf(item->id, sizeof(item->id), "%s", id);
}

/* A comment line that is a mark; `line` is the last line that isn't one. */
static bool read_mark(struct expectation *all, uint32_t source, uint32_t line, const char *text)
{
    const char *caret = text + 1 + strspn(text + 1, " ");
    struct file_fact *fact = &all->fact[all->fact_count];
    unsigned at_line, at_column;
    unsigned long long size;
    static char names[8][32];
    char id[32];

    if (text[0] != '#')
        return false;
    if (sscanf(text, "#! file %31s %llu", names[all->fact_count], &size) == 2) {
        fact->name = names[all->fact_count++];
        fact->size = size;
        return true;
    }
    if (sscanf(text, "#! %u:%u %31s", &at_line, &at_column, id) == 3) {
        expect(all, source, at_line, at_column, id);
        return true;
    }
    if (*caret != '^' || sscanf(caret, "^ %31s", id) != 1)
        return false;
    expect(all, source, line, (uint32_t)(caret - text) + 1, id);
    return true;
}

static void read_marks(struct expectation *all, const struct source *source, uint32_t index)
{
    const char *text = source->text;
    uint32_t marked = 0;

    for (uint32_t line = 1; *text != 0; line++) {
        size_t length = strcspn(text, "\n");
        char copy[512];

        assert_true(length < sizeof(copy));
        memcpy(copy, text, length);
        copy[length] = 0;
        if (!read_mark(all, index, marked, copy))
            marked = line;
        text += length + (text[length] == '\n');
    }
}

static bool find(struct expectation *all, const struct finding *finding)
{
    for (unsigned i = 0; i < all->count; i++) {
        struct expected *item = &all->item[i];

        if (item->seen || item->source != finding->at.source || item->line != finding->at.line ||
            item->column != finding->at.column ||
            strcmp(item->id, check_rows[finding->check].id) != 0)
            continue;
        item->seen = true;
        return true;
    }
    return false;
}

/* All errors are expected, and all expected errors are there. */
static bool compare(const struct front *front, struct expectation *all, const char *path)
{
    struct finding finding;
    bool good = true;

    for (unsigned i = 0; front_finding(front, i, &finding); i++) {
        covered[finding.check] = true;
        if (find(all, &finding))
            continue;
        print_error("%s: unexpected %s at %s:%u:%u\n", path, check_rows[finding.check].id,
                    front->source[finding.at.source].path, finding.at.line, finding.at.column);
        good = false;
    }
    for (unsigned i = 0; i < all->count; i++)
        if (!all->item[i].seen) {
            print_error("%s: expected %s at %s:%u:%u, but it was not found\n", path,
                        all->item[i].id, front->source[all->item[i].source].path, all->item[i].line,
                        all->item[i].column);
            good = false;
        }
    return good;
}

static bool run_bad(const char *path)
{
    struct expectation all = {.count = 0};
    struct front front;
    struct image image = {0};
    enum front_result result = front_load(&front, path);
    bool good;

    assert_int_not_equal(result, FRONT_UNREADABLE);
    for (uint32_t i = 0; i < front.source_count; i++)
        read_marks(&all, &front.source[i], i);
    if (result == FRONT_OK &&
        emit_image(&front, all.fact_count != 0 ? all.fact : NULL, all.fact_count, &image))
        verify_image(&front, image.bytes, image.size, false);
    good = compare(&front, &all, path);
    assert_true(all.count != 0);
    free(image.bytes);
    front_free(&front);
    return good;
}

static void bad_policies_are_refused_where_they_are_bad(void **state)
{
    DIR *directory = opendir(BAD);
    unsigned count = 0, wrong = 0;

    (void)state;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        char path[512];

        if (dot == NULL || strcmp(dot, ".policy") != 0)
            continue;
        snprintf(path, sizeof(path), BAD "%s", entry->d_name);
        wrong += !run_bad(path);
        count++;
    }
    closedir(directory);
    assert_true(count >= 10);
    assert_int_equal(wrong, 0);
}

/* Runs behind the others. Those about image files belong to test_hostile, kernels to test_cli.py.
 */
static void every_check_has_a_bad_policy(void **state)
{
    unsigned missing = 0;

    (void)state;
    for (unsigned i = 0; i < CHECKS; i++)
        if (!covered[i] && i != CHECK_image_unreadable && i != CHECK_image_differs &&
            i != CHECK_kernel_unfit && i != CHECK_kernel_outside) {
            print_error("no file in " BAD " shows the check %s\n", check_rows[i].id);
            missing++;
        }
    assert_int_equal(missing, 0);
}

static void texts_are_printed_with_line_and_caret(void **state)
{
    static const char expected[] =
        "x.policy:2:11: error: there is no domain works (did you mean work?). Name a domain, "
        "`trusted` or `untrusted`\n"
        "    2 |     never works reach platform\n"
        "      |           ^~~~~\n";
    static const char text[] =
        "policy \"x\" { version 1 machine \"policy/machines/qemu-q35.machine\"\n"
        "    never works reach platform\n"
        "    domain work { primary untrusted cores 0 interrupts direct memory rest\n"
        "        boot flat \"a\" at 0x100000 } }\n";
    struct front front;
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);

    (void)state;
    assert_int_equal(front_load_text(&front, "x.policy", text), FRONT_ERRORS);
    front_print(&front, out);
    fclose(out);
    assert_string_equal(strstr(printed, "x.policy:2:11"), expected);
    free(printed);
    front_free(&front);
}

/* An error that is about two places names both. */
static void notes_name_the_other_place(void **state)
{
    static const char text[] =
        "policy \"x\" { version 1 machine \"policy/machines/qemu-q35.machine\"\n"
        "    domain a { microvm trusted cores 0 interrupts virtual memory 4 KiB\n"
        "        boot flat \"a\" at 0 }\n"
        "    domain b { primary trusted cores 0 interrupts direct memory rest\n"
        "        boot flat \"b\" at 0 } }\n";
    struct front front;
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);

    (void)state;
    assert_int_equal(front_load_text(&front, "x.policy", text), FRONT_ERRORS);
    front_print(&front, out);
    fclose(out);
    assert_non_null(strstr(printed, "x.policy:4:38: error: core 0 is given to a and b, and b has"));
    assert_non_null(strstr(printed, "x.policy:2:38: note: given here first"));
    free(printed);
    front_free(&front);
}

/* Cut anywhere, a policy is refused, not crashed on. */
static void prefixes_are_refused(void **state)
{
    static char text[1 << 14];
    FILE *file = fopen("policy/laptop.policy", "rb");
    size_t size, end;

    (void)state;
    assert_non_null(file);
    size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    end = (size_t)(strrchr(text, '}') - text);
    for (size_t i = 0; i <= size; i++) {
        struct front front;
        char *prefix = strndup(text, i);

        assert_int_equal(front_load_text(&front, "policy/cut.policy", prefix),
                         i <= end ? FRONT_ERRORS : FRONT_OK);
        front_free(&front);
        free(prefix);
    }
}

#define MUTATIONS 1000

/* Texts with pieces moved about: errors or not, but always an end, and no crash. */
static void garbled_texts_are_survived(void **state)
{
    static char text[1 << 14], garbled[1 << 15];
    FILE *file = fopen("tests/machine/standin.policy", "rb");
    uint32_t random = 20260;
    size_t size;

    (void)state;
    assert_non_null(file);
    size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        struct front front;
        size_t from, to, length;

        random = random * 1664525u + 1013904223u;
        from = random % size;
        random = random * 1664525u + 1013904223u;
        to = random % size;
        length = random >> 24;
        if (from + length > size)
            length = size - from;
        memcpy(garbled, text, to);
        memcpy(garbled + to, text + from, length);
        memcpy(garbled + to + length, text + to, size - to + 1);
        if (i % 3 == 0)
            memmove(garbled + from, garbled + from + length, strlen(garbled + from + length) + 1);
        front_load_text(&front, "tests/machine/garbled.policy", garbled);
        front_free(&front);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_policies_are_refused_where_they_are_bad),
        cmocka_unit_test(every_check_has_a_bad_policy),
        cmocka_unit_test(texts_are_printed_with_line_and_caret),
        cmocka_unit_test(notes_name_the_other_place),
        cmocka_unit_test(prefixes_are_refused),
        cmocka_unit_test(garbled_texts_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
