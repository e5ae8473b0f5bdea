#include "core/attest/tis_mmio.h"
#include "core/attest/tpm.h"
#include "core/platform/platform.h"
#include "hw/acpi.h"
#include "hw/tpm.h"
#include "lib/memory.h"

/* What the TPM is waited for to do. */
enum step { STEP_NONE, STEP_REQUEST, STEP_READY, STEP_SEND, STEP_EXECUTE, STEP_RECEIVE, STEP_END };

static struct {
    enum step step;
    struct tpm_message *message;
    const char *name;
    uint16_t tag;               /* the command's: a response has the same */
    uint32_t moved;             /* bytes through the FIFO, of the command, then of the response */
    uint64_t deadline;          /* of the step */
    uint64_t limit;             /* of the command, however often it is repeated */
    uint8_t header[TPM_HEADER]; /* of the response; the command may be needed once more */
} tis;

static struct tpm_fault fault;

const struct tpm_fault *tpm_fault(void)
{
    return &fault;
}

bool tpm_fail(enum tpm_error error, const char *doing, uint32_t detail)
{
    fault = (struct tpm_fault){.error = error, .doing = doing, .detail = detail};
    return false;
}

bool tpm_is_nothing_there(void)
{
    return fault.error == TPM_REFUSED && fault.detail == TPM_RC_HANDLE;
}

bool tpm_find(void)
{
    size_t size;
    const struct acpi_tpm2 *table = acpi_find("TPM2", &size);

    if (!table || size < sizeof *table)
        return tpm_fail(TPM_ABSENT, "ACPI table TPM2", table ? (uint32_t)size : 0);
    if (table->start_method != TPM2_START_FIFO)
        return tpm_fail(TPM_INTERFACE, "start method", table->start_method);
    return true;
}

static uint32_t big32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint16_t big16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Ends the command, whatever state it is in: the TPM drops it. */
static void release(void)
{
    tis_write32(TIS_STS, TIS_STS_READY);
    tis_write8(TIS_ACCESS, TIS_ACCESS_ACTIVE);
    tis.step = STEP_NONE;
}

static bool fail(enum tpm_error error, uint32_t detail)
{
    release();
    return tpm_fail(error, tis.name, detail);
}

/* The TPM isn't there yet: false, and no longer than until the step's deadline. */
static bool wait(enum tpm_error error, uint32_t detail)
{
    return time_is_over(tis.deadline) ? fail(error, detail) : false;
}

static bool go(enum step step, uint32_t microseconds)
{
    tis.step = step;
    tis.moved = 0;
    tis.deadline = time_after(microseconds);
    return true;
}

static bool get_ready(void)
{
    tis_write32(TIS_STS, TIS_STS_READY);
    return go(STEP_READY, TIS_TIMEOUT_B);
}

/* A locality below is in use, perhaps in the middle of a command: seized (PTP 6.3.2.3). */
static bool request(void)
{
    uint8_t access = tis_read8(TIS_ACCESS);

    if (access == 0xff)
        return fail(TPM_SILENT, access);
    if (access & TIS_ACCESS_VALID && access & TIS_ACCESS_ACTIVE)
        return get_ready();
    if (access & TIS_ACCESS_VALID)
        tis_write8(TIS_ACCESS, TIS_ACCESS_SEIZE);
    return wait(TPM_LOCALITY, access);
}

static bool ready(void)
{
    uint32_t status = tis_read32(TIS_STS);

    if (status & TIS_STS_READY)
        return go(STEP_SEND, TIS_TIMEOUT_B);
    return wait(TPM_NOT_READY, status);
}

static uint32_t burst(uint32_t status)
{
    return status >> TIS_STS_BURST_SHIFT & TIS_STS_BURST_MASK;
}

static bool send_bytes(uint32_t until, uint32_t status)
{
    uint32_t count = burst(status), left = until - tis.moved;

    if (count == 0)
        return wait(TPM_NOT_TAKEN, status);
    for (count = count < left ? count : left; count > 0; count--)
        tis_write8(TIS_FIFO, tis.message->bytes[tis.moved++]);
    return true;
}

/* The TPM must expect more until it has the last byte, and nothing after it (PTP 6.5.2.5). */
static bool send(void)
{
    uint32_t status = tis_read32(TIS_STS), size = tis.message->size;

    if (tis.moved < size - 1)
        return send_bytes(size - 1, status);
    if (!(status & TIS_STS_VALID))
        return wait(TPM_NOT_TAKEN, status);
    if (!(status & TIS_STS_EXPECT) == (tis.moved < size))
        return fail(TPM_NOT_TAKEN, status);
    if (tis.moved < size)
        return send_bytes(size, status);
    tis_write32(TIS_STS, TIS_STS_GO);
    go(STEP_EXECUTE, 0);
    tis.deadline = tis.limit;
    return true;
}

static bool execute(void)
{
    const uint32_t done = TIS_STS_VALID | TIS_STS_DATA;
    uint32_t status = tis_read32(TIS_STS);

    if ((status & done) == done)
        return go(STEP_RECEIVE, TIS_TIMEOUT_B);
    return wait(TPM_NO_RESPONSE, status);
}

/* Part 2, 6.6.3: the TPM asks for the same command once more. A lower locality's
 * command that was aborted may show as canceled. */
static bool is_to_be_repeated(uint32_t code)
{
    return code == TPM_RC_RETRY || code == TPM_RC_YIELDED || code == TPM_RC_TESTING ||
           code == TPM_RC_NV_RATE || code == TPM_RC_CANCELED;
}

/* The response begins here in `message`, where the command was. */
static bool take_header(void)
{
    uint32_t size = big32(tis.header + 2), code = big32(tis.header + 6);

    if (size < TPM_HEADER || size > TPM_MESSAGE_MAX)
        return fail(TPM_MALFORMED, size);
    if (size == TPM_HEADER && is_to_be_repeated(code) && !time_is_over(tis.limit)) {
        get_ready();
        return false; /* at most once in each poll */
    }
    memcpy(tis.message->bytes, tis.header, TPM_HEADER);
    tis.message->size = size;
    return true;
}

static bool receive(void)
{
    uint32_t status = tis_read32(TIS_STS), count = burst(status);
    uint32_t end = tis.moved < TPM_HEADER ? TPM_HEADER : tis.message->size;
    uint8_t *to = tis.moved < TPM_HEADER ? tis.header : tis.message->bytes;

    if (!(status & TIS_STS_VALID) || (status & TIS_STS_DATA && count == 0))
        return wait(TPM_RESPONSE_CUT, status);
    if (!(status & TIS_STS_DATA))
        return fail(TPM_MALFORMED, tis.moved);
    for (; count > 0 && tis.moved < end; count--)
        to[tis.moved++] = tis_read8(TIS_FIFO);
    if (tis.moved < end)
        return true;
    if (to == tis.header && !take_header())
        return false;
    if (tis.moved == tis.message->size)
        tis.step = STEP_END;
    return true;
}

/* Bytes beyond the size that the response claims are as wrong as too few. */
static bool end(void)
{
    const uint8_t *bytes = tis.message->bytes;
    uint32_t status = tis_read32(TIS_STS);

    if (!(status & TIS_STS_VALID))
        return wait(TPM_RESPONSE_CUT, status);
    if (status & TIS_STS_DATA)
        return fail(TPM_MALFORMED, tis.moved + 1);
    if (big32(bytes + 6) != TPM_RC_SUCCESS)
        return fail(TPM_REFUSED, big32(bytes + 6));
    if (big16(bytes) != tis.tag)
        return fail(TPM_MALFORMED, big16(bytes));
    release();
    return false;
}

void tpm_begin(struct tpm_message *message)
{
    fault = (struct tpm_fault){.error = TPM_OK};
    tis.message = message;
    tis.name = tpm_command_name(message);
    if (message->size < TPM_HEADER || message->size > TPM_MESSAGE_MAX) {
        tpm_fail(TPM_NOT_TAKEN, tis.name, message->size);
        return;
    }
    tis.tag = big16(message->bytes);
    tis.limit = time_after(TPM_COMMAND_US);
    tis_write8(TIS_ACCESS, TIS_ACCESS_REQUEST);
    go(STEP_REQUEST, TIS_TIMEOUT_A);
}

/* Each true that a step returns is bytes moved or a step forward: this ends. */
enum tpm_progress tpm_poll(void)
{
    static bool (*const steps[])(void) = {
        [STEP_REQUEST] = request, [STEP_READY] = ready,     [STEP_SEND] = send,
        [STEP_EXECUTE] = execute, [STEP_RECEIVE] = receive, [STEP_END] = end};

    while (tis.step != STEP_NONE)
        if (!steps[tis.step]())
            break;
    if (tis.step != STEP_NONE)
        return TPM_BUSY;
    return fault.error == TPM_OK ? TPM_DONE : TPM_FAILED;
}

bool tpm_run(struct tpm_message *message)
{
    enum tpm_progress progress;

    tpm_begin(message);
    while ((progress = tpm_poll()) == TPM_BUSY)
        pause();
    return progress == TPM_DONE;
}
