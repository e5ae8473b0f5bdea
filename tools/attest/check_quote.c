/* Checks 1 to 11: is this evidence of the enrolled machine, of now, and whole? */
#include "check.h"
#include <stdio.h>
#include <string.h>

#include "sha256.h"

bool check_form(struct checking *checking)
{
    struct malformed malformed;
    char place[COMPONENT_SIZE];

    if (claims_read(&checking->claims, checking->in->evidence, checking->in->size, &malformed)) {
        checking->result->has_nonce = true;
        memcpy(checking->result->nonce, checking->claims.evidence.asked.nonce, BH_NONCE_SIZE);
        return true;
    }
    snprintf(place, sizeof(place), "%s, offset %zu", malformed.part, malformed.offset);
    differs(&checking->difference, malformed.expected, "something else");
    return reject(checking, CODE_E101, place);
}

/* Whether the authority vouches, now, for some machine. */
static bool is_valid(const struct record *record, int64_t now, struct difference *difference)
{
    if (record == NULL)
        return differs(difference, "an enrolment record", "none");
    if (record->fault[0] != '\0')
        return differs(difference, "a valid enrolment record", "%s", record->fault);
    if (record->is_revoked)
        return differs(difference, "a valid enrolment record", "the authority revoked it");
    if (now < record->issued)
        return differs(difference, "a valid enrolment record", "it was issued in the future");
    return now < record->expires ||
           differs(difference, "a valid enrolment record", "it has expired");
}

/* Whether it is this machine's. */
static bool is_of_record(const struct record *record, const struct evidence *evidence,
                         struct difference *difference)
{
    if (evidence->ueid == NULL)
        return differs(difference, "the UEID of the enrolled machine", "none");
    return same_bytes(difference, "UEID", record->ueid, BH_UEID_SIZE, evidence->ueid,
                      BH_UEID_SIZE) &&
           same_bytes(difference, "AK", record->ak_public, record->ak_public_size, evidence->ak.at,
                      evidence->ak.size);
}

bool check_enrolment(struct checking *checking)
{
    const struct record *record = checking->in->record;
    struct difference *difference = &checking->difference;

    if (!is_valid(record, checking->in->now, difference))
        return reject(checking, CODE_E201, "enrolment record");
    if (!is_of_record(record, &checking->claims.evidence, difference))
        return reject(checking, CODE_E201, "attestation key");
    if (checking->last == CHECK_LAST && !record->is_pinned) {
        differs(difference, "pinned PCRs", "none: bhattest enroll --pin");
        return reject(checking, CODE_E201, "enrolment record");
    }
    if (record->is_pinned)
        checking->result->profile = record->profile;
    return true;
}

bool check_key(struct checking *checking)
{
    const struct record *record = checking->in->record;
    const struct evidence_bytes *ak = &checking->claims.evidence.ak;
    uint8_t name[NAME_SIZE];
    struct tpm_public key;

    tpm_name(name, ak->at, ak->size);
    if (!ak_read(&key, ak->at, ak->size, &checking->difference) ||
        !same_bytes(&checking->difference, "name", record->ak_name, NAME_SIZE, name, NAME_SIZE))
        return reject(checking, CODE_E202, "attestation key");
    if (record->ak == NULL) {
        differs(&checking->difference, "a point of P-256", "another");
        return reject(checking, CODE_E202, "attestation key");
    }
    return true;
}

bool check_attest(struct checking *checking)
{
    const struct evidence *evidence = &checking->claims.evidence;

    if (!quote_read(&checking->quote, evidence->attest.at, evidence->attest.size,
                    &checking->difference))
        return reject(checking, CODE_E301, "quote");
    return ecdsa_read(&checking->signature, evidence->signature.at, evidence->signature.size,
                      &checking->difference) ||
           reject(checking, CODE_E301, "signature");
}

bool check_signature(struct checking *checking)
{
    const struct evidence_bytes *attest = &checking->claims.evidence.attest;

    if (ecdsa_is_good(checking->in->record->ak, &checking->signature, attest->at, attest->size))
        return true;
    differs(&checking->difference, "a signature by the enrolled attestation key", "another");
    return reject(checking, CODE_E302, "signature");
}

static bool is_fresh(const struct checking *checking, struct difference *difference)
{
    const struct appraisal *in = checking->in;
    const uint8_t *nonce = checking->claims.evidence.asked.nonce;

    switch (in->nonce != NULL ? in->nonce(in->nonce_context, nonce) : NONCE_UNKNOWN) {
    case NONCE_FRESH:
        return true;
    case NONCE_UNKNOWN:
        return differs(difference, "a nonce of ours", "another");
    case NONCE_USED:
        return differs(difference, "a nonce that is used once", "one that was used before");
    case NONCE_EXPIRED:
        return differs(difference, "a new nonce", "one that is too old");
    }
    return differs(difference, "a nonce of ours", "another");
}

static void note_keys(struct checking *checking)
{
    static const uint8_t none[BH_X25519_SIZE];
    const struct bh_attest_request *asked = &checking->claims.evidence.asked;
    struct result *result = checking->result;

    memcpy(result->verifier_x25519, asked->verifier_x25519, BH_X25519_SIZE);
    memcpy(result->domain_x25519, asked->domain_x25519, BH_X25519_SIZE);
    result->has_keys = memcmp(none, asked->verifier_x25519, BH_X25519_SIZE) != 0 ||
                       memcmp(none, asked->domain_x25519, BH_X25519_SIZE) != 0;
    result->asked_by = checking->claims.evidence.domain;
}

bool check_binding(struct checking *checking)
{
    const struct evidence *evidence = &checking->claims.evidence;
    uint8_t log[32], report[32], bound[32];
    struct bh_binding binding;

    if (!is_fresh(checking, &checking->difference))
        return reject(checking, CODE_E401, "nonce");
    sha256(evidence->log.at, evidence->log.size, log);
    sha256(evidence->report.at, evidence->report.size, report);
    evidence_bind(&binding, &evidence->asked, evidence->domain, log, report);
    sha256(&binding, sizeof(binding), bound);
    if (!same_bytes(&checking->difference, "extraData", bound, sizeof(bound),
                    checking->quote.extra_data, checking->quote.extra_size))
        return reject(checking, CODE_E303, "nonce, keys, domain, log, report or reference");
    note_keys(checking);
    return true;
}

bool check_selection(struct checking *checking)
{
    const struct quote *quote = &checking->quote;

    return (same_number(&checking->difference, "banks", 1, quote->banks) &&
            same_number(&checking->difference, "bank", TPM_ALG_SHA256, quote->bank) &&
            same_number(&checking->difference, "size of the selection", 3, quote->select_size) &&
            same_number(&checking->difference, "PCRs", BH_QUOTED_PCRS, quote->pcrs)) ||
           reject(checking, CODE_E304, "PCR selection");
}

bool check_pcrs(struct checking *checking)
{
    const struct claims *claims = &checking->claims;
    unsigned count = (unsigned)__builtin_popcount(BH_QUOTED_PCRS);
    uint8_t digest[32];

    sha256(claims->values, count * BH_DIGEST, digest);
    return (same_number(&checking->difference, "PCRs", BH_QUOTED_PCRS, claims->evidence.pcrs) &&
            same_bytes(&checking->difference, "pcrDigest", digest, sizeof(digest),
                       checking->quote.pcr_digest, checking->quote.pcr_digest_size)) ||
           reject(checking, CODE_E305, "PCR values");
}

bool check_replay(struct checking *checking)
{
    const struct evidence_bytes *log = &checking->claims.evidence.log;
    uint8_t first = checking->result->profile == PROFILE_DYNAMIC ? 0x00 : 0xff;
    char place[PLACE_SIZE];
    uint8_t value[BH_DIGEST];

    if (!log_read(&checking->log, log->at, log->size, place, &checking->difference))
        return reject(checking, CODE_E306, place);
    for (unsigned pcr = BH_PCR_CORE; pcr <= BH_PCR_RUNTIME; pcr++) {
        log_replay(&checking->log, pcr, first, value);
        snprintf(place, sizeof(place), "PCR %u", pcr);
        if (!same_bytes(&checking->difference, "by the log", value, sizeof(value),
                        claims_pcr(&checking->claims, pcr), BH_DIGEST))
            return reject(checking, CODE_E306, place);
    }
    return true;
}

bool check_events(struct checking *checking)
{
    char place[PLACE_SIZE];
    size_t index;

    if (log_check(&checking->log, &index, &checking->difference))
        return true;
    snprintf(place, sizeof(place), "event %zu", index);
    return reject(checking, CODE_E307, place);
}

bool check_clock(struct checking *checking)
{
    const struct quote *quote = &checking->quote;
    struct difference *difference = &checking->difference;
    struct bh_event_boot boot;

    event_body(log_boot(&checking->log), &boot, sizeof(boot));
    if (!quote->is_safe) {
        differs(difference, "a clock that wasn't set back", "clockInfo.safe 0");
        return reject(checking, CODE_E308, "clock");
    }
    if (!same_number(difference, "as at boot,", boot.reset_count, quote->reset_count))
        return reject(checking, CODE_E308, "reset count");
    if (!same_number(difference, "as at boot,", boot.restart_count, quote->restart_count))
        return reject(checking, CODE_E308, "restart count");
    return same_number(difference, "as enrolled,", checking->in->record->firmware_version,
                       quote->firmware_version) ||
           reject(checking, CODE_E308, "TPM firmware");
}
