#include "command.h"
#include <stdio.h>
#include <string.h>

static const char *status_words(enum exit_status status)
{
    switch (status) {
    case EXIT_AFFIRMING:
        return "affirming";
    case EXIT_WARNING:
        return "warning";
    case EXIT_CONTRAINDICATED:
        return "contraindicated";
    case EXIT_EVIDENCE:
        return "evidence rejected: nothing is said of the machine";
    case EXIT_STALE:
        return "stale: nothing is said of the machine";
    case EXIT_ENROLMENT:
        return "enrolment: nothing is said of the machine";
    case EXIT_REFERENCE:
        return "reference values: nothing is said of the machine";
    case EXIT_USAGE:
    case EXIT_INTERNAL:
        break;
    }
    return "?"; /* no finding has these */
}

static void explain(enum code code)
{
    const struct code_row *row = code_row(code);

    printf("%s: %s.\n\nFound by check %u of 15; exit status %d (%s).\n\n%s.\n", row->name,
           row->sentence, row->check, (int)row->status, status_words(row->status), row->remedy);
}

/* The document docs/codes.md. */
static void explain_all(void)
{
    puts(
        "# What an appraisal can find\n\n"
        "Made by `bhattest explain --all` from `include/tables/codes.def`. The checks are made in\n"
        "this order. The first code with an E ends the appraisal; codes with C (contraindicated)\n"
        "and W (warning) are collected for each domain.\n\n"
        "| check | code | what was found | what to do | exit status |\n"
        "|---|---|---|---|---|");
    for (enum code code = CODE_NONE + 1; code < CODES; code++) {
        const struct code_row *row = code_row(code);

        printf("| %u | %s | %s | %s | %d, %s |\n", row->check, row->name, row->sentence,
               row->remedy, (int)row->status, status_words(row->status));
    }
}

enum exit_status command_explain(char **arguments)
{
    enum code code;

    if (arguments[0] == NULL || arguments[1] != NULL)
        return fail(EXIT_USAGE, "explain needs one code; see bhattest explain --help");
    if (strcmp(arguments[0], "--all") == 0) {
        explain_all();
        return EXIT_AFFIRMING;
    }
    code = code_find(arguments[0]);
    if (code == CODE_NONE)
        return fail(EXIT_USAGE, "there is no code %s; bhattest explain --all lists them",
                    arguments[0]);
    explain(code);
    return EXIT_AFFIRMING;
}
