#include "core/attest/maker.h"

#include <sodium/crypto_hash_sha256.h>

#include "core/attest/clock.h"
#include "core/attest/command.h"
#include "core/attest/complain.h"
#include "core/attest/log.h"
#include "core/attest/pull.h"
#include "core/attest/snapshot.h"
#include "core/platform/platform.h"
#include "hw/tpm.h"
#include "lib/memory.h"

#define PUBLIC_MAX    512u  /* a key's TPMT_PUBLIC; also TPMS_ATTEST, TPMT_SIGNATURE */
#define REPORT_MAX    4096u /* BH_MAX_DOMAINS rows with all kinds of violations, and more */
#define EVIDENCE_REST 4096u /* all claims but log and report */
#define COUNTER_SIZE  8u    /* of BH_NV_COUNTER, big-endian */
#define RAISES_MAX    16u   /* of the counter, in one evidence: it must not wait for all */

/* What the TPM is to do next. */
enum step {
    STEP_REST,
    STEP_FLUSH_OLD,
    STEP_CLOCK,
    STEP_READ_RUNTIME,
    STEP_EXTEND,
    STEP_DIGESTS,
    STEP_AK,
    STEP_EK,
    STEP_SESSION,
    STEP_COUNTER,
    STEP_RAISE_LOCALITY,
    STEP_RAISE,
    STEP_PCRS,
    STEP_LOCALITY,
    STEP_QUOTE,
    STEP_FLUSH,
    STEP_FAILED
};

struct part {
    uint8_t bytes[PUBLIC_MAX];
    uint32_t size;
};

/* All of it is guarded by quote.c's lock. */
static struct {
    enum step step;
    bool is_sent; /* the step's command is under way */
    enum bh_result result;
    struct tpm_message message;
    uint32_t session; /* 0: none is open in the TPM */

    unsigned index; /* who asked, and what for */
    struct bh_attest_request asked;
    struct snapshot snapshot;

    uint8_t ueid[BH_UEID_SIZE];
    bool has_ueid;
    struct part ak, attest, signature;
    uint8_t values[TPM_PCRS][BH_DIGEST], pcr[TPM_PCRS][BH_DIGEST];
    uint32_t got; /* PCRs that have been read */
    unsigned raises;
    uint8_t report[REPORT_MAX];
    size_t report_size;
} maker;

static uint8_t evidence[LOG_MAX + REPORT_MAX + EVIDENCE_REST];
static size_t evidence_size;

static bool keep(struct part *part, struct tpm_bytes bytes)
{
    if (bytes.size > sizeof(part->bytes))
        return tpm_fail(TPM_MALFORMED, "a part of the evidence", bytes.size);
    memcpy(part->bytes, bytes.bytes, bytes.size);
    part->size = bytes.size;
    return true;
}

/* Where a response isn't what was asked for. */
static enum step malformed(const char *doing)
{
    tpm_fail(TPM_MALFORMED, doing, maker.message.size);
    return STEP_FAILED;
}

/* Events that the log lacks: pull.c. */

static enum step after_pull(enum pull pull)
{
    static const enum step steps_of[] = {[PULL_DONE] = STEP_AK,
                                         [PULL_READ] = STEP_READ_RUNTIME,
                                         [PULL_EXTEND] = STEP_EXTEND,
                                         [PULL_DIGESTS] = STEP_DIGESTS,
                                         [PULL_FAILED] = STEP_FAILED};

    return steps_of[pull];
}

static enum step first_event(void)
{
    return after_pull(pull_begin(&maker.snapshot));
}

static void make_read_runtime(void)
{
    pull_make_read(&maker.message);
}

static enum step take_read_runtime(void)
{
    return after_pull(pull_take_read(&maker.message));
}

static void make_extend(void)
{
    pull_make_extend(&maker.message);
}

static void make_digests(void)
{
    pull_make_digests(&maker.message);
}

static enum step take_digests(void)
{
    return after_pull(pull_take_digests(&maker.message));
}

static void make_ak(void)
{
    tpm_make_read_public(&maker.message, BH_AK_HANDLE);
}

static enum step take_ak(void)
{
    struct tpm_bytes key;

    if (!tpm_take_read_public(&maker.message, &key) || !keep(&maker.ak, key))
        return malformed("TPM2_ReadPublic");
    return STEP_EK;
}

static void make_ek(void)
{
    tpm_make_read_public(&maker.message, BH_EK_HANDLE);
}

static enum step take_ek(void)
{
    struct tpm_bytes key;

    if (!tpm_take_read_public(&maker.message, &key))
        return malformed("TPM2_ReadPublic");
    maker.ueid[0] = 1;
    crypto_hash_sha256(maker.ueid + 1, key.bytes, key.size);
    maker.has_ueid = true;
    return STEP_SESSION;
}

/* The session that shows the TPM where commands come from. */

static void make_session(void)
{
    tpm_make_start_policy(&maker.message);
}

static enum step take_session(void)
{
    if (!tpm_take_start_policy(&maker.message, &maker.session))
        return malformed("TPM2_StartAuthSession");
    return log_counter_lag() != 0 ? STEP_COUNTER : STEP_PCRS;
}

static void make_locality(void)
{
    tpm_make_policy_locality(&maker.message, maker.session);
}

static enum step take_raise_locality(void)
{
    return tpm_take_nothing(&maker.message) ? STEP_RAISE : malformed("TPM2_PolicyLocality");
}

static enum step take_locality(void)
{
    return tpm_take_nothing(&maker.message) ? STEP_QUOTE : malformed("TPM2_PolicyLocality");
}

/*
 * The oldest version of the policy that may run follows the one that runs, a step at a time. The
 * counter is looked at before each: where the TPM's answer to a step was lost, one step more would
 * forbid the very version that runs.
 */

static void make_counter(void)
{
    tpm_make_nv_read(&maker.message, BH_NV_COUNTER, COUNTER_SIZE);
}

static enum step take_counter(void)
{
    uint8_t bytes[COUNTER_SIZE];
    uint64_t counter = 0;

    if (!tpm_take_nv_read(&maker.message, bytes, sizeof(bytes)))
        return malformed("TPM2_NV_Read");
    for (unsigned i = 0; i < sizeof(bytes); i++)
        counter = counter << 8 | bytes[i];
    log_counter_is(counter);
    if (log_counter_lag() == 0 || maker.raises == RAISES_MAX)
        return STEP_PCRS;
    maker.raises++;
    return STEP_RAISE_LOCALITY;
}

static void make_raise(void)
{
    tpm_make_nv_increment(&maker.message, BH_NV_COUNTER, maker.session);
}

static enum step take_raise(void)
{
    return tpm_take_nv_increment(&maker.message) ? STEP_COUNTER : malformed("TPM2_NV_Increment");
}

static void make_pcrs(void)
{
    tpm_make_pcr_read(&maker.message, BH_QUOTED_PCRS & ~maker.got);
}

static enum step take_pcrs(void)
{
    uint32_t got;

    if (!tpm_take_pcr_read(&maker.message, BH_QUOTED_PCRS & ~maker.got, &got, maker.values))
        return malformed("TPM2_PCR_Read");
    maker.got |= got;
    return maker.got == BH_QUOTED_PCRS ? STEP_LOCALITY : STEP_PCRS;
}

static void make_quote(void)
{
    uint8_t log_hash[BH_DIGEST], report_hash[BH_DIGEST], extra_data[BH_DIGEST];
    struct bh_binding binding;

    maker.report_size = snapshot_report(&maker.snapshot, maker.report, sizeof(maker.report));
    log_sha256(log_hash);
    crypto_hash_sha256(report_hash, maker.report, maker.report_size);
    evidence_bind(&binding, &maker.asked, (uint16_t)maker.index, log_hash, report_hash);
    crypto_hash_sha256(extra_data, (const uint8_t *)&binding, sizeof(binding));
    tpm_make_quote(&maker.message, BH_AK_HANDLE, maker.session, extra_data, BH_QUOTED_PCRS);
}

static void put_together(void)
{
    struct evidence all = {.asked = maker.asked,
                           .ueid = maker.has_ueid ? maker.ueid : NULL,
                           .attest = {maker.attest.bytes, maker.attest.size},
                           .signature = {maker.signature.bytes, maker.signature.size},
                           .ak = {maker.ak.bytes, maker.ak.size},
                           .log = log_bytes(),
                           .report = {maker.report, maker.report_size},
                           .pcrs = BH_QUOTED_PCRS,
                           .pcr = (const uint8_t(*)[BH_DIGEST])maker.pcr,
                           .domain = (uint16_t)maker.index};
    unsigned count = 0;

    for (unsigned pcr = 0; pcr < TPM_PCRS; pcr++)
        if (BH_QUOTED_PCRS >> pcr & 1)
            memcpy(maker.pcr[count++], maker.values[pcr], BH_DIGEST);
    evidence_size = evidence_encode(&all, evidence, sizeof(evidence));
}

static enum step take_quote(void)
{
    struct tpm_quote quote;

    if (!tpm_take_quote(&maker.message, &quote) || !keep(&maker.attest, quote.attest) ||
        !keep(&maker.signature, quote.signature))
        return malformed("TPM2_Quote");
    put_together();
    if (evidence_size == 0)
        return malformed("putting evidence together");
    maker.result = BH_OK;
    return STEP_FLUSH;
}

static void make_flush(void)
{
    tpm_make_flush(&maker.message, maker.session);
}

static enum step flushed(void)
{
    maker.session = 0;
    return STEP_REST;
}

static enum step flushed_old(void)
{
    maker.session = 0;
    return STEP_CLOCK;
}

static void make_clock(void)
{
    tpm_make_read_clock(&maker.message);
}

static enum step take_clock(void)
{
    bool is_enough;

    if (!clock_take(&maker.message, &is_enough))
        return malformed("TPM2_ReadClock");
    if (!is_enough)
        return STEP_CLOCK;
    snapshot_take(&maker.snapshot, log_policy()->domains.count);
    return first_event();
}

static const struct {
    void (*make)(void);
    enum step (*take)(void);
} steps[] = {
    [STEP_FLUSH_OLD] = {make_flush, flushed_old},
    [STEP_CLOCK] = {make_clock, take_clock},
    [STEP_READ_RUNTIME] = {make_read_runtime, take_read_runtime},
    [STEP_EXTEND] = {make_extend, take_digests},
    [STEP_DIGESTS] = {make_digests, take_digests},
    [STEP_AK] = {make_ak, take_ak},
    [STEP_EK] = {make_ek, take_ek},
    [STEP_SESSION] = {make_session, take_session},
    [STEP_COUNTER] = {make_counter, take_counter},
    [STEP_RAISE_LOCALITY] = {make_locality, take_raise_locality},
    [STEP_RAISE] = {make_raise, take_raise},
    [STEP_PCRS] = {make_pcrs, take_pcrs},
    [STEP_LOCALITY] = {make_locality, take_locality},
    [STEP_QUOTE] = {make_quote, take_quote},
    [STEP_FLUSH] = {make_flush, flushed},
};

/* The TPM doesn't do what the step wants. */
static enum step refused(void)
{
    bool answered = tpm_fault()->error == TPM_REFUSED;

    switch (maker.step) {
    case STEP_FLUSH: /* once more when the next evidence begins */
        return STEP_REST;
    case STEP_FLUSH_OLD: /* gone, if it is the handle that is wrong: the TPM was reset */
        return answered && tpm_fault()->detail & TPM_RC_FMT1 ? flushed_old() : STEP_FAILED;
    case STEP_SESSION: /* it may be open: as core has no other, it is the TPM's first */
        maker.session = TPM_POLICY_SESSION_FIRST;
        return STEP_FAILED;
    case STEP_AK:
        if (tpm_is_nothing_there())
            maker.result = BH_E_UNENROLLED;
        return STEP_FAILED;
    case STEP_EK:
        return tpm_is_nothing_there() ? STEP_SESSION : STEP_FAILED;
    default:
        return STEP_FAILED;
    }
}

static enum step fail(void)
{
    complain(maker.index);
    if (maker.result == BH_E_AGAIN)
        maker.result = BH_E_TPM;
    return maker.session != 0 ? STEP_FLUSH : STEP_REST;
}

enum bh_result maker_begin(unsigned index, const struct bh_attest_request *asked)
{
    if (!log_is_on())
        return BH_E_TPM;
    if (!log_is_enrolled())
        return BH_E_UNENROLLED;
    evidence_size = 0;
    maker.result = BH_E_AGAIN;
    maker.index = index;
    maker.asked = *asked;
    maker.has_ueid = false;
    maker.got = 0;
    maker.raises = 0;
    clock_begin();
    maker.step = maker.session != 0 ? STEP_FLUSH_OLD : STEP_CLOCK;
    return BH_OK;
}

enum bh_result maker_drive(void)
{
    enum tpm_progress progress;

    if (maker.step == STEP_REST)
        return maker.result;
    if (!maker.is_sent) {
        steps[maker.step].make();
        tpm_begin(&maker.message);
        maker.is_sent = true;
    }
    progress = tpm_poll();
    if (progress == TPM_BUSY)
        return BH_E_AGAIN;
    maker.is_sent = false;
    maker.step = progress == TPM_DONE ? steps[maker.step].take() : refused();
    if (maker.step == STEP_FAILED)
        maker.step = fail();
    return maker.step == STEP_REST ? maker.result : BH_E_AGAIN;
}

struct evidence_bytes maker_evidence(void)
{
    return (struct evidence_bytes){evidence, evidence_size};
}
