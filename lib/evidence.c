#include "lib/evidence.h"

#include <stdbool.h>

#include "lib/cbor.h"
#include "lib/memory.h"

#define PCRS 24u /* TCG PC Client Platform TPM Profile, 4.6 */

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t seen = 0;

    for (size_t i = 0; i < size; i++)
        seen |= bytes[i];
    return seen == 0;
}

static bool has_keys(const struct bh_attest_request *asked)
{
    return !is_zero(asked->verifier_x25519, BH_X25519_SIZE) ||
           !is_zero(asked->domain_x25519, BH_X25519_SIZE);
}

static bool has_reference(const struct bh_attest_request *asked)
{
    return !is_zero(asked->reference, sizeof(asked->reference));
}

static void claim_bytes(struct cbor *to, enum bh_claim claim, const void *bytes, size_t size)
{
    cbor_integer(to, claim);
    cbor_bytes(to, bytes, size);
}

static void claim_part(struct cbor *to, enum bh_claim claim, struct evidence_bytes part)
{
    claim_bytes(to, claim, part.at, part.size);
}

static void claim_pcrs(struct cbor *to, const struct evidence *evidence)
{
    const uint8_t(*value)[BH_DIGEST] = evidence->pcr;
    unsigned count = 0;

    for (unsigned pcr = 0; pcr < PCRS; pcr++)
        count += evidence->pcrs >> pcr & 1;
    cbor_integer(to, BH_CLAIM_PCRS);
    cbor_map(to, count);
    for (unsigned pcr = 0; pcr < PCRS; pcr++)
        if (evidence->pcrs >> pcr & 1) {
            cbor_unsigned(to, pcr);
            cbor_bytes(to, *value++, BH_DIGEST);
        }
}

static void claim_keys(struct cbor *to, const struct bh_attest_request *asked)
{
    cbor_integer(to, BH_CLAIM_KEYS);
    cbor_array(to, 2);
    cbor_bytes(to, asked->verifier_x25519, BH_X25519_SIZE);
    cbor_bytes(to, asked->domain_x25519, BH_X25519_SIZE);
}

size_t evidence_encode(const struct evidence *evidence, void *buffer, size_t size)
{
    const struct bh_attest_request *asked = &evidence->asked;
    bool keys = has_keys(asked), reference = has_reference(asked);
    struct cbor to;

    cbor_begin(&to, buffer, size);
    cbor_map(&to, 9u + (evidence->ueid != NULL) + keys + reference);
    claim_bytes(&to, BH_CLAIM_NONCE, asked->nonce, BH_NONCE_SIZE);
    if (evidence->ueid)
        claim_bytes(&to, BH_CLAIM_UEID, evidence->ueid, BH_UEID_SIZE);
    cbor_integer(&to, BH_CLAIM_PROFILE);
    cbor_text(&to, BH_EVIDENCE_PROFILE, sizeof(BH_EVIDENCE_PROFILE) - 1);
    claim_part(&to, BH_CLAIM_ATTEST, evidence->attest);
    claim_part(&to, BH_CLAIM_SIGNATURE, evidence->signature);
    claim_part(&to, BH_CLAIM_AK, evidence->ak);
    claim_pcrs(&to, evidence);
    claim_part(&to, BH_CLAIM_LOG, evidence->log);
    claim_part(&to, BH_CLAIM_REPORT, evidence->report);
    cbor_integer(&to, BH_CLAIM_DOMAIN);
    cbor_unsigned(&to, evidence->domain);
    if (keys)
        claim_keys(&to, asked);
    if (reference)
        claim_bytes(&to, BH_CLAIM_REFERENCE, asked->reference, sizeof(asked->reference));
    return cbor_end(&to);
}

static void report_number(struct cbor *to, unsigned key, uint64_t value)
{
    cbor_unsigned(to, key);
    cbor_unsigned(to, value);
}

static void report_violations(struct cbor *to, const uint64_t violations[EVIDENCE_KINDS])
{
    unsigned count = 0;

    for (unsigned kind = 0; kind < EVIDENCE_KINDS; kind++)
        count += violations[kind] != 0;
    cbor_unsigned(to, BH_REPORT_VIOLATIONS);
    cbor_map(to, count);
    for (unsigned kind = 0; kind < EVIDENCE_KINDS; kind++)
        if (violations[kind] != 0)
            report_number(to, kind, violations[kind]);
}

static void report_domain(struct cbor *to, const struct evidence_domain *domain)
{
    size_t length = 0;

    while (length < sizeof(domain->name) && domain->name[length])
        length++;
    cbor_map(to, 6);
    cbor_unsigned(to, BH_REPORT_NAME);
    cbor_text(to, domain->name, length);
    report_number(to, BH_REPORT_STATE, domain->state);
    report_number(to, BH_REPORT_STARTS, domain->starts);
    report_number(to, BH_REPORT_CRASHES, domain->crashes);
    report_violations(to, domain->violations);
    report_number(to, BH_REPORT_LAST, domain->last);
}

size_t evidence_encode_report(const struct evidence_report *report, void *buffer, size_t size)
{
    struct cbor to;

    cbor_begin(&to, buffer, size);
    cbor_map(&to, 5);
    cbor_unsigned(&to, BH_REPORT_BOOT_ID);
    cbor_bytes(&to, report->boot_id, sizeof(report->boot_id));
    report_number(&to, BH_REPORT_NEXT, report->next);
    report_number(&to, BH_REPORT_SMIS, report->smis);
    report_number(&to, BH_REPORT_SMI_WORST, report->smi_worst);
    cbor_unsigned(&to, BH_REPORT_DOMAINS);
    cbor_array(&to, report->domains);
    for (size_t i = 0; i < report->domains; i++)
        report_domain(&to, &report->domain[i]);
    return cbor_end(&to);
}

void evidence_bind(struct bh_binding *binding, const struct bh_attest_request *asked,
                   uint16_t domain, const uint8_t log[BH_DIGEST], const uint8_t report[BH_DIGEST])
{
    *binding = (struct bh_binding){.label = BH_BINDING_LABEL,
                                   .domain = {(uint8_t)domain, (uint8_t)(domain >> 8)}};
    memcpy(binding->nonce, asked->nonce, BH_NONCE_SIZE);
    memcpy(binding->verifier_x25519, asked->verifier_x25519, BH_X25519_SIZE);
    memcpy(binding->domain_x25519, asked->domain_x25519, BH_X25519_SIZE);
    memcpy(binding->log, log, BH_DIGEST);
    memcpy(binding->report, report, BH_DIGEST);
    memcpy(binding->reference, asked->reference, sizeof(binding->reference));
}
