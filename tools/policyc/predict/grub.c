#include "grub.h"
#include "words.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct run {
    const struct grub_boot *boot;
    struct grub_measured *measured;
    const struct grub_script *script; /* being carried out */
    unsigned line;
    struct words words;
    char path[GRUB_SCRIPTS_MAX][WORDS_ROOM]; /* of boot->script, as the scripts say it */
    bool is_carried_out[GRUB_SCRIPTS_MAX];
    unsigned paths;
    const struct grub_script *next; /* configfile has named it */
    bool has_core, is_booted;
    bool is_loaded[GRUB_FILES_MAX]; /* boot->module */
};

/* Note a fault with its place; false. */
static bool refuse(struct run *run, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(struct run *run, const char *remedy, const char *format, ...)
{
    char cause[GRUB_FAULT_SIZE / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(cause, sizeof(cause), format, arguments);
    va_end(arguments);
    snprintf(run->measured->fault, sizeof(run->measured->fault), "%s:%u: %.250s. %s",
             run->script->path, run->line, cause, remedy);
    return false;
}

static bool add_file(struct run *run, const char *name, const uint8_t sha256[32])
{
    struct grub_measured *measured = run->measured;

    if (measured->files == GRUB_FILES_MAX)
        return refuse(run, "Load fewer files", "this is more than %u files", GRUB_FILES_MAX);
    snprintf(measured->file[measured->files].name, GRUB_NAME_SIZE, "%s", name);
    memcpy(measured->file[measured->files++].sha256, sha256, 32);
    pcr_extend(measured->pcr9, sha256);
    return true;
}

static const char *word(const struct run *run, unsigned index)
{
    return run->words.word[index];
}

/* The script of that path: scripts are given in the order in which paths come up. */
static bool add_script(struct run *run, const char *path, unsigned *index)
{
    char name[GRUB_NAME_SIZE] = "grub.cfg";

    for (*index = 0; *index < run->paths; ++*index)
        if (strcmp(run->path[*index], path) == 0)
            break;
    if (*index == run->boot->scripts)
        return refuse(run, "Give all scripts by --grub, in the order in which GRUB reads them",
                      "%s is script %u, but fewer were given", path, *index + 1);
    if (*index == run->paths)
        strcpy(run->path[run->paths++], path);
    if (*index != 0)
        snprintf(name, sizeof(name), "grub.cfg-%u", *index + 1);
    return add_file(run, name, run->boot->script[*index].sha256);
}

/* ---- commands ---- */

static bool run_echo(struct run *run)
{
    (void)run;
    return true;
}

/* Of variables only those that change nothing that is measured. */
static bool run_set(struct run *run)
{
    static const char *const known[] = {
        "timeout=", "timeout_style=", "default=", "root=", "gfxmode=", "gfxpayload="};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && run->words.count == 2; i++)
        if (strncmp(word(run, 1), known[i], strlen(known[i])) == 0)
            return true;
    return refuse(run,
                  "Of variables `set NAME=VALUE` may set timeout, timeout_style, default, root, "
                  "gfxmode and gfxpayload",
                  "this may change what GRUB does");
}

/* It opens the file where it finds it, which measures it. */
static bool run_search(struct run *run)
{
    static const char remedy[] = "Write `search --no-floppy --set=root --file PATH`";
    const char *path = NULL;
    bool is_file = false;
    unsigned index;

    for (unsigned i = 1; i < run->words.count; i++) {
        const char *option = word(run, i);

        if (strcmp(option, "--file") == 0 || strcmp(option, "-f") == 0)
            is_file = true;
        else if (option[0] != '-' && path == NULL)
            path = option;
        else if (strcmp(option, "--no-floppy") != 0 && strcmp(option, "--set=root") != 0)
            return refuse(run, remedy, "search can't be predicted with %s", option);
    }
    if (!is_file || path == NULL)
        return refuse(run, remedy, "search can be predicted for a file only");
    return add_script(run, path, &index);
}

static bool run_configfile(struct run *run)
{
    unsigned index;

    if (run->words.count != 2)
        return refuse(run, "Write `configfile PATH`", "configfile takes one path");
    if (!add_script(run, word(run, 1), &index))
        return false;
    if (run->is_carried_out[index])
        return refuse(run, "Remove it", "GRUB has been through this script already");
    run->is_carried_out[index] = true;
    run->next = &run->boot->script[index];
    return true;
}

/* GRUB hands the words on in one string, with quotes around those that have spaces, and \ before
 * quotes; that string is measured, too. */
static bool measure_arguments(struct run *run)
{
    char text[3 * WORDS_ROOM];
    size_t used = 0;

    for (unsigned i = 2; i < run->words.count; i++) {
        bool has_space = strchr(word(run, i), ' ') != NULL;

        if (strchr(word(run, i), '\\') != NULL)
            return refuse(run, "Leave it out", "GRUB hands on a \\ in its own way");
        used += (size_t)sprintf(text + used, "%s%s", i == 2 ? "" : " ", has_space ? "\"" : "");
        for (const char *c = word(run, i); *c != 0; c++) {
            if (*c == '"' || *c == '\'')
                text[used++] = '\\';
            text[used++] = *c;
        }
        if (has_space)
            text[used++] = '"';
    }
    pcr_measure(run->measured->pcr8, text, used);
    return true;
}

static bool run_multiboot2(struct run *run)
{
    if (run->words.count < 2 || word(run, 1)[0] != '/')
        return refuse(run, "Write `multiboot2 /PATH ARGUMENTS`", "multiboot2 takes a path first");
    if (run->has_core)
        return refuse(run, "Remove it", "core is loaded already");
    run->has_core = true;
    return add_file(run, "core", run->boot->core) && measure_arguments(run);
}

static bool run_module2(struct run *run)
{
    const struct grub_boot *boot = run->boot;
    const char *name;

    if (run->words.count != 3 || word(run, 1)[0] != '/' || strncmp(word(run, 2), "name=", 5) != 0)
        return refuse(run, "Write `module2 /PATH name=NAME`", "core finds modules by their names");
    if (!run->has_core)
        return refuse(run, "Put multiboot2 first", "no kernel is loaded that takes modules");
    name = word(run, 2) + 5;
    for (unsigned i = 0; i < boot->modules; i++) {
        if (strcmp(boot->module[i].name, name) != 0)
            continue;
        if (run->is_loaded[i])
            return refuse(run, "Remove it", "two modules are called %s", name);
        run->is_loaded[i] = true;
        return add_file(run, name, boot->module[i].sha256) && measure_arguments(run);
    }
    snprintf(run->measured->fault, sizeof(run->measured->fault),
             "%s:%u: no file is given for the module %s. Add --files %s=PATH", run->script->path,
             run->line, name, name);
    return false;
}

static bool run_boot(struct run *run)
{
    run->is_booted = true;
    if (run->words.count != 1)
        return refuse(run, "Write `boot` alone", "boot takes nothing");
    if (!run->has_core)
        return refuse(run, "Put multiboot2 before it", "nothing is loaded to boot");
    return true;
}

static const struct command {
    const char *name;
    bool (*run)(struct run *run);
} commands[] = {
    {"boot", run_boot},     {"configfile", run_configfile}, {"echo", run_echo},
    {"search", run_search}, {"module2", run_module2},       {"multiboot2", run_multiboot2},
    {"set", run_set},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- scripts ---- */

static void measure_command(struct run *run)
{
    char text[WORDS_ROOM];
    size_t used = 0;

    for (unsigned i = 0; i < run->words.count; i++)
        used += (size_t)sprintf(text + used, "%s%s", i == 0 ? "" : " ", word(run, i));
    pcr_measure(run->measured->pcr8, text, used);
}

static bool run_line(struct run *run, const char *line, size_t length)
{
    const struct words_fault *fault = words_split(&run->words, line, length);

    if (fault != NULL)
        return refuse(run, fault->remedy, "%s", fault->cause);
    if (run->words.count == 0)
        return true;
    if (run->next != NULL || run->is_booted)
        return refuse(run, "Remove it", "GRUB doesn't come to what is behind boot or configfile");
    measure_command(run);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, word(run, 0)) == 0)
            return commands[i].run(run);
    return refuse(run,
                  "Use boot, configfile, echo, module2, multiboot2, search and set alone, one a "
                  "line, without variables, conditions and menus",
                  "what GRUB does at `%s` can't be predicted", word(run, 0));
}

static bool run_script(struct run *run)
{
    const char *at = run->script->text;
    size_t left = run->script->size;

    for (run->line = 1; left != 0; run->line++) {
        const char *end = memchr(at, '\n', left);
        size_t length = end != NULL ? (size_t)(end - at) : left;

        if (!run_line(run, at, length))
            return false;
        at += length + (end != NULL);
        left -= length + (end != NULL);
    }
    return true;
}

/* Nothing was given that GRUB doesn't use. */
static bool check_use(struct run *run)
{
    for (unsigned i = 0; i < run->boot->scripts; i++)
        if (!run->is_carried_out[i])
            return refuse(run, "Leave it out, or have a configfile name it",
                          "GRUB never gets to the script %s", run->boot->script[i].path);
    for (unsigned i = 0; i < run->boot->modules; i++)
        if (!run->is_loaded[i])
            return refuse(run, "Add a module2 line, or leave the file out",
                          "GRUB never loads the module %s", run->boot->module[i].name);
    return true;
}

bool grub_predict(const struct grub_boot *boot, struct grub_measured *measured)
{
    static struct run run;

    memset(measured, 0, sizeof(*measured));
    memset(&run, 0, sizeof(run));
    run.boot = boot;
    run.measured = measured;
    pcr_reset(measured->pcr8, PCR_STATIC);
    pcr_reset(measured->pcr9, PCR_STATIC);
    run.script = run.next = &boot->embedded;
    if (boot->modules > GRUB_FILES_MAX)
        return refuse(&run, "Load fewer files", "these are more than %u files", GRUB_FILES_MAX);
    while (run.next != NULL) {
        run.script = run.next;
        run.next = NULL;
        if (!run_script(&run))
            return false;
    }
    if (!run.is_booted)
        return refuse(&run, "End it with `boot` or `configfile PATH`", "nothing is booted");
    return check_use(&run);
}
