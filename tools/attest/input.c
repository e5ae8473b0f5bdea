#include "input.h"
#include "command.h"
#include <stdlib.h>

#include "signed.h"

enum exit_status input_evidence(const char *path, uint8_t **bytes, struct claims *claims)
{
    struct malformed malformed;
    char fault[FAULT_SIZE];
    size_t size;

    *bytes = file_head(path, BH_EVIDENCE_MAX + 1, &size, fault);
    if (*bytes == NULL)
        return fail(EXIT_INTERNAL, "%s", fault);
    if (claims_read(claims, *bytes, size, &malformed))
        return EXIT_AFFIRMING;
    free(*bytes);
    return fail(EXIT_EVIDENCE, "%s: E101 %s, offset %zu: expected %s", path, malformed.part,
                malformed.offset, malformed.expected);
}
