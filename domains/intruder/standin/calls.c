/* Hypercalls (bulkhead/abi.h) with arguments that nobody should send. */
#include "domains/intruder/attacks/targets.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/call.h"
#include "domains/lib/flat.h"

#define ROUNDS 8000u
#define SEED   0x2545f4914f6cdd1dull

static uint64_t state;

/* xorshift64*: the same numbers in every run. */
static uint64_t next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * SEED;
}

static uint64_t pick_argument(void)
{
    static const uint64_t special[] = {0,
                                       1,
                                       2,
                                       3,
                                       POOL_BASE,
                                       POOL_BASE - 1,
                                       CORE_BASE,
                                       CORE_BASE - 8,
                                       HOLE_END - 1,
                                       0xfee00000,
                                       0xffffffff,
                                       0x100000000,
                                       UINT64_MAX,
                                       0xfffffffffffff000,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       160,
                                       161,
                                       0xa0000};

    switch (next() % 3) {
    case 0:
        return special[next() % (sizeof(special) / sizeof(special[0]))];
    case 1:
        return next() >> next() % 64;
    default:
        return next();
    }
}

/* Mostly numbers near the true ones; never the one that ends this domain. */
static uint64_t pick_number(void)
{
    uint64_t number;

    switch (next() % 4) {
    case 0:
        number = BH_CALL | next() % (BH_CALLS + 3);
        break;
    case 1:
        number = BH_CALL | (next() & 0xffff);
        break;
    case 2:
        number = next() % 16; /* KVM's */
        break;
    default:
        number = next();
        break;
    }
    return number == (BH_CALL | BH_CALL_STOP) ? BH_CALL | BH_CALLS : number;
}

static bool is_ours(uint64_t number)
{
    return (number & ~0xffffull) == BH_CALL && (number & 0xffff) < BH_CALLS;
}

/* What an answer may be: an error, or success only where a true call asked for something. */
static void judge(struct report *report, uint64_t number, const struct bh_answer *answer)
{
    if (!is_ours(number) && answer->result != BH_E_CALL)
        report_breach(report, "number %lx was answered by %ld", number, (long)answer->result);
    if (is_ours(number) && answer->result < BH_E_UNENROLLED)
        report_breach(report, "number %lx was answered by %ld", number, (long)answer->result);
}

static struct {
    uint64_t number, a, b, c;
    struct bh_answer answer;
} call;

static void make_call(void *unused)
{
    (void)unused;
    call.answer = bh_call_raw(call.number, call.a, call.b, call.c);
}

static void garbage(struct report *report)
{
    unsigned errors = 0;

    state = SEED;
    for (unsigned i = 0; i < ROUNDS; i++) {
        call.number = pick_number();
        call.a = pick_argument();
        call.b = pick_argument();
        call.c = pick_argument();
        if (flat_try(make_call, NULL) >= 0)
            report_breach(report, "number %lx raised exception %u", call.number, flat_fault.vector);
        else
            judge(report, call.number, &call.answer);
        errors += call.answer.result < 0;
    }
    report_detail(report, "%u calls, %u answered by errors", ROUNDS, errors);
}

/* Text to print out of memory that isn't all this domain's: the console would tell secrets. */
static void foreign_text(struct report *report)
{
    static const uint64_t places[] = {
        POOL_BASE,  POOL_BASE - 8, POOL_BASE + 0xff000, CORE_BASE,  HOLE_END - 8,
        IOMMU_BASE, 0xfee00000,    UINT64_MAX - 8,      1ull << 40, UINT64_MAX};
    size_t count = sizeof(places) / sizeof(places[0]);

    for (size_t i = 0; i < count; i++) {
        int64_t result = bh_call(BH_CALL_LOG, places[i], 64, 0).result;

        if (result != BH_E_ADDRESS && result != BH_E_DENIED)
            report_breach(report, "a log line at %lx gave %ld", places[i], (long)result);
    }
    report_detail(report, "%zu log lines from others' memory: errors", count);
}

/* Channels that this domain is no end of. */
static void foreign_channels(struct report *report)
{
    for (uint64_t n = 1; n < 4096; n++) {
        if (bh_call(BH_CALL_CHANNEL, n, 0, 0).result == BH_OK ||
            bh_call(BH_CALL_RING, n, 0, 0).result == BH_OK)
            report_breach(report, "channel %lu answers", n);
    }
    if (bh_call(BH_CALL_CHANNEL, 1ull << 32, 0, 0).result == BH_OK ||
        bh_call(BH_CALL_CHANNEL, UINT64_MAX, 0, 0).result == BH_OK)
        report_breach(report, "a channel number beyond 32 bits answers");
    report_detail(report, "no channel but its own");
}

/* A doorbell in a tight loop must not keep vault from its work. */
static void doorbell_flood(struct report *report)
{
    for (unsigned i = 0; i < 20000; i++)
        bh_call(BH_CALL_RING, 0, 0, 0);
    report_detail(report, "20000 rings");
}

static const struct attack attacks[] = {
    {"call-garbage", garbage, "thousands of hypercalls with random numbers and pointers"},
    {"call-foreign-text", foreign_text, "have core print others' memory"},
    {"call-foreign-channels", foreign_channels, "channels of others"},
    {"call-doorbell-flood", doorbell_flood, "ring vault's doorbell without end"},
};
const struct subject call_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
