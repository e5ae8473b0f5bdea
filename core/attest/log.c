#include "core/attest/log.h"

#include <sodium/crypto_hash_sha256.h>

#include "hw/tpm.h"
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
    uint64_t lag, goal; /* of the TPM's counter */
} measured;

static void hash_from(size_t start)
{
    crypto_hash_sha256_update(&measured.hash, measured.bytes + start, measured.evlog.used - start);
}

bool log_begin(const struct evlog_banks *banks)
{
    memset(&measured, 0, sizeof measured);
    crypto_hash_sha256_init(&measured.hash);
    if (!evlog_begin(&measured.evlog, measured.bytes, sizeof measured.bytes, banks))
        return false;
    hash_from(0);
    return true;
}

bool log_has_room(size_t event_size, size_t another_size)
{
    const struct evlog *log = &measured.evlog;

    return evlog_entry_size(&log->banks, event_size) +
               evlog_entry_size(&log->banks, another_size) <=
           log->capacity - log->used;
}

/* The one that evidence rests on can be checked, and a log with a wrong one is wrong for ever. */
static bool is_right(const void *event, size_t size, const struct evlog_digests *digests)
{
    uint8_t expected[BH_DIGEST];

    crypto_hash_sha256(expected, event, size);
    for (uint32_t i = 0; i < digests->count; i++)
        if (digests->digest[i].algorithm == TPM_ALG_SHA256 &&
            memcmp(digests->digest[i].bytes, expected, BH_DIGEST) != 0)
            return false;
    return true;
}

bool log_append(uint32_t pcr, const void *event, size_t size, const struct evlog_digests *digests)
{
    size_t before = measured.evlog.used;
    struct bh_event head;

    if (size < sizeof head || !is_right(event, size, digests) ||
        !evlog_append(&measured.evlog, pcr, event, size, digests))
        return false;
    hash_from(before);
    memcpy(&head, event, sizeof head);
    if (head.domain < BH_MAX_DOMAINS)
        measured.last[head.domain] = measured.next;
    measured.next++;
    return true;
}

uint32_t log_next(void)
{
    return measured.next;
}

uint32_t log_last(unsigned domain)
{
    return measured.last[domain];
}

struct evidence_bytes log_bytes(void)
{
    return (struct evidence_bytes){measured.bytes, measured.evlog.used};
}

void log_sha256(uint8_t digest[BH_DIGEST])
{
    crypto_hash_sha256_state hash = measured.hash;

    crypto_hash_sha256_final(&hash, digest);
}

void log_switch_on(const struct bh_header *policy, const uint8_t boot_id[LOG_BOOT_ID])
{
    memcpy(measured.boot_id, boot_id, LOG_BOOT_ID);
    measured.policy = policy;
}

bool log_is_on(void)
{
    return measured.policy != NULL;
}

const struct bh_header *log_policy(void)
{
    return measured.policy;
}

const uint8_t *log_boot_id(void)
{
    return measured.boot_id;
}

void log_set_enrolled(uint64_t lag)
{
    measured.is_enrolled = true;
    measured.lag = lag;
}

bool log_is_enrolled(void)
{
    return measured.is_enrolled;
}

uint64_t log_counter_lag(void)
{
    return measured.lag;
}

void log_counter_is(uint64_t counter)
{
    uint64_t left;

    if (measured.goal == 0)
        measured.goal = counter + measured.lag;
    left = counter < measured.goal ? measured.goal - counter : 0;
    measured.lag = left < measured.lag ? left : measured.lag;
}
