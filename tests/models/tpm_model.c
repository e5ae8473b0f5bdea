#include "models/tpm_model.h"

#include <sodium.h>
#include <string.h>

#include "bulkhead/evidence.h"
#include "hw/tpm.h"
#include "testing.h"

enum command {
#define TPM_COMMAND(name, code, text) CC_##name = (code),
#include "tables/tpm_commands.def"
#undef TPM_COMMAND
};

#define SESSIONS      3u
#define SESSION_FIRST 0x03000000u
#define RC_FAILURE    0x101u
#define RC_SESSIONS   0x903u /* TPM_RC_SESSION_MEMORY */
#define RC_HANDLE     0x1cbu /* TPM_RC_HANDLE, parameter 1 */
#define RC_POLICY     0x99du /* TPM_RC_POLICY_FAIL, session 1 */

struct tpm_model tpm_model;

static struct tpm_message *message;
static struct tpm_fault fault;
static unsigned busy;
static bool locality_shown[SESSIONS];
static const uint8_t *in, *in_end;

void tpm_model_reset(void)
{
    memset(&tpm_model, 0, sizeof(tpm_model));
    for (unsigned i = 0; i < 24; i++)
        memset(tpm_model.pcr[i], i >= 17 && i <= 19 ? 0xff : (int)i, 32);
    tpm_model.has_ak = tpm_model.has_ek = true;
    tpm_model.counter = 7;
    tpm_model.polls_busy = 2;
    tpm_model.pcrs_at_once = 8;
    tpm_model_now = 1000;
}

static uint32_t take(unsigned bytes)
{
    uint32_t value = 0;

    assert_true(in + bytes <= in_end);
    while (bytes-- > 0)
        value = value << 8 | *in++;
    return value;
}

static const uint8_t *take_sized(uint32_t *size)
{
    const uint8_t *at;

    *size = take(2);
    at = in;
    assert_true(in + *size <= in_end);
    in += *size;
    return at;
}

/* One session, without secrets; returns its handle. */
static uint32_t take_session(bool is_policy)
{
    uint32_t handle, size, attributes;

    assert_int_equal(take(4), 9);
    handle = take(4);
    take_sized(&size);
    assert_int_equal(size, 0);
    attributes = take(1);
    take_sized(&size);
    assert_int_equal(size, 0);
    assert_int_equal(handle == TPM_RS_PW, !is_policy);
    assert_int_equal(attributes & 1, is_policy); /* core flushes it itself */
    return handle;
}

static uint32_t take_pcrs(void)
{
    uint32_t pcrs = 0;

    assert_int_equal(take(4), 1);
    assert_int_equal(take(2), TPM_ALG_SHA256);
    assert_int_equal(take(1), 3);
    for (unsigned i = 0; i < 3; i++)
        pcrs |= take(1) << 8 * i;
    return pcrs;
}

/* Writing a response over it. */

static uint8_t out[TPM_MESSAGE_MAX];
static uint32_t out_size;

static void put(const void *bytes, size_t size)
{
    assert_true(out_size + size <= sizeof(out));
    memcpy(out + out_size, bytes, size);
    out_size += (uint32_t)size;
}

static void put_number(uint32_t value, unsigned bytes)
{
    while (bytes-- > 0)
        put(&(uint8_t){(uint8_t)(value >> 8 * bytes)}, 1);
}

static void put_sized(const void *bytes, size_t size)
{
    put_number((uint32_t)size, 2);
    put(bytes, size);
}

static void begin_response(bool sessions)
{
    out_size = 0;
    put_number(sessions ? TPM_ST_SESSIONS : TPM_ST_NO_SESSIONS, 2);
    put_number(0, 4);
    put_number(0, 4);
    if (sessions)
        put_number(0, 4); /* parameters' size */
}

static void end_session(void)
{
    uint32_t size = out_size - 14, end;

    put_number(0, 2);
    put_number(1, 1);
    put_number(0, 2);
    end = out_size;
    out_size = 10;
    put_number(size, 4);
    out_size = end;
}

/* The commands; each returns a response code. */

static uint32_t pcr_event(void)
{
    uint32_t pcr = take(4), size;
    uint8_t both[64];
    const uint8_t *data;

    take_session(false);
    data = take_sized(&size);
    assert_true(pcr == 19 || pcr == 16);
    memcpy(both, tpm_model.pcr[pcr], 32);
    crypto_hash_sha256(both + 32, data, size);
    crypto_hash_sha256(tpm_model.pcr[pcr], both, sizeof(both));
    begin_response(true);
    put_number(2, 4);
    put_number(TPM_ALG_SHA1, 2);
    put(both + 32, 20); /* nobody checks these */
    put_number(TPM_ALG_SHA256, 2);
    put(both + 32, 32);
    end_session();
    return TPM_RC_SUCCESS;
}

static uint32_t pcr_read(void)
{
    uint32_t pcrs = take_pcrs(), got = 0, count = 0;

    for (unsigned i = 0; i < 24 && count < tpm_model.pcrs_at_once; i++)
        if (pcrs >> i & 1) {
            got |= 1u << i;
            count++;
        }
    begin_response(false);
    put_number(1, 4);
    put_number(1, 4);
    put_number(TPM_ALG_SHA256, 2);
    put_number(3, 1);
    put(&got, 3);
    put_number(count, 4);
    for (unsigned i = 0; i < 24; i++)
        if (got >> i & 1)
            put_sized(tpm_model.pcr[i], 32);
    return TPM_RC_SUCCESS;
}

static uint32_t read_public(void)
{
    uint32_t handle = take(4);
    const char *key = handle == BH_AK_HANDLE ? TPM_MODEL_AK : TPM_MODEL_EK;

    assert_true(handle == BH_AK_HANDLE || handle == BH_EK_HANDLE);
    if (!(handle == BH_AK_HANDLE ? tpm_model.has_ak : tpm_model.has_ek))
        return TPM_RC_HANDLE;
    begin_response(false);
    put_sized(key, strlen(key));
    put_sized("name", 4);
    put_sized("qualified", 9);
    return TPM_RC_SUCCESS;
}

static uint32_t start_session(void)
{
    unsigned i = 0;

    in = in_end;
    while (tpm_model.sessions >> i & 1)
        i++;
    if (i == SESSIONS)
        return RC_SESSIONS;
    tpm_model.sessions |= 1u << i;
    locality_shown[i] = false;
    begin_response(false);
    put_number(SESSION_FIRST + i, 4);
    put_sized("nonceTPM", 8);
    return TPM_RC_SUCCESS;
}

static unsigned session_number(uint32_t handle)
{
    unsigned i = handle - SESSION_FIRST;

    assert_true(i < SESSIONS && tpm_model.sessions >> i & 1);
    return i;
}

static uint32_t policy_locality(void)
{
    unsigned i = session_number(take(4));

    assert_int_equal(take(1), TPMA_LOCALITY_2);
    locality_shown[i] = true;
    begin_response(false);
    return TPM_RC_SUCCESS;
}

/* Using a policy session up resets it (part 1, 19.7.8). */
static bool use_up(uint32_t handle)
{
    unsigned i = session_number(handle);
    bool shown = locality_shown[i];

    locality_shown[i] = false;
    return shown;
}

static uint32_t quote(void)
{
    uint32_t size, pcrs, session;
    const uint8_t *extra;

    assert_int_equal(take(4), BH_AK_HANDLE);
    session = take_session(true);
    extra = take_sized(&size);
    assert_int_equal(size, 32);
    memcpy(tpm_model.extra_data, extra, 32);
    assert_int_equal(take(2), TPM_ALG_NULL);
    pcrs = take_pcrs();
    assert_int_equal(pcrs, BH_QUOTED_PCRS);
    if (!use_up(session))
        return RC_POLICY;
    begin_response(true);
    put_sized(extra, 32); /* stands for TPMS_ATTEST */
    put("signature", 9);
    end_session();
    return TPM_RC_SUCCESS;
}

static uint32_t nv_increment(void)
{
    assert_int_equal(take(4), BH_NV_COUNTER);
    assert_int_equal(take(4), BH_NV_COUNTER);
    if (!use_up(take_session(true)))
        return RC_POLICY;
    tpm_model.counter++;
    begin_response(true);
    end_session();
    return TPM_RC_SUCCESS;
}

static uint32_t nv_read(void)
{
    assert_int_equal(take(4), BH_NV_COUNTER);
    assert_int_equal(take(4), BH_NV_COUNTER);
    take_session(false);
    assert_int_equal(take(2), 8);
    assert_int_equal(take(2), 0);
    begin_response(true);
    put_number(8, 2);
    put_number((uint32_t)(tpm_model.counter >> 32), 4);
    put_number((uint32_t)tpm_model.counter, 4);
    end_session();
    return TPM_RC_SUCCESS;
}

static uint32_t flush(void)
{
    unsigned i = take(4) - SESSION_FIRST;

    if (i >= SESSIONS || !(tpm_model.sessions >> i & 1))
        return RC_HANDLE;
    tpm_model.sessions &= ~(1u << i);
    begin_response(false);
    return TPM_RC_SUCCESS;
}

static uint32_t read_clock(void)
{
    begin_response(false);
    for (unsigned i = 0; i < 6; i++) /* time, clock, counts: nobody looks */
        put_number(0, 4);
    put_number(tpm_model_now >= tpm_model.clock_is_safe_at, 1);
    return TPM_RC_SUCCESS;
}

static uint32_t execute(enum command code)
{
    switch (code) {
    case CC_READ_CLOCK:
        return read_clock();
    case CC_PCR_EVENT:
        return pcr_event();
    case CC_PCR_READ:
        return pcr_read();
    case CC_READ_PUBLIC:
        return read_public();
    case CC_START_AUTH_SESSION:
        return start_session();
    case CC_POLICY_LOCALITY:
        return policy_locality();
    case CC_QUOTE:
        return quote();
    case CC_NV_READ:
        return nv_read();
    case CC_NV_INCREMENT:
        return nv_increment();
    case CC_FLUSH_CONTEXT:
        return flush();
    default:
        fail_msg("command %x isn't in this model", code);
        return RC_FAILURE;
    }
}

static enum tpm_model_failure failure_of(uint32_t command)
{
    bool fails = tpm_model.fails_at != 0 && command >= tpm_model.fails_at &&
                 command - tpm_model.fails_at < tpm_model.fails_long;

    return fails ? tpm_model.failure : TPM_MODEL_WORKS;
}

bool tpm_fail(enum tpm_error error, const char *doing, uint32_t detail)
{
    fault = (struct tpm_fault){error, doing, detail};
    return false;
}

const struct tpm_fault *tpm_fault(void)
{
    return &fault;
}

bool tpm_is_nothing_there(void)
{
    return fault.error == TPM_REFUSED && fault.detail == TPM_RC_HANDLE;
}

void tpm_begin(struct tpm_message *given)
{
    assert_null(message); /* one at a time */
    assert_in_range(given->size, TPM_HEADER, TPM_MESSAGE_MAX);
    message = given;
    busy = tpm_model.polls_busy;
    tpm_model.commands++;
}

static enum tpm_progress lose(enum tpm_error error, uint32_t detail)
{
    tpm_fail(error, tpm_command_name(message), detail);
    message = NULL;
    return TPM_FAILED;
}

enum tpm_progress tpm_poll(void)
{
    enum tpm_model_failure failure = failure_of(tpm_model.commands);
    uint32_t code, result;

    tpm_model_now += 1000;
    assert_non_null(message);
    if (busy-- > 0)
        return TPM_BUSY;
    in = message->bytes;
    in_end = in + message->size;
    take(2);
    assert_int_equal(take(4), message->size);
    code = take(4);
    tpm_model.code[tpm_model.commands % 256] = (uint16_t)code;
    if (failure == TPM_MODEL_REFUSES)
        return lose(TPM_REFUSED, RC_FAILURE);
    if (failure == TPM_MODEL_HANGS)
        return lose(TPM_NO_RESPONSE, 0);
    result = execute((enum command)code);
    if (result != TPM_RC_SUCCESS)
        return lose(TPM_REFUSED, result);
    assert_ptr_equal(in, in_end);
    if (failure == TPM_MODEL_LIES)
        return lose(TPM_REFUSED, RC_FAILURE);
    if (failure == TPM_MODEL_LOSES)
        return lose(TPM_RESPONSE_CUT, 0);
    if (failure == TPM_MODEL_FLIPS)
        out[out_size - 6] ^= 1; /* behind it: a session's empty nonce, attributes, empty HMAC */
    out_size += failure == TPM_MODEL_LENGTHENS;
    out_size -= failure == TPM_MODEL_CUTS;
    memcpy(message->bytes, out, out_size);
    message->size = out_size;
    message = NULL;
    return TPM_DONE;
}
