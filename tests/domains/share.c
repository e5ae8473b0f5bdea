/* Domains that share a core with others. Which of them this is its image says. */
#include "tests/domains/share.h"

#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "lib/memory.h"

/* The test writes other words here. */
static const volatile char role[24] = "ROLE:none              ";
static const volatile char keys[12] = "KEYS:hidden";

bool share_has_keys;

struct table *table;

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

static bool is_role(const char *name)
{
    unsigned i = 0;

    for (; name[i]; i++)
        if (role[5 + i] != name[i])
            return false;
    return role[5 + i] == ' ';
}

void flat_main(void)
{
    struct bh_answer channel = bh_call(BH_CALL_CHANNEL, 0, 0, 0);

    if (channel.result == BH_OK)
        table = (struct table *)(uintptr_t)channel.a;
    share_has_keys = keys[5] == 't';
    if (is_role("early"))
        share_state(0);
    else if (is_role("late"))
        share_state(1);
    else
        EXPECT(!"this image has no role");
}
