#include "core/attest/quote.h"

#include "core/attest/maker.h"
#include "core/platform/platform.h"
#include "lib/memory.h"

/* How long evidence waits for its domain when another wants to make its own, and how long its turn
 * waits for a domain that was told to call again. */
#define KEPT_US 10000000u

/* Guarded by `lock`. Indices + 1; 0: nobody. */
static struct spinlock lock;
static uint32_t owner;        /* whose evidence is being made or kept */
static enum bh_result result; /* of that; BH_E_AGAIN: being made */
static uint64_t kept_until;
static uint32_t waiting; /* has its turn next, so that no domain can ask without end */
static uint64_t waits_until;

/* Whoever calls drives on what is under way. */
static void drive(void)
{
    if (owner == 0 || result != BH_E_AGAIN)
        return;
    result = maker_drive();
    kept_until = time_after(KEPT_US);
}

static bool is_taken(uint32_t who)
{
    if (waiting != 0 && waiting != who && !time_is_over(waits_until))
        return true;
    if (owner == 0)
        return false;
    if (result == BH_E_AGAIN)
        return true;
    return owner != who && result == BH_OK && !time_is_over(kept_until);
}

/* Told to call again. */
static enum bh_result wait_for_turn(uint32_t who)
{
    if (owner != who && (waiting == 0 || waiting == who || time_is_over(waits_until))) {
        waiting = who;
        waits_until = time_after(KEPT_US);
    }
    return BH_E_BUSY;
}

static enum bh_result begin(unsigned index, const struct bh_attest_request *asked)
{
    enum bh_result answer = maker_begin(index, asked);

    owner = answer == BH_OK ? index + 1 : 0;
    result = BH_E_AGAIN;
    if (waiting == index + 1)
        waiting = 0;
    return answer;
}

enum bh_result quote_start(unsigned index, const struct bh_attest_request *asked)
{
    enum bh_result answer;

    if (!spinlock_try(&lock))
        return BH_E_BUSY;
    drive();
    answer = is_taken(index + 1) ? wait_for_turn(index + 1) : begin(index, asked);
    spinlock_release(&lock);
    return answer;
}

enum bh_result quote_poll(unsigned index, uint64_t *size)
{
    enum bh_result answer = BH_E_ARG;

    if (!spinlock_try(&lock))
        return BH_E_AGAIN;
    drive();
    if (owner == index + 1) {
        answer = result;
        *size = maker_evidence().size;
        if (answer != BH_OK && answer != BH_E_AGAIN)
            owner = 0; /* it knows, and nothing is kept */
    }
    spinlock_release(&lock);
    return answer;
}

static enum bh_result copy(uint64_t offset, void *to, uint64_t size, uint64_t *copied)
{
    struct evidence_bytes all = maker_evidence();

    if (offset >= all.size)
        return BH_E_ARG;
    *copied = size < all.size - offset ? size : all.size - offset;
    memcpy(to, (const uint8_t *)all.at + offset, *copied);
    if (offset + *copied == all.size)
        kept_until = 0; /* read to its end: whoever wants may have the next */
    return BH_OK;
}

enum bh_result quote_read(unsigned index, uint64_t offset, void *to, uint64_t size,
                          uint64_t *copied)
{
    enum bh_result answer = BH_E_ARG;

    if (!spinlock_try(&lock))
        return BH_E_AGAIN;
    drive();
    if (owner == index + 1)
        answer = result == BH_OK ? copy(offset, to, size, copied) : result;
    spinlock_release(&lock);
    return answer;
}
