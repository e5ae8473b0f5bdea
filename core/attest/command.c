#include "core/attest/command.h"

#include "core/attest/message.h"
#include "hw/tpm.h"
#include "lib/memory.h"

enum tpm_command {
#define TPM_COMMAND(name, code, text) TPM_CC_##name = (code),
#include "tables/tpm_commands.def"
#undef TPM_COMMAND
};

const char *tpm_command_name(const struct tpm_message *command)
{
    if (command->size < TPM_HEADER)
        return "a TPM command";
    switch (command->bytes[8] << 8 | command->bytes[9]) {
#define TPM_COMMAND(name, code, text) \
    case (code):                      \
        return text;
#include "tables/tpm_commands.def"
#undef TPM_COMMAND
    default:
        return "a TPM command";
    }
}

/* TPM2_GetCapability, part 3, 30.2; TPM_CAP_PCRS is one answer, whatever is asked for */
void tpm_make_get_banks(struct tpm_message *m)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_GET_CAPABILITY);
    tpm_put32(m, TPM_CAP_PCRS);
    tpm_put32(m, 0);
    tpm_put32(m, 1);
    tpm_finish(m);
}

bool tpm_take_get_banks(const struct tpm_message *m, uint32_t pcrs, struct evlog_banks *banks)
{
    struct tpm_reader r = tpm_parameters(m);
    bool more = tpm_get8(&r) != 0;
    uint32_t capability = tpm_get32(&r), count = tpm_get32(&r);

    banks->count = 0;
    if (more || capability != TPM_CAP_PCRS)
        return false;
    for (uint32_t i = 0; i < count && !r.is_bad; i++) {
        uint16_t algorithm = tpm_get16(&r);

        if ((tpm_get_pcrs(&r) & pcrs) != pcrs)
            continue;
        if (banks->count == EVLOG_BANKS_MAX)
            return false;
        banks->algorithm[banks->count++] = algorithm;
    }
    return tpm_is_at_end(&r);
}

/* TPM2_PCR_Event, part 3, 22.3 */
void tpm_make_pcr_event(struct tpm_message *m, uint32_t pcr, const void *data, size_t size)
{
    tpm_start(m, TPM_ST_SESSIONS, TPM_CC_PCR_EVENT);
    tpm_put32(m, pcr);
    tpm_put_session(m, TPM_RS_PW);
    tpm_put_sized(m, data, size);
    tpm_finish(m);
}

bool tpm_take_pcr_event(const struct tpm_message *m, struct evlog_digests *digests)
{
    struct tpm_reader r = tpm_parameters_with_session(m);

    digests->count = 0;
    for (uint32_t count = tpm_get32(&r); count > 0 && !r.is_bad; count--) {
        uint16_t algorithm = tpm_get16(&r);
        uint32_t size = (uint32_t)evlog_digest_size(algorithm);
        struct evlog_digest *digest = &digests->digest[digests->count];

        if (size == 0 || digests->count == EVLOG_BANKS_MAX)
            return false;
        digest->algorithm = algorithm;
        memcpy(digest->bytes, tpm_get(&r, size), size);
        digests->count++;
    }
    return tpm_is_at_end(&r);
}

/* TPM2_PCR_Read, part 3, 22.4 */
void tpm_make_pcr_read(struct tpm_message *m, uint32_t pcrs)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_PCR_READ);
    tpm_put_pcrs(m, pcrs);
    tpm_finish(m);
}

bool tpm_take_pcr_read(const struct tpm_message *m, uint32_t pcrs, uint32_t *got,
                       uint8_t values[TPM_PCRS][BH_DIGEST])
{
    struct tpm_reader r = tpm_parameters(m);
    uint32_t banks, count;

    tpm_get32(&r); /* pcrUpdateCounter */
    banks = tpm_get32(&r);
    if (banks != 1 || tpm_get16(&r) != TPM_ALG_SHA256)
        return false;
    *got = tpm_get_pcrs(&r);
    count = tpm_get32(&r);
    if (*got == 0 || (*got & ~pcrs) != 0)
        return false;
    for (uint32_t pcr = 0; pcr < TPM_PCRS; pcr++) {
        if (!(*got >> pcr & 1))
            continue;
        if (count-- == 0 || tpm_get16(&r) != BH_DIGEST)
            return false;
        memcpy(values[pcr], tpm_get(&r, BH_DIGEST), BH_DIGEST);
    }
    return count == 0 && tpm_is_at_end(&r);
}

/* TPM2_ReadPublic, part 3, 12.4 */
void tpm_make_read_public(struct tpm_message *m, uint32_t handle)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_READ_PUBLIC);
    tpm_put32(m, handle);
    tpm_finish(m);
}

bool tpm_take_read_public(const struct tpm_message *m, struct tpm_bytes *public_area)
{
    struct tpm_reader r = tpm_parameters(m);

    *public_area = tpm_get_sized(&r);
    tpm_get_sized(&r); /* name */
    tpm_get_sized(&r); /* qualified name */
    return public_area->size != 0 && tpm_is_at_end(&r);
}

/* TPM2_NV_ReadPublic, part 3, 31.6; TPMS_NV_PUBLIC, part 2, 13.6 */
void tpm_make_nv_read_public(struct tpm_message *m, uint32_t index)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_NV_READ_PUBLIC);
    tpm_put32(m, index);
    tpm_finish(m);
}

bool tpm_take_nv_read_public(const struct tpm_message *m, struct tpm_nv_public *public_area)
{
    struct tpm_reader r = tpm_parameters(m), inner;
    struct tpm_bytes found = tpm_get_sized(&r);

    tpm_get_sized(&r); /* name */
    inner = (struct tpm_reader){.at = found.bytes, .left = found.size};
    public_area->index = tpm_get32(&inner);
    public_area->name_algorithm = tpm_get16(&inner);
    public_area->attributes = tpm_get32(&inner);
    public_area->policy = tpm_get_sized(&inner);
    public_area->size = tpm_get16(&inner);
    return tpm_is_at_end(&inner) && tpm_is_at_end(&r);
}

/* TPM2_NV_Read, part 3, 31.13 */
void tpm_make_nv_read(struct tpm_message *m, uint32_t index, uint16_t size)
{
    tpm_start(m, TPM_ST_SESSIONS, TPM_CC_NV_READ);
    tpm_put32(m, index); /* whose password this is */
    tpm_put32(m, index);
    tpm_put_session(m, TPM_RS_PW);
    tpm_put16(m, size);
    tpm_put16(m, 0); /* offset */
    tpm_finish(m);
}

bool tpm_take_nv_read(const struct tpm_message *m, void *data, uint16_t size)
{
    struct tpm_reader r = tpm_parameters_with_session(m);
    struct tpm_bytes found = tpm_get_sized(&r);

    if (!tpm_is_at_end(&r) || found.size != size)
        return false;
    memcpy(data, found.bytes, size);
    return true;
}

/* TPM2_ReadClock, part 3, 29.1; TPMS_TIME_INFO, part 2, 10.11 */
void tpm_make_read_clock(struct tpm_message *m)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_READ_CLOCK);
    tpm_finish(m);
}

bool tpm_take_read_clock(const struct tpm_message *m, struct tpm_clock *clock)
{
    struct tpm_reader r = tpm_parameters(m);

    tpm_get64(&r); /* time since Startup */
    tpm_get64(&r); /* clock */
    clock->reset_count = tpm_get32(&r);
    clock->restart_count = tpm_get32(&r);
    uint8_t safe = tpm_get8(&r);

    clock->is_safe = safe == 1;
    return safe <= 1 && tpm_is_at_end(&r);
}

/* TPM2_GetRandom, part 3, 16.1: fewer bytes than asked for would be legal, but for these sizes */
void tpm_make_get_random(struct tpm_message *m, uint16_t size)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_GET_RANDOM);
    tpm_put16(m, size);
    tpm_finish(m);
}

bool tpm_take_get_random(const struct tpm_message *m, void *random, uint16_t size)
{
    struct tpm_reader r = tpm_parameters(m);
    struct tpm_bytes found = tpm_get_sized(&r);

    if (!tpm_is_at_end(&r) || found.size != size)
        return false;
    memcpy(random, found.bytes, size);
    return true;
}

/* TPM2_StartAuthSession, part 3, 11.1: neither salted nor bound. It proves where the command comes
 * from, nothing secret, so its nonce needn't be one. */
void tpm_make_start_policy(struct tpm_message *m)
{
    static const uint8_t nonce[16];

    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_START_AUTH_SESSION);
    tpm_put32(m, TPM_RH_NULL); /* tpmKey */
    tpm_put32(m, TPM_RH_NULL); /* bind */
    tpm_put_sized(m, nonce, sizeof nonce);
    tpm_put_sized(m, NULL, 0); /* salt */
    tpm_put8(m, TPM_SE_POLICY);
    tpm_put16(m, TPM_ALG_NULL); /* symmetric */
    tpm_put16(m, TPM_ALG_SHA256);
    tpm_finish(m);
}

bool tpm_take_start_policy(const struct tpm_message *m, uint32_t *session)
{
    struct tpm_reader r = tpm_parameters(m);

    *session = tpm_get32(&r);
    tpm_get_sized(&r); /* the TPM's nonce */
    return tpm_is_at_end(&r);
}

/* TPM2_PolicyLocality, part 3, 23.8 */
void tpm_make_policy_locality(struct tpm_message *m, uint32_t session)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_POLICY_LOCALITY);
    tpm_put32(m, session);
    tpm_put8(m, TPMA_LOCALITY_2);
    tpm_finish(m);
}

/* TPM2_FlushContext, part 3, 28.4 */
void tpm_make_flush(struct tpm_message *m, uint32_t handle)
{
    tpm_start(m, TPM_ST_NO_SESSIONS, TPM_CC_FLUSH_CONTEXT);
    tpm_put32(m, handle);
    tpm_finish(m);
}

bool tpm_take_nothing(const struct tpm_message *m)
{
    struct tpm_reader r = tpm_parameters(m);

    return tpm_is_at_end(&r);
}

/* TPM2_Quote, part 3, 18.4 */
void tpm_make_quote(struct tpm_message *m, uint32_t key, uint32_t session,
                    const uint8_t extra_data[BH_DIGEST], uint32_t pcrs)
{
    tpm_start(m, TPM_ST_SESSIONS, TPM_CC_QUOTE);
    tpm_put32(m, key);
    tpm_put_session(m, session);
    tpm_put_sized(m, extra_data, BH_DIGEST);
    tpm_put16(m, TPM_ALG_NULL); /* scheme: the key's own */
    tpm_put_pcrs(m, pcrs);
    tpm_finish(m);
}

bool tpm_take_quote(const struct tpm_message *m, struct tpm_quote *quote)
{
    struct tpm_reader r = tpm_parameters_with_session(m);

    quote->attest = tpm_get_sized(&r);
    quote->signature.size = r.left;
    quote->signature.bytes = tpm_get(&r, r.left);
    return quote->attest.size != 0 && quote->signature.size != 0 && tpm_is_at_end(&r);
}

/* TPM2_NV_Increment, part 3, 31.8 */
void tpm_make_nv_increment(struct tpm_message *m, uint32_t index, uint32_t session)
{
    tpm_start(m, TPM_ST_SESSIONS, TPM_CC_NV_INCREMENT);
    tpm_put32(m, index); /* whose policy this session satisfies */
    tpm_put32(m, index);
    tpm_put_session(m, session);
    tpm_finish(m);
}

bool tpm_take_nv_increment(const struct tpm_message *m)
{
    struct tpm_reader r = tpm_parameters_with_session(m);

    return tpm_is_at_end(&r);
}
