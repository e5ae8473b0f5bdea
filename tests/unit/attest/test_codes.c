/* The codes of findings: each has all of its row, and can be found by name. */
#include "testing.h"

#include <string.h>

#include "tools/attest/codes.h"

static void each_code_is_found_by_its_name(void **state)
{
    (void)state;
    for (enum code code = CODE_NONE + 1; code < CODES; code++)
        assert_int_equal(code_find(code_row(code)->name), code);
    assert_int_equal(code_find("E999"), CODE_NONE);
    assert_int_equal(code_find(""), CODE_NONE);
}

static void codes_stand_in_the_order_of_their_checks(void **state)
{
    unsigned before = 1;

    (void)state;
    for (enum code code = CODE_NONE + 1; code < CODES; code++) {
        assert_in_range(code_row(code)->check, before, 15);
        before = code_row(code)->check;
    }
    assert_int_equal(before, 15);
}

/* E rejects: never the status of an appraisal that says something of the machine. */
static void letters_agree_with_statuses(void **state)
{
    (void)state;
    for (enum code code = CODE_NONE + 1; code < CODES; code++) {
        const struct code_row *row = code_row(code);

        switch (row->name[0]) {
        case 'E':
            assert_in_range(row->status, EXIT_EVIDENCE, EXIT_REFERENCE);
            break;
        case 'C':
            assert_int_equal(row->status, EXIT_CONTRAINDICATED);
            break;
        default:
            assert_int_equal(row->name[0], 'W');
            assert_int_equal(row->status, EXIT_WARNING);
        }
        assert_true(strlen(row->sentence) > 0 && strlen(row->remedy) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_is_found_by_its_name),
        cmocka_unit_test(codes_stand_in_the_order_of_their_checks),
        cmocka_unit_test(letters_agree_with_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
