/*
 * Every register that a domain can reach (include/tables/vcpu_state.def): what it holds at first,
 * and whether it keeps a value of the domain's own while another domain, which does the same with
 * values of its own, has the core again and again.
 */
#include "lib/memory.h"
#include "tests/domains/share_registers.h"

#define TURNS  40      /* of the other one, at least */
#define ROUNDS 3000000 /* through share_spin: longer than a turn */
#define WORDS  34      /* of the longest row */

static const struct {
    const char *name;
    uint64_t first;
} about[ROWS] = {
#define VCPU_STATE(name, kept, number, first, init, text) {#name, (first)},
#include "tables/vcpu_state.def"
#undef VCPU_STATE
};

static uint64_t pattern(unsigned row, unsigned who, unsigned word)
{
    return ((row * 64u + word) * 2u + who + 1u) * 0x9e3779b97f4a7c15ull;
}

static void own_value(unsigned row, unsigned who, uint64_t *words)
{
    const struct way *way = &ways[row];

    for (unsigned i = 0; i < way->count; i++)
        words[i] = way->mask ? pattern(row, who, i) & way->mask : way->value[who][i];
    if (row == ROW_x87) { /* no exception is pending, all registers are in use */
        words[0] = (who ? 0x4100 : 0x2800) | 0xff0000;
        for (unsigned i = 1; i < 17; i++)
            words[i] = i % 2 ? pattern(row, who, i) : words[i];
    }
    if (row == ROW_rflags)
        words[0] &= SHARE_FLAGS;
    if (row == ROW_pkru && !share_has_keys)
        words[0] = 0;
}

static void compare(unsigned row, const uint64_t *words, const uint64_t *wanted, const char *when)
{
    for (unsigned i = 0; i < ways[row].count; i++)
        if (words[i] != wanted[i]) {
            flat_print("FAILED: %s %s: word %u is %lx, not %lx", about[row].name, when, i, words[i],
                       wanted[i]);
            flat_stop();
        }
}

/* Those that the domain's way to boot and start.S don't set. */
static void expect_first(unsigned row)
{
    uint64_t words[WORDS] = {0}, wanted[WORDS] = {0};

    switch (row) {
    case ROW_gpr:
        for (unsigned i = 0; i < 4; i++)
            EXPECT(share_first[i] == 0);
        return;
    case ROW_fcw:
        EXPECT((uint16_t)share_first[4] == about[row].first);
        return;
    case ROW_rflags: /* POPF and FS, as start.S has them */
    case ROW_cr0:
    case ROW_fs_base:
        return;
    default:
        ways[row].get(ways[row].argument, words);
    }
    for (unsigned i = 0; i < ways[row].count; i++)
        wanted[i] = about[row].first;
    compare(row, words, wanted, "at first");
}

static void for_each(void (*run)(unsigned row, unsigned who), unsigned who)
{
    for (unsigned row = 0; row < ROWS; row++)
        run(row, who);
}

static void fill(unsigned row, unsigned who)
{
    uint64_t words[WORDS] = {0};

    own_value(row, who, words);
    ways[row].set(ways[row].argument, words);
}

static void check(unsigned row, unsigned who)
{
    uint64_t words[WORDS] = {0}, wanted[WORDS] = {0};

    own_value(row, who, wanted);
    ways[row].get(ways[row].argument, words);
    compare(row, words, wanted, "after a turn of the other one");
}

static void tell(unsigned row, unsigned who)
{
    (void)who;
    flat_print("whole: %s", about[row].name);
}

void share_state(unsigned who)
{
    uint64_t seen = table->beats[!who];
    unsigned turns = 0;

    EXPECT(who == 0 || table->filled); /* else it would be the first one itself */
    share_prepare();
    for (unsigned row = 0; row < ROWS; row++) {
        EXPECT(ways[row].get && ways[row].set);
        expect_first(row);
    }
    for_each(fill, who);
    if (who == 0)
        table->filled = 1;
    while (turns < TURNS) {
        for (unsigned row = ROW_gpr; row <= ROW_rflags; row++)
            fill(row, who);
        share_spin_rounds = ROUNDS;
        share_spin();
        for_each(check, who);
        table->beats[who]++;
        if (table->beats[!who] != seen)
            turns++;
        seen = table->beats[!who];
    }
    for_each(tell, who);
    flat_print("all registers are whole");
}
