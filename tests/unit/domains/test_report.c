/* An attack's line: one breach is enough, whatever else was refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domains/intruder/report.h"

static void refused_shows_the_last_detail(void **state)
{
    struct report report = {0};
    char line[REPORT_LINE_MAX];

    (void)state;
    report_detail(&report, "port %x", 0x92);
    report_detail(&report, "%u ports", 3u);
    report_line(&report, "intruder", "a", line);
    assert_string_equal(line, "intruder: a: refused (3 ports)");
}

static void breach_wins_over_details(void **state)
{
    struct report report = {0};
    char line[REPORT_LINE_MAX];

    (void)state;
    report_breach(&report, "port %x answers", 0x92);
    report_detail(&report, "all is well");
    report_line(&report, "intruder", "a", line);
    assert_string_equal(line, "intruder: a: BREACH (port 92 answers)");
    report_breach(&report, "another");
    report_breach(&report, "and another");
    report_line(&report, "intruder", "a", line);
    assert_string_equal(line, "intruder: a: BREACH (port 92 answers; 2 more)");
}

static void long_texts_are_cut(void **state)
{
    struct report report = {0};
    char line[REPORT_LINE_MAX], text[2 * REPORT_LINE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    report_breach(&report, "%s", text);
    report_breach(&report, "%s", text);
    report_line(&report, "intruder", text, line);
    assert_int_equal(strlen(line), REPORT_LINE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_shows_the_last_detail),
        cmocka_unit_test(breach_wins_over_details),
        cmocka_unit_test(long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
