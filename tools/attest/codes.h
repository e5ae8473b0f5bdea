/* What an appraisal can find (tables/codes.def), and bhattest's exit statuses. */
#ifndef ATTEST_CODES_H
#define ATTEST_CODES_H

#include <stdbool.h>
#include <stddef.h>

enum exit_status {
    EXIT_AFFIRMING = 0, /* of commands that appraise nothing: done */
    EXIT_WARNING = 1,
    EXIT_CONTRAINDICATED = 2,
    EXIT_EVIDENCE = 3, /* rejected: nothing is said of the machine */
    EXIT_STALE = 4,
    EXIT_ENROLMENT = 5,
    EXIT_REFERENCE = 6,
    EXIT_USAGE = 64,
    EXIT_INTERNAL = 70, /* a fault of bhattest, or a file that can't be read or written */
};

enum code {
    CODE_NONE,
#define CODE(name, check, status, sentence, remedy) CODE_##name,
#include "tables/codes.def"
#undef CODE
    CODES
};

struct code_row {
    const char *name;
    unsigned check; /* 1 to 15 */
    enum exit_status status;
    const char *sentence;
    const char *remedy;
};

/* The row of any code but CODE_NONE. */
const struct code_row *code_row(enum code code);

/* CODE_NONE if there is no code of that name. */
enum code code_find(const char *name);

#endif
