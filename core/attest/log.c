#include "core/attest/log.h"

#include <sodium/crypto_hash_sha256.h>

#include "lib/memory.h"

static struct {
    uint8_t bytes[LOG_MAX];
    struct evlog evlog;
    crypto_hash_sha256_state hash; /* of all that is in it */
    uint32_t next;
    uint32_t last[BH_MAX_DOMAINS];

    const struct bh_header *policy; /* NULL: off */
    uint8_t boot_id[LOG_BOOT_ID];
    bool is_enrolled;
    uint64_t lag;
} state;

static void hash_from(size_t start)
{
    crypto_hash_sha256_update(&state.hash, state.bytes + start, state.evlog.used - start);
}

bool log_begin(const struct evlog_banks *banks)
{
    memset(&state, 0, sizeof state);
    crypto_hash_sha256_init(&state.hash);
    if (!evlog_begin(&state.evlog, state.bytes, sizeof state.bytes, banks))
        return false;
    hash_from(0);
    return true;
}

bool log_has_room(size_t event_size, size_t another_size)
{
    const struct evlog *log = &state.evlog;

    return evlog_entry_size(&log->banks, event_size) +
               evlog_entry_size(&log->banks, another_size) <=
           log->capacity - log->used;
}

bool log_append(uint32_t pcr, const void *event, size_t size, const struct evlog_digests *digests)
{
    size_t before = state.evlog.used;
    struct bh_event head;

    if (size < sizeof head || !evlog_append(&state.evlog, pcr, event, size, digests))
        return false;
    hash_from(before);
    memcpy(&head, event, sizeof head);
    if (head.domain < BH_MAX_DOMAINS)
        state.last[head.domain] = state.next;
    state.next++;
    return true;
}

uint32_t log_next(void)
{
    return state.next;
}

uint32_t log_last(unsigned domain)
{
    return state.last[domain];
}

struct evidence_bytes log_bytes(void)
{
    return (struct evidence_bytes){state.bytes, state.evlog.used};
}

void log_sha256(uint8_t digest[BH_DIGEST])
{
    crypto_hash_sha256_state hash = state.hash;

    crypto_hash_sha256_final(&hash, digest);
}

void log_switch_on(const struct bh_header *policy, const uint8_t boot_id[LOG_BOOT_ID])
{
    memcpy(state.boot_id, boot_id, LOG_BOOT_ID);
    state.policy = policy;
}

bool log_is_on(void)
{
    return state.policy != NULL;
}

const struct bh_header *log_policy(void)
{
    return state.policy;
}

const uint8_t *log_boot_id(void)
{
    return state.boot_id;
}

void log_set_enrolled(uint64_t lag)
{
    state.is_enrolled = true;
    state.lag = lag;
}

bool log_is_enrolled(void)
{
    return state.is_enrolled;
}

uint64_t log_counter_lag(void)
{
    return state.lag;
}

void log_counter_raised(void)
{
    state.lag--;
}
