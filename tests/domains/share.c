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

static void be_early(void)
{
    share_state(0);
}

static void be_late(void)
{
    share_state(1);
}

static void pass_first(void)
{
    share_pass(0);
}

static void pass_back(void)
{
    share_pass(1);
}

static void be_left(void)
{
    share_pair(0);
}

static void be_right(void)
{
    share_pair(1);
}

static const struct {
    const char *name;
    void (*run)(void);
} roles[] = {
    {"early", be_early},
    {"late", be_late},
    {"spins", share_spin_for_ever},
    {"exits", share_exit_for_ever},
    {"wakes", share_wake_for_ever},
    {"sleeps", share_sleep_for_ever},
    {"answers", share_answer_for_ever},
    {"beats", share_beat_for_ever},
    {"measures", share_measure},
    {"asks", share_ask},
    {"passes", pass_first},
    {"returns", pass_back},
    {"stops", share_stop},
    {"crashes", share_crash},
    {"left", be_left},
    {"right", be_right},
    {"stays", share_pair_for_ever},
};

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
    for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (is_role(roles[i].name)) {
            roles[i].run();
            return;
        }
    EXPECT(!"this image has no role");
}
