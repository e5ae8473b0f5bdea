/* Vault, as seen from the attacker's end of the channel. */
#include "bulkhead/image.h"
#include "bulkhead/vault.h"
#include "domains/intruder/standin/standin.h"
#include "domains/lib/call.h"
#include "domains/lib/cpu.h"
#include "domains/lib/flat.h"
#include "lib/memory.h"

#define CHANNEL 0

static struct bh_answer found;
static struct bh_vault_channel *channel;

static void ask(void *unused)
{
    (void)unused;
    found = bh_call(BH_CALL_CHANNEL, CHANNEL, 0, 0);
}

bool victim_find(void)
{
    if (flat_try(ask, NULL) >= 0 || found.result != BH_OK ||
        found.b < sizeof(struct bh_vault_channel))
        return false;
    channel = (struct bh_vault_channel *)(uintptr_t)found.a;
    return true;
}

uint64_t victim_channel(void)
{
    return channel ? found.a : 0;
}

uint64_t victim_channel_size(void)
{
    return channel ? found.b : 0;
}

bool is_granted(uint64_t gpa)
{
    return channel && gpa >= found.a && gpa < found.a + found.b;
}

bool wait_until(bool (*done)(void *), void *argument)
{
    uint64_t start = read_tsc();

    while (!done(argument)) {
        if (read_tsc() - start > WAIT_TICKS)
            return false;
        __asm__ volatile("pause");
    }
    return true;
}

static bool is_answered(void *ticket)
{
    return channel->done == *(uint32_t *)ticket;
}

void victim_check(struct report *report)
{
    uint32_t ticket;
    int64_t rung;

    if (!channel) {
        report_breach(report, "vault: there is no channel to it");
        return;
    }
    ticket = channel->ticket + 1;
    ticket += ticket == 0;
    memset(&channel->request, 0, sizeof(channel->request));
    channel->request.op = BH_VAULT_CHECK;
    channel->ticket = ticket;
    rung = bh_call(BH_CALL_RING, CHANNEL, 0, 0).result;
    if (rung != BH_OK)
        report_breach(report, "vault: ringing its doorbell failed with %ld", (long)rung);
    else if (!wait_until(is_answered, &ticket))
        report_breach(report, "vault: no answer");
    else if (channel->reply.status != BH_VAULT_OK)
        report_breach(report, "vault: %.*s", (int)sizeof(channel->reply.comment),
                      channel->reply.comment);
}

bool holds_canary(const volatile void *memory, unsigned bytes)
{
    const volatile uint64_t *words = memory;

    for (unsigned i = 0; i < bytes / sizeof(words[0]); i++) {
        uint64_t word = words[i];

        for (uint32_t n = 0; n < BH_VAULT_CANARY_WORDS; n++)
            if (word == bh_vault_canary(n))
                return true;
    }
    return false;
}
