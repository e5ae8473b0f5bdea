#include "show.h"
#include <inttypes.h>
#include <string.h>

static const char *state_name(uint64_t state)
{
    switch (state) {
    case BH_STATE_RUNNING:
        return "running";
    case BH_STATE_STOPPED:
        return "stopped";
    case BH_STATE_CRASHED:
        return "crashed";
    }
    return "?";
}

static void show_verdict(FILE *out, const struct verdict *verdict)
{
    char image[2 * BH_DIGEST + 1];

    fprintf(out, "%s: %s", verdict->name, tier_name(verdict->tier));
    if (verdict->code != CODE_NONE)
        fprintf(out, ", %s %s", code_row(verdict->code)->name, verdict->component);
    if (verdict->is_measured) {
        hex(image, sizeof(image), verdict->image, BH_DIGEST);
        fprintf(out, "; %s, started %" PRIu64 " time%s, image %s", state_name(verdict->state),
                verdict->starts, verdict->starts == 1 ? "" : "s", image);
    }
    fputc('\n', out);
}

static void show_finding(FILE *out, const struct result *result, const struct finding *finding)
{
    const struct code_row *row = code_row(finding->code);

    fprintf(out, "%s %s: %s", row->name, finding->component, row->sentence);
    if (finding->domain != MACHINE &&
        strcmp(result->domain[finding->domain].name, finding->component) != 0)
        fprintf(out, " (%s)", result->domain[finding->domain].name);
    fprintf(out, "\n  expected: %s\n  got:      %s\n", finding->difference.expected,
            finding->difference.got);
}

/* Each code's remedy once. */
static void show_remedies(FILE *out, const struct result *result)
{
    bool is_shown[CODES] = {false};

    for (size_t i = 0; i < result->findings; i++) {
        enum code code = result->finding[i].code;

        if (is_shown[code])
            continue;
        is_shown[code] = true;
        fprintf(out, "%s: %s.\n", code_row(code)->name, code_row(code)->remedy);
    }
}

void show_text(FILE *out, const struct result *result)
{
    if (result->domains == 0)
        fputs("Nothing is said of the machine: the appraisal ended.\n", out);
    else
        fprintf(out, "Launched %s.\n", profile_name(result->profile));
    for (size_t i = 0; i < result->domains; i++)
        show_verdict(out, &result->domain[i]);
    if (result->findings == 0)
        return;
    fputs("\nFound:\n", out);
    for (size_t i = 0; i < result->findings; i++)
        show_finding(out, result, &result->finding[i]);
    fputs("\nWhat to do:\n", out);
    show_remedies(out, result);
}
