#include "tests/domains/expect.h"

#include "domains/lib/call.h"
#include "lib/memory.h"

void flat_say(const char *line)
{
    bh_call(BH_CALL_LOG, (uintptr_t)line, strlen(line), 0);
}

void expect(bool is_so, const char *what, int line)
{
    if (is_so)
        return;
    flat_print("FAILED: line %d: %s", line, what);
    flat_stop();
}
