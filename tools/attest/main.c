/* bhattest, the verifier: says from outside what state a machine that runs Bulkhead is in. */
#include "command.h"
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    enum exit_status (*run)(char **arguments);
    const char *usage;
    const char *help;
} commands[] = {
    {"explain", command_explain, "bhattest explain CODE | --all",
     "Says what a finding's code means and what to do; --all: of every code, as the document\n"
     "docs/codes.md.\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
    fputs("bhattest appraises evidence: it says, per domain, what state a machine is in.\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s\n", commands[i].usage);
    fputs(
        "\nEach command explains itself with --help. Exit status: 0 affirming (or done),\n"
        "1 warning, 2 contraindicated, 3 evidence rejected, 4 stale, 5 enrolment, 6 reference\n"
        "values, 64 the command line is wrong, 70 a file can't be read or written, or a fault of\n"
        "bhattest's.\n",
        out);
}

static int run(const struct command *command, char **arguments)
{
    for (char **argument = arguments; *argument != NULL; argument++)
        if (strcmp(*argument, "--help") == 0) {
            printf("usage: %s\n\n%s", command->usage, command->help);
            return EXIT_AFFIRMING;
        }
    return (int)command->run(arguments);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return EXIT_AFFIRMING;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run(&commands[i], argv + 2);
    return (int)fail(EXIT_USAGE, "there is no command %s; see bhattest --help", argv[1]);
}
