/*
 * What a TPM, or whoever sits on its bus, answers to core: a response with its header, read as if
 * it were the answer to each of core's commands. What a parser takes must lie within the response.
 */
#include <string.h>

#include "bulkhead/evidence.h"
#include "core/attest/command.h"
#include "fuzz.h"

static void is_inside(const struct tpm_message *message, const struct tpm_bytes *part)
{
    MUST(part->size == 0 || (part->bytes >= message->bytes &&
                             part->bytes + part->size <= message->bytes + message->size));
}

static void take_pcrs(const struct tpm_message *message)
{
    static uint8_t values[TPM_PCRS][BH_DIGEST];
    uint32_t got = 0;

    if (tpm_take_pcr_read(message, BH_QUOTED_PCRS, &got, values))
        MUST(got != 0 && (got & ~BH_QUOTED_PCRS) == 0);
}

static void take_event(const struct tpm_message *message)
{
    struct evlog_digests digests;

    memset(&digests, 0xff, sizeof(digests));
    if (!tpm_take_pcr_event(message, &digests))
        return;
    MUST(digests.count <= EVLOG_BANKS_MAX);
    for (uint32_t i = 0; i < digests.count; i++)
        MUST(evlog_digest_size(digests.digest[i].algorithm) != 0);
}

static void take_nv(const struct tpm_message *message)
{
    struct tpm_nv_public public_area;
    uint8_t data[BH_DIGEST];

    if (tpm_take_nv_read_public(message, &public_area))
        is_inside(message, &public_area.policy);
    tpm_take_nv_read(message, data, 8);
    tpm_take_nv_read(message, data, BH_DIGEST);
}

static void take_key(const struct tpm_message *message)
{
    struct tpm_quote quote;
    struct tpm_bytes public_area;

    if (tpm_take_read_public(message, &public_area))
        is_inside(message, &public_area);
    if (tpm_take_quote(message, &quote)) {
        is_inside(message, &quote.attest);
        is_inside(message, &quote.signature);
    }
}

static void take_others(const struct tpm_message *message)
{
    struct evlog_banks banks;
    struct tpm_clock clock;
    uint8_t random[32];
    uint32_t session;

    if (tpm_take_get_banks(message, BH_QUOTED_PCRS, &banks)) {
        MUST(banks.count <= EVLOG_BANKS_MAX);
        for (uint32_t i = 0; i < banks.count; i++)
            MUST(evlog_digest_size(banks.algorithm[i]) != 0);
    }
    tpm_take_read_clock(message, &clock);
    tpm_take_get_random(message, random, sizeof(random));
    tpm_take_start_policy(message, &session);
    tpm_take_nothing(message);
    tpm_take_nv_increment(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* malloc'ed: a byte behind it is seen by AddressSanitizer */
    struct tpm_message *message;

    if (size < 10 || size > TPM_MESSAGE_MAX) /* core reads no others from the TPM */
        return 0;
    message = malloc(sizeof(*message));
    memset(message->bytes, 0xff, sizeof(message->bytes));
    memcpy(message->bytes, data, size);
    message->size = (uint32_t)size;
    take_pcrs(message);
    take_event(message);
    take_nv(message);
    take_key(message);
    take_others(message);
    free(message);
    return 0;
}
