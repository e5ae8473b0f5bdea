#include "command.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum exit_status fail(enum exit_status status, const char *format, ...)
{
    va_list arguments;

    fputs("bhattest: error: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

static const struct option *find(const struct option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

/* How many arguments the option took; 0: it lacks its value. */
static size_t take(const struct option *option, char **arguments)
{
    if (option->flag != NULL) {
        *option->flag = true;
        return 1;
    }
    if (arguments[1] == NULL)
        return 0;
    *option->value = arguments[1];
    return 2;
}

static enum exit_status check_required(const char *command, const struct option *options,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (options[i].is_required && *options[i].value == NULL)
            return fail(EXIT_USAGE, "%s needs %s; see bhattest %s --help", command, options[i].name,
                        command);
    return EXIT_AFFIRMING;
}

enum exit_status parse_arguments(const char *command, char **arguments,
                                 const struct option *options, size_t count, const char **words,
                                 size_t wanted)
{
    size_t found = 0, taken;

    while (*arguments != NULL) {
        const struct option *option = find(options, count, *arguments);

        if (option == NULL && (**arguments == '-' || found == wanted))
            return fail(EXIT_USAGE, "%s doesn't know what to do with %s; see bhattest %s --help",
                        command, *arguments, command);
        if (option == NULL) {
            words[found++] = *arguments++;
            continue;
        }
        if (option->value != NULL && *option->value != NULL)
            return fail(EXIT_USAGE, "%s was given twice; see bhattest %s --help", *arguments,
                        command);
        taken = take(option, arguments);
        if (taken == 0)
            return fail(EXIT_USAGE, "%s needs a value behind it; see bhattest %s --help",
                        *arguments, command);
        arguments += taken;
    }
    if (found < wanted)
        return fail(EXIT_USAGE, "%s needs %zu argument%s besides options; see bhattest %s --help",
                    command, wanted, wanted == 1 ? "" : "s", command);
    return check_required(command, options, count);
}
