#include "models/tis_model.h"

#include <stddef.h>
#include <string.h>

#include "core/attest/tis_mmio.h"
#include "core/platform/acpi.h"
#include "core/platform/time.h"
#include "hw/tpm.h"

#define STEP_US 50 /* a register's access and what goes with it */

struct tis_model tis_model;

static enum { IDLE, READY, RECEPTION, EXECUTION, COMPLETION } state;
static uint8_t response[TIS_MODEL_MAX];
static uint32_t response_size, sent, stall, window, repeated;
static uint64_t now, done_at;

uint64_t tis_model_now(void)
{
    return now;
}

static void violate(const char *text)
{
    if (!tis_model.violation)
        tis_model.violation = text;
}

void tis_model_reset(uint32_t (*answer)(const uint8_t *, uint32_t, uint8_t *))
{
    memset(&tis_model, 0, sizeof tis_model);
    tis_model.answer = answer;
    tis_model.tpm2_size = sizeof(struct acpi_tpm2);
    tis_model.start_method = TPM2_START_FIFO;
    state = IDLE;
    now = 0;
    repeated = 0;
}

static void put(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

uint32_t tis_model_code(uint8_t *to, uint32_t code)
{
    memcpy(to, "\x80\x01", 2);
    put(to + 2, TPM_HEADER);
    put(to + 6, code);
    return TPM_HEADER;
}

static void take_access(void)
{
    now += STEP_US;
    tis_model.accesses++;
}

static void need_locality(void)
{
    if (!tis_model.is_active)
        violate("a register was written without the locality");
}

/* Bytes that may pass now; the stall before each window of them is counted here. */
static uint32_t next_burst(uint32_t left)
{
    if (stall > 0) {
        stall--;
        return 0;
    }
    window = tis_model.burst && tis_model.burst < left ? tis_model.burst : left;
    return window;
}

static void use_window(void)
{
    if (window == 0)
        violate("more bytes passed the FIFO than the burst count said");
    else if (--window == 0)
        stall = tis_model.stalls;
}

static uint32_t end_of_response(void)
{
    uint32_t end = response_size + tis_model.extra;

    return tis_model.cuts_after && tis_model.cuts_after < end ? tis_model.cuts_after : end;
}

static uint32_t status_of_reception(void)
{
    bool expects = !tis_model.expects_nothing;
    uint32_t left = TIS_MODEL_MAX - tis_model.size;

    if (tis_model.size >= TPM_HEADER) {
        uint32_t size = (uint32_t)tis_model.command[4] << 8 | tis_model.command[5];

        left = size - tis_model.size;
        expects = (expects && left > 0) || tis_model.expects_more;
    }
    if (tis_model.sticks_after && tis_model.size >= tis_model.sticks_after)
        left = 0;
    return TIS_STS_VALID | (expects ? TIS_STS_EXPECT : 0) | next_burst(left) << TIS_STS_BURST_SHIFT;
}

static uint32_t status_of_completion(void)
{
    if (tis_model.freezes_after && sent >= tis_model.freezes_after)
        return 0;
    if (sent >= end_of_response())
        return TIS_STS_VALID;
    return TIS_STS_VALID | TIS_STS_DATA |
           next_burst(end_of_response() - sent) << TIS_STS_BURST_SHIFT;
}

static void execute(void)
{
    response_size = repeated++ < tis_model.repeats
                        ? tis_model_code(response, TPM_RC_RETRY)
                        : tis_model.answer(tis_model.command, tis_model.size, response);
    state = COMPLETION;
    sent = 0;
    stall = tis_model.stalls;
}

uint32_t tis_read32(uint32_t offset)
{
    take_access();
    if (offset != TIS_STS)
        violate("a register was read that isn't 32 bits wide");
    if (tis_model.is_absent || !tis_model.is_active)
        return UINT32_MAX;
    if (state == EXECUTION && !tis_model.is_mute && now >= done_at)
        execute();
    switch (state) {
    case READY:
        return TIS_STS_VALID | (tis_model.never_ready ? 0 : TIS_STS_READY) |
               next_burst(tis_model.sticks_after == 0 ? TIS_MODEL_MAX : tis_model.sticks_after)
                   << TIS_STS_BURST_SHIFT;
    case RECEPTION:
        return status_of_reception();
    case COMPLETION:
        return status_of_completion();
    default:
        return 0;
    }
}

static uint8_t read_access(void)
{
    if (tis_model.no_valid_access)
        return 0;
    return (uint8_t)(TIS_ACCESS_VALID | (tis_model.is_active ? TIS_ACCESS_ACTIVE : 0));
}

uint8_t tis_read8(uint32_t offset)
{
    take_access();
    if (tis_model.is_absent)
        return 0xff;
    if (offset == TIS_ACCESS)
        return read_access();
    if (offset != TIS_FIFO || state != COMPLETION)
        violate("the FIFO was read while the TPM had no response");
    use_window();
    if (sent++ >= response_size)
        return 0xee;
    return response[sent - 1];
}

static void write_access(uint8_t value)
{
    bool may = !tis_model.refuses_locality && !tis_model.no_valid_access && !tis_model.is_absent;

    switch (value) {
    case TIS_ACCESS_ACTIVE:
        tis_model.is_active = false;
        break;
    case TIS_ACCESS_SEIZE:
        tis_model.is_active = may;
        break;
    case TIS_ACCESS_REQUEST:
        tis_model.is_active = may && !tis_model.is_held;
        break;
    default:
        violate("ACCESS was written with more than one bit");
    }
}

void tis_write8(uint32_t offset, uint8_t value)
{
    take_access();
    if (offset == TIS_ACCESS) {
        write_access(value);
        return;
    }
    need_locality();
    if (offset != TIS_FIFO || (state != READY && state != RECEPTION))
        violate("the FIFO was written while the TPM took no command");
    use_window();
    state = RECEPTION;
    if (tis_model.size < TIS_MODEL_MAX)
        tis_model.command[tis_model.size++] = value;
}

void tis_write32(uint32_t offset, uint32_t value)
{
    take_access();
    if (offset != TIS_STS || (value != TIS_STS_READY && value != TIS_STS_GO))
        violate("a register got a value that it has no use for");
    if (value == TIS_STS_READY) {
        state = READY;
        tis_model.size = 0;
        stall = tis_model.stalls;
        return;
    }
    need_locality();
    if (state != RECEPTION || tis_model.size < TPM_HEADER)
        violate("tpmGo came before a whole command");
    state = EXECUTION;
    tis_model.commands++;
    done_at = now + tis_model.execution_us;
}

/* What else the transport calls */

uint64_t time_after(uint32_t microseconds)
{
    return now + microseconds;
}

bool time_is_over(uint64_t deadline)
{
    now += STEP_US;
    return now >= deadline;
}

const void *acpi_find(const char *signature, size_t *size)
{
    static struct acpi_tpm2 table;

    if (memcmp(signature, "TPM2", 4) != 0 || tis_model.tpm2_size == 0)
        return NULL;
    table.start_method = tis_model.start_method;
    *size = tis_model.tpm2_size;
    return &table;
}
