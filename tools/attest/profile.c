#include "profile.h"
#include <stddef.h>
#include <string.h>

static const char *const names[] = {"none", "unmeasured", "static", "dynamic"};

enum profile profile_find(const char *name)
{
    for (size_t i = PROFILE_UNMEASURED; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return (enum profile)i;
    return PROFILE_NONE;
}

const char *profile_name(enum profile profile)
{
    return names[profile];
}
