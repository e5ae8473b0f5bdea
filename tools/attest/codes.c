#include "codes.h"
#include <string.h>

static const struct code_row rows[CODES] = {
#define CODE(name, check, status, sentence, remedy) \
    [CODE_##name] = {#name, (check), EXIT_##status, (sentence), (remedy)},
#include "tables/codes.def"
#undef CODE
};

const struct code_row *code_row(enum code code)
{
    return &rows[code];
}

enum code code_find(const char *name)
{
    for (enum code code = CODE_NONE + 1; code < CODES; code++)
        if (strcmp(rows[code].name, name) == 0)
            return code;
    return CODE_NONE;
}
