#include "core/attest/pull.h"

#include <sodium/crypto_hash_sha256.h>

#include "core/attest/command.h"
#include "core/attest/log.h"
#include "core/platform/platform.h"
#include "lib/memory.h"

/* Anybody may extend it, nobody looks at it (PC Client Platform TPM Profile, 4.6.2). */
#define PCR_DEBUG 16u

/* All of this is guarded by quote.c's lock. */
static const struct snapshot *snapshot;
static struct snapshot_logged logged;
static bool log_is_full;

/* The event that comes next into the log. */
static struct {
    struct snapshot_event is;
    uint8_t bytes[BH_EVENT_MAX];
    size_t size;
    uint8_t before[BH_DIGEST]; /* PCR 19's value without it */
    bool is_unsure;            /* the TPM was given it, and no good answer came */
} event;

static void make_event(enum bh_event_type type, uint32_t domain)
{
    event.size = evlog_event(event.bytes, type, log_next(), domain, time_ns(event.is.tsc),
                             &event.is.body, event.is.size);
}

/* Once the log is full, nothing more. */
static enum pull next(void)
{
    if (log_is_full || !snapshot_next(snapshot, &logged, &event.is))
        return PULL_DONE;
    make_event(event.is.type, event.is.domain);
    if (!log_has_room(event.size, sizeof(struct bh_event))) {
        event.is = (struct snapshot_event){.type = BH_EVENT_LOG_FULL, .tsc = read_tsc()};
        make_event(BH_EVENT_LOG_FULL, BH_NOBODY);
    }
    return PULL_READ;
}

enum pull pull_begin(const struct snapshot *taken)
{
    snapshot = taken;
    return event.is_unsure ? PULL_READ : next();
}

void pull_make_read(struct tpm_message *message)
{
    tpm_make_pcr_read(message, 1u << BH_PCR_RUNTIME);
}

/* PCR 19 once the event is in it. */
static void extend(uint8_t value[BH_DIGEST])
{
    uint8_t both[2 * BH_DIGEST];

    memcpy(both, event.before, BH_DIGEST);
    crypto_hash_sha256(both + BH_DIGEST, event.bytes, event.size);
    crypto_hash_sha256(value, both, sizeof(both));
}

enum pull pull_take_read(const struct tpm_message *message)
{
    uint8_t values[TPM_PCRS][BH_DIGEST], after[BH_DIGEST];
    const uint8_t *now = values[BH_PCR_RUNTIME];
    uint32_t got;

    if (!tpm_take_pcr_read(message, 1u << BH_PCR_RUNTIME, &got, values)) {
        tpm_fail(TPM_MALFORMED, "TPM2_PCR_Read", message->size);
        return PULL_FAILED;
    }
    if (!event.is_unsure) {
        memcpy(event.before, now, BH_DIGEST);
        return PULL_EXTEND;
    }
    if (memcmp(now, event.before, BH_DIGEST) == 0)
        return PULL_EXTEND;
    extend(after);
    if (memcmp(now, after, BH_DIGEST) == 0)
        return PULL_DIGESTS;
    tpm_fail(TPM_MALFORMED, "comparing PCR 19 with the event log", 0);
    return PULL_FAILED;
}

void pull_make_extend(struct tpm_message *message)
{
    event.is_unsure = true;
    tpm_make_pcr_event(message, BH_PCR_RUNTIME, event.bytes, event.size);
}

/* The same event, but for its digests alone. */
void pull_make_digests(struct tpm_message *message)
{
    tpm_make_pcr_event(message, PCR_DEBUG, event.bytes, event.size);
}

enum pull pull_take_digests(const struct tpm_message *message)
{
    struct evlog_digests digests;

    if (!tpm_take_pcr_event(message, &digests) ||
        !log_append(BH_PCR_RUNTIME, event.bytes, event.size, &digests)) {
        tpm_fail(TPM_MALFORMED, "TPM2_PCR_Event", message->size);
        return PULL_FAILED;
    }
    event.is_unsure = false;
    if (event.is.type == BH_EVENT_LOG_FULL)
        log_is_full = true;
    else
        logged.event[event.is.domain][event.is.what] = true;
    return next();
}
