/* Errors: kept until all are found, then printed in the order of the text. */
#include "internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NOTES 2u

struct diagnostic {
    struct diagnostic *next; /* in the order of the text */
    enum check check;
    struct place at;
    const char *text;
    struct {
        struct place at;
        const char *text;
    } note[MAX_NOTES];
    unsigned note_count;
};

const struct check_row check_rows[CHECKS] = {
#define CHECK(id, text, remedy) [CHECK_##id] = {#id, text, remedy},
#include "tables/checks.def"
#undef CHECK
};

#define MAX_ARGUMENTS 5u

/* Put the arguments where the template names them. */
static char *fill(struct front *front, const char *template, const char *const *arguments,
                  unsigned count)
{
    char *text = front_format(front, "%s", "");

    while (*template != 0) {
        const char *brace = strchr(template, '{');

        if (brace == NULL || brace[1] < '0' || brace[1] > '9' || brace[2] != '}')
            brace = NULL;
        if (brace == NULL)
            return front_format(front, "%s%s", text, template);
        unsigned index = (unsigned)(brace[1] - '0');

        text = front_format(front, "%s%.*s%s", text, (int)(brace - template), template,
                            index < count ? arguments[index] : "?");
        template = brace + 3;
    }
    return text;
}

static bool before(struct place a, struct place b)
{
    if (a.source != b.source)
        return a.source < b.source;
    if (a.line != b.line)
        return a.line < b.line;
    return a.column < b.column;
}

/* What is no number or string has been reported: what it would mean doesn't matter. */
static bool is_spoilt(const struct front *front, struct place at)
{
    for (const struct diagnostic *d = front->diagnostics; d != NULL; d = d->next)
        if (d->check <= CHECK_bad_string && d->check != CHECK_syntax && d->at.line == at.line &&
            d->at.column == at.column && d->at.source == at.source)
            return true;
    return false;
}

bool report(struct front *front, enum check check, struct place at, ...)
{
    const char *arguments[MAX_ARGUMENTS];
    struct diagnostic *new;
    struct diagnostic **slot = &front->diagnostics;
    unsigned count = 0;
    va_list list;

    front->newest = NULL;
    if (is_spoilt(front, at))
        return false;
    new = front_alloc(front, sizeof(*new));
    va_start(list, at);
    for (const char *argument; (argument = va_arg(list, const char *)) != NULL;)
        if (count < MAX_ARGUMENTS)
            arguments[count++] = argument;
    va_end(list);
    new->check = check;
    new->at = at;
    new->text = front_format(front, "%s. %s", fill(front, check_rows[check].text, arguments, count),
                             fill(front, check_rows[check].remedy, arguments, count));
    while (*slot != NULL && !before(at, (*slot)->at))
        slot = &(*slot)->next;
    new->next = *slot;
    *slot = new;
    front->newest = new;
    front->errors++;
    return false;
}

void report_note(struct front *front, struct place at, const char *text)
{
    struct diagnostic *newest = front->newest;

    if (newest == NULL || newest->note_count == MAX_NOTES)
        return;
    newest->note[newest->note_count].at = at;
    newest->note[newest->note_count].text = text;
    newest->note_count++;
}

/* The line of the text, and a caret under the place. */
static void print_line(const struct source *source, struct place at, FILE *out)
{
    const char *line =
        source->text + source_offset(source, (struct place){.line = at.line, .column = 1});
    int length = (int)strcspn(line, "\r\n");

    fprintf(out, "%5u | %.*s\n      | ", at.line, length, line);
    for (uint32_t i = 1; i < at.column; i++)
        fputc((int)i <= length && line[i - 1] == '\t' ? '\t' : ' ', out);
    fputc('^', out);
    for (uint32_t i = 1; i < at.length; i++)
        fputc('~', out);
    fputc('\n', out);
}

static void print_one(const struct front *front, struct place at, const char *kind,
                      const char *text, FILE *out)
{
    const struct source *source = &front->source[at.source];

    if (at.line == 0) {
        fprintf(out, "%s: %s: %s\n", source->path, kind, text);
        return;
    }
    fprintf(out, "%s:%u:%u: %s: %s\n", source->path, at.line, at.column, kind, text);
    print_line(source, at, out);
}

void front_print(const struct front *front, FILE *out)
{
    for (const struct diagnostic *d = front->diagnostics; d != NULL; d = d->next) {
        print_one(front, d->at, "error", d->text, out);
        for (unsigned i = 0; i < d->note_count; i++)
            print_one(front, d->note[i].at, "note", d->note[i].text, out);
    }
}

bool front_finding(const struct front *front, unsigned index, struct finding *finding)
{
    const struct diagnostic *d = front->diagnostics;

    while (d != NULL && index-- > 0)
        d = d->next;
    if (d == NULL)
        return false;
    finding->check = d->check;
    finding->at = d->at;
    return true;
}
