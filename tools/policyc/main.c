/* policyc: checks policies, compiles them into signed policy images, and checks those. */
#include "command.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const struct command {
    const char *name;
    enum exit_code (*run)(char **arguments);
    const char *usage;
    const char *help;
} commands[] = {
    {"check", command_check, "policyc check POLICY",
     "Read the policy and its machine description and report everything that is wrong.\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

enum exit_code fail(enum exit_code code, const char *format, ...)
{
    va_list arguments;

    fputs("policyc: error: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

enum exit_code load_policy(struct front *front, const char *path)
{
    enum front_result result = front_load(front, path);

    if (result == FRONT_UNREADABLE)
        return fail(EXIT_IO, "%s can't be read: %s", path, strerror(errno));
    front_print(front, stderr);
    if (result == FRONT_ERRORS) {
        fprintf(stderr, "%u error%s\n", front->errors, front->errors == 1 ? "" : "s");
        return EXIT_POLICY;
    }
    return EXIT_OK;
}

static void help(FILE *out)
{
    fputs("policyc compiles a policy into the bits that CPU and IOMMU read.\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s\n", commands[i].usage);
    fputs(
        "\nEach command explains itself with --help. Exit status: 0 all is well, 1 the policy or\n"
        "image is wrong, 2 the command line is, 3 a file can't be read or written.\n",
        out);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        for (char **argument = argv + 2; *argument != NULL; argument++)
            if (strcmp(*argument, "--help") == 0) {
                printf("usage: %s\n\n%s", commands[i].usage, commands[i].help);
                return EXIT_OK;
            }
        return (int)commands[i].run(argv + 2);
    }
    return (int)fail(EXIT_USAGE, "there is no command %s; see policyc --help", argv[1]);
}
