/* Looking names up, and guessing what a misspelt one was meant to be. */
#include "internal.h"
#include <string.h>

bool overlap(uint64_t base1, uint64_t size1, uint64_t base2, uint64_t size2)
{
    if (size1 == 0 || size2 == 0)
        return false;
    return base1 <= base2 ? base2 - base1 < size1 : base1 - base2 < size2;
}

bool inside(uint64_t base, uint64_t size, uint64_t outer, uint64_t outer_size)
{
    return base >= outer && size <= outer_size && base - outer <= outer_size - size;
}

int find_domain(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->domain_count; i++)
        if (strcmp(policy->domain[i].name.value, name) == 0)
            return (int)i;
    return -1;
}

int find_channel(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->channel_count; i++)
        if (strcmp(policy->channel[i].name.value, name) == 0)
            return (int)i;
    return -1;
}

int find_resource(const struct machine *machine, const char *name)
{
    for (unsigned i = 0; i < machine->resource_count; i++)
        if (strcmp(machine->resource[i].name.value, name) == 0)
            return (int)i;
    return -1;
}

#define LONGEST 40u

/* How many letters must be put in, left out or changed to get from one to the other. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[LONGEST + 1];
    size_t length = strlen(b);

    if (length > LONGEST || strlen(a) > LONGEST)
        return LONGEST;
    for (unsigned j = 0; j <= length; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != 0; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= length; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
            unsigned shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = change < shorter ? change : shorter;
        }
    }
    return row[length];
}

const char *suggest(struct front *front, const char *written, const char *const *candidates)
{
    unsigned best = strlen(written) < 4 ? 2 : 3; /* nearer than that */
    const char *found = NULL;

    for (; *candidates != NULL; candidates++) {
        unsigned far = distance(written, *candidates);

        if (far < best) {
            best = far;
            found = *candidates;
        }
    }
    return found == NULL ? "" : front_format(front, " (did you mean %s?)", found);
}
