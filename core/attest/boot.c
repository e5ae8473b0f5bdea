#include <sodium/crypto_hash_sha256.h>

#include "bulkhead/evidence.h"
#include "core/attest/attest.h"
#include "core/attest/command.h"
#include "core/attest/enrolled.h"
#include "core/attest/log.h"
#include "core/platform/platform.h"
#include "hw/tpm.h"
#include "lib/format.h"
#include "lib/memory.h"

static struct tpm_message message;
static bool is_on; /* nothing has failed so far */
static struct bh_event_boot boot;
static const struct bh_header *policy;

static bool malformed(const char *doing)
{
    return tpm_fail(TPM_MALFORMED, doing, message.size);
}

static const char *bank_name(uint16_t algorithm)
{
    switch (algorithm) {
    case TPM_ALG_SHA1:
        return " sha1";
    case TPM_ALG_SHA256:
        return " sha256";
    case TPM_ALG_SHA384:
        return " sha384";
    case TPM_ALG_SHA512:
        return " sha512";
    default:
        return " (another)";
    }
}

static void print_banks(const struct evlog_banks *banks)
{
    char text[EVLOG_BANKS_MAX * sizeof " (another)"] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < banks->count; i++)
        used += format(text + used, sizeof text - used, "%s", bank_name(banks->algorithm[i]));
    print("attest: TPM at locality 2, banks%s", text);
}

/* Evidence is about the SHA-256 bank; all banks are extended and logged. */
static bool start_log(void)
{
    struct evlog_banks banks;
    bool has_sha256 = false;

    tpm_make_get_banks(&message);
    if (!tpm_run(&message))
        return false;
    if (!tpm_take_get_banks(&message, BH_QUOTED_PCRS, &banks))
        return malformed("TPM2_GetCapability");
    for (uint32_t i = 0; i < banks.count; i++)
        has_sha256 |= banks.algorithm[i] == TPM_ALG_SHA256;
    if (!has_sha256 || !log_begin(&banks))
        return tpm_fail(TPM_BANKS, "banks", banks.count);
    print_banks(&banks);
    return true;
}

/* Extends a PCR by the next event, and logs it with the digests that the TPM made of it. */
static bool measure(uint32_t pcr, enum bh_event_type type, uint32_t domain, uint64_t time,
                    const void *body, size_t size)
{
    static uint8_t event[BH_EVENT_MAX];
    struct evlog_digests digests;
    size_t event_size = evlog_event(event, type, log_next(), domain, time, body, size);

    tpm_make_pcr_event(&message, pcr, event, event_size);
    if (!tpm_run(&message))
        return false;
    return (tpm_take_pcr_event(&message, &digests) &&
            log_append(pcr, event, event_size, &digests)) ||
           malformed("TPM2_PCR_Event");
}

/* The same of what policyc can compute beforehand: it has no time. */
static bool measure_static(uint32_t pcr, enum bh_event_type type, const void *body, size_t size)
{
    return measure(pcr, type, BH_NOBODY, 0, body, size);
}

static bool measure_core(const void *core, size_t size)
{
    struct bh_event_core event;

    crypto_hash_sha256(event.sha256, core, size);
    return measure_static(BH_PCR_CORE, BH_EVENT_CORE, &event, sizeof event);
}

static bool measure_boot(void)
{
    struct tpm_clock clock;

    tpm_make_read_clock(&message);
    if (!tpm_run(&message))
        return false;
    if (!tpm_take_read_clock(&message, &clock))
        return malformed("TPM2_ReadClock");
    tpm_make_get_random(&message, sizeof boot.boot_id);
    if (!tpm_run(&message))
        return false;
    if (!tpm_take_get_random(&message, boot.boot_id, sizeof boot.boot_id))
        return malformed("TPM2_GetRandom");
    boot.reset_count = clock.reset_count;
    boot.restart_count = clock.restart_count;
    return measure(BH_PCR_RUNTIME, BH_EVENT_BOOT, BH_NOBODY, time_ns(read_tsc()), &boot,
                   sizeof boot);
}

void attest_begin(const void *core, size_t size)
{
    is_on = tpm_find() && start_log() && measure_core(core, size) && measure_boot();
}

/* The TPM is of no use. */
static void give_up(void)
{
    const struct tpm_fault *fault = tpm_fault();
    const char *cause = tpm_error_cause(fault->error);

    is_on = false;
    if (policy->attest != BH_ATTEST_OPTIONAL)
        fatal("%s: %s, 0x%x. %s", cause, fault->doing, fault->detail,
              tpm_error_remedy(fault->error));
    print("attest: none: %s: %s, 0x%x", cause, fault->doing, fault->detail);
}

void attest_policy(const struct bh_header *checked, const struct policy_origin *origin,
                   const struct bh_event_smm *smm)
{
    policy = checked;
    if (!is_on ||
        !measure_static(BH_PCR_CORE, BH_EVENT_POLICY, &origin->event, sizeof origin->event) ||
        !measure_static(BH_PCR_CORE, BH_EVENT_SMM, smm, sizeof *smm) ||
        !measure_static(BH_PCR_CORE, BH_EVENT_CAP, NULL, 0) ||
        !enrolled_check(&message, policy->version, origin->trust))
        give_up();
}

static bool measure_domain(uint32_t index)
{
    struct evlog_domain body;
    size_t size = evlog_domain(&body, policy, index);

    return measure(BH_PCR_DOMAINS, BH_EVENT_DOMAIN, index, 0, &body, size);
}

static bool measure_start(uint32_t index)
{
    const struct bh_domain *domain = bh_domain_row(policy, index);
    uint8_t cmdline[BH_DIGEST];
    struct bh_event_start body;

    crypto_hash_sha256(cmdline, (const uint8_t *)domain->cmdline, strlen(domain->cmdline));
    evlog_start(&body, domain, cmdline);
    return measure(BH_PCR_DOMAINS, BH_EVENT_START, index, 0, &body, sizeof body);
}

static bool measure_domains(void)
{
    for (uint32_t i = 0; i < policy->domains.count; i++)
        if (!measure_domain(i))
            return false;
    for (uint32_t i = 0; i < policy->domains.count; i++)
        if (!measure_start(i))
            return false;
    return measure_static(BH_PCR_DOMAINS, BH_EVENT_CAP, NULL, 0);
}

static void print_pcr(uint32_t pcr, const uint8_t value[BH_DIGEST])
{
    char text[2 * BH_DIGEST + 1];

    for (uint32_t i = 0; i < BH_DIGEST; i++)
        format(text + 2 * i, 3, "%02x", value[i]);
    print("attest: PCR %u %s", pcr, text);
}

/* As the TPM has them. */
static bool show_pcrs(void)
{
    static uint8_t values[TPM_PCRS][BH_DIGEST];

    for (uint32_t pcr = BH_PCR_CORE; pcr <= BH_PCR_DOMAINS; pcr++) {
        uint32_t got;

        tpm_make_pcr_read(&message, 1u << pcr);
        if (!tpm_run(&message))
            return false;
        if (!tpm_take_pcr_read(&message, 1u << pcr, &got, values))
            return malformed("TPM2_PCR_Read");
        print_pcr(pcr, values[pcr]);
    }
    return true;
}

void attest_domains(void)
{
    if (!is_on)
        return;
    if (measure_domains() && show_pcrs())
        log_switch_on(policy, boot.boot_id);
    else
        give_up();
}
