#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/platform/console.h"
#include "core/platform/panic.h"
#include "lib/format.h"
#include "models/console_model.h"
#include "testing.h"

#define TEXT_SIZE   65536
#define FATAL_EXITS 99 /* status of a child that ended in fatal() */

char console_text[TEXT_SIZE];
static int fatal_pipe = -1;

void console_clear(void)
{
    console_text[0] = '\0';
}

void console_line(const char *prefix, const char *text)
{
    assert_true(strlen(console_text) + strlen(prefix) + strlen(text) + 2 <= TEXT_SIZE);
    strcat(console_text, prefix);
    strcat(console_text, text);
    strcat(console_text, "\n");
}

void print(const char *fmt, ...)
{
    char line[CONSOLE_LINE + 1];
    va_list arguments;

    va_start(arguments, fmt);
    size_t length = format_arguments(line, sizeof(line), fmt, arguments);
    va_end(arguments);
    assert_in_range(length, 1, CONSOLE_LINE);
    console_line("", line);
}

void fatal(const char *fmt, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, fmt);
    size_t length = format_arguments(text, sizeof(text), fmt, arguments);
    va_end(arguments);
    if (fatal_pipe < 0) {
        fprintf(stderr, "fatal: %s\n", text);
        _exit(1);
    }
    _exit(write(fatal_pipe, text, length) == (ssize_t)length ? FATAL_EXITS : 1);
}

void expect_fatal(void (*run)(void *), void *argument, const char *part)
{
    int ends[2], status;
    char text[512];
    ssize_t length;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);

    pid_t child = fork();

    assert_true(child >= 0);
    if (!child) {
        fatal_pipe = ends[1];
        run(argument);
        _exit(0);
    }
    close(ends[1]);
    length = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    text[length > 0 ? length : 0] = '\0';
    if (!WIFEXITED(status) || WEXITSTATUS(status) != FATAL_EXITS)
        fail_msg("expected to stop with \"%s\", got status %x and \"%s\"", part, status, text);
    if (!strstr(text, part))
        fail_msg("expected to stop with \"%s\", got \"%s\"", part, text);
    if (length > CONSOLE_LINE || !strstr(text, ". "))
        fail_msg("expected cause and remedy in one line, got \"%s\"", text);
}
