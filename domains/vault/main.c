/*
 * Vault: a trusted domain that keeps a signing key which no other domain ever sees. It has
 * no devices; all that reaches it is one page of memory shared with its client.
 */
#include <stddef.h>

#include "bulkhead/image.h"
#include "domains/lib/call.h"
#include "domains/lib/flat.h"
#include "domains/vault/service.h"
#include "lib/memory.h"

#define CLIENT 0 /* the channel that the policy lists first */

static struct vault vault;

void flat_say(const char *line)
{
    size_t length = strlen(line);

    bh_call(BH_CALL_LOG, (uintptr_t)line, length < BH_LOG_MAX ? length : BH_LOG_MAX, 0);
}

static const volatile uint64_t *fill_canary(void)
{
    volatile uint64_t *canary = (volatile uint64_t *)(uintptr_t)BH_VAULT_CANARY_GPA;

    flat_map(BH_VAULT_CANARY_GPA, BH_VAULT_CANARY_GPA);
    for (uint32_t i = 0; i < BH_VAULT_CANARY_WORDS; i++)
        canary[i] = bh_vault_canary(i);
    return canary;
}

/* Returns the channel's page, mapped, or NULL if there is none that fits. */
static struct bh_vault_channel *open_channel(void)
{
    struct bh_answer found = bh_call(BH_CALL_CHANNEL, CLIENT, 0, 0);
    uint64_t wanted = BH_CHANNEL_READ | BH_CHANNEL_WRITE;

    if (found.result != BH_OK || found.b < sizeof(struct bh_vault_channel) ||
        (found.c & wanted) != wanted)
        return NULL;
    flat_map((uintptr_t)flat_window, found.a);
    return (struct bh_vault_channel *)flat_window;
}

void flat_main(void)
{
    struct vault_watch watch = {.code = flat_text, .code_size = (size_t)(flat_data - flat_text)};
    char key[VAULT_PUBLIC_KEY_TEXT];
    struct bh_vault_channel *channel;

    flat_confine();
    watch.canary = fill_canary();
    if (!vault_create(&vault, random_rdrand, &watch)) {
        flat_print("no key: the CPU's RDRAND gives no random numbers; vault serves nobody");
        return;
    }
    channel = open_channel();
    if (!channel) {
        flat_print("no channel: the policy must give vault one that it may read and write");
        return;
    }
    vault_public_key_text(&vault, key);
    flat_print("public key %s", key);
    flat_print("ready");
    while (bh_call(BH_CALL_WAIT, 0, 0, 0).result == BH_OK)
        vault_poll(&vault, channel);
    flat_print("the wait for a doorbell was refused; vault ends");
}
