/* What domains try in vain: counted each, written to the console without flooding it. */
#include <string.h>

#include "bulkhead/evidence.h"
#include "core/audit/audit.h"
#include "core/platform/instructions.h"
#include "lib/format.h"
#include "models/console_model.h"
#include "testing.h"

static const struct bh_domain work = {.name = "work"}, other = {.name = "other"};

static void assert_lines(unsigned expected)
{
    unsigned lines = 0;

    for (const char *at = console_text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, expected);
    console_clear();
}

static void each_kind_has_its_word(void **state)
{
    static const char *const words[] = {
#define VIOLATION(name, word) [VIOLATION_##name] = (word),
#include "tables/violations.def"
#undef VIOLATION
    };
    char line[128];

    (void)state;
    for (unsigned kind = 0; kind < VIOLATIONS; kind++) {
        console_clear();
        audit_violation(&work, 1, (enum violation)kind, 0xfedcba9876543210, UINT64_MAX);
        format(line, sizeof(line), "work: denied %s at 0xfedcba9876543210 (0x%lx)\n", words[kind],
               UINT64_MAX);
        assert_string_equal(console_text, line);
        assert_int_equal(audit_count(1, (enum violation)kind), 1);
    }
}

static void the_first_ones_are_all_written(void **state)
{
    (void)state;
    console_clear();
    for (unsigned i = 0; i < AUDIT_LINES; i++)
        audit_violation(&work, 2, VIOLATION_MSR_READ, i, 0);
    assert_null(strstr(console_text, "by now"));
    assert_lines(AUDIT_LINES);
}

/* Then one line each time that their number has doubled, with the number. */
static void later_ones_at_powers_of_two(void **state)
{
    char line[128];

    (void)state;
    console_clear();
    for (uint64_t count = AUDIT_LINES + 1; count <= 100000; count++) {
        audit_violation(&work, 2, VIOLATION_MSR_READ, 0x10, count);
        if ((count & (count - 1)) != 0) {
            assert_string_equal(console_text, "");
            continue;
        }
        format(line, sizeof(line), "work: denied msr-read at 0x10 (0x%lx), %lu times by now\n",
               count, count);
        assert_string_equal(console_text, line);
        console_clear();
    }
    assert_int_equal(audit_count(2, VIOLATION_MSR_READ), 100000);
}

static void kinds_and_domains_are_counted_apart(void **state)
{
    (void)state;
    console_clear();
    audit_violation(&work, 2, VIOLATION_MSR_WRITE, 0, 0);
    audit_violation(&other, BH_MAX_DOMAINS - 1, VIOLATION_MSR_READ, 0, 0);
    assert_lines(2);
    assert_int_equal(audit_count(2, VIOLATION_MSR_WRITE), 1);
    assert_int_equal(audit_count(BH_MAX_DOMAINS - 1, VIOLATION_MSR_READ), 1);
    assert_int_equal(audit_count(BH_MAX_DOMAINS - 1, VIOLATION_MSR_WRITE), 0);
}

/* What the event log tells of a kind is its first, whatever comes after. */
static void the_first_of_a_kind_is_kept(void **state)
{
    uint64_t before = read_tsc();
    struct audit_first first;

    (void)state;
    console_clear();
    audit_violation(&work, 3, VIOLATION_PORT_WRITE, 0xb2, 1);
    first = audit_first(3, VIOLATION_PORT_WRITE);
    audit_violation(&work, 3, VIOLATION_PORT_WRITE, 0xcf9, 1);
    assert_int_equal(first.address, 0xb2);
    assert_in_range(first.tsc, before, read_tsc());
    assert_int_equal(audit_first(3, VIOLATION_PORT_WRITE).address, 0xb2);
    assert_int_equal(audit_first(3, VIOLATION_PORT_WRITE).tsc, first.tsc);
}

static void what_has_lines_of_its_own_is_counted_without(void **state)
{
    (void)state;
    console_clear();
    assert_int_equal(audit_note(4, VIOLATION_DMA, 0x1000), 1);
    assert_int_equal(audit_note(4, VIOLATION_DMA, 0x2000), 2);
    assert_int_equal(audit_count(4, VIOLATION_DMA), 2);
    assert_int_equal(audit_first(4, VIOLATION_DMA).address, 0x1000);
    assert_lines(0);
}

static void an_end_is_kept_with_its_exit(void **state)
{
    const struct audit_end end = {.asked = true, .exitcode = 0x81, .rip = 0x1234, .tsc = 99};

    (void)state;
    assert_null(audit_end(5));
    audit_set_end(5, &end);
    assert_memory_equal(audit_end(5), &end, sizeof(end));
    assert_null(audit_end(4));
}

static void smis_are_summed_over_domains(void **state)
{
    (void)state;
    assert_int_equal(audit_smis().count, 0);
    audit_smi(0, 500);
    audit_smi(0, 70);
    audit_smi(BH_MAX_DOMAINS - 1, 300);
    assert_int_equal(audit_smis().count, 3);
    assert_int_equal(audit_smis().worst, 500);
    audit_hide_smis();
    assert_true(audit_smis().count == BH_SMIS_HIDDEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_word),
        cmocka_unit_test(the_first_ones_are_all_written),
        cmocka_unit_test(later_ones_at_powers_of_two),
        cmocka_unit_test(kinds_and_domains_are_counted_apart),
        cmocka_unit_test(the_first_of_a_kind_is_kept),
        cmocka_unit_test(what_has_lines_of_its_own_is_counted_without),
        cmocka_unit_test(an_end_is_kept_with_its_exit),
        cmocka_unit_test(smis_are_summed_over_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
