#include "claims.h"
#include <string.h>

#include "cbor_read.h"

/* The reader with where it failed first. */
struct input {
    struct cbor_reader reader;
    struct malformed *malformed;
};

static bool refuse(struct input *in, size_t offset, const char *expected)
{
    in->malformed->offset = offset;
    in->malformed->expected = expected;
    return false;
}

/* The next item, which must be of that kind. */
static bool take(struct input *in, enum item_kind kind, struct item *item, const char *expected)
{
    size_t offset = in->reader.offset;

    if (!cbor_read(&in->reader, item) || item->kind != kind)
        return refuse(in, offset, expected);
    return true;
}

static bool take_count(struct input *in, enum item_kind kind, uint64_t least, uint64_t most,
                       uint64_t *count, const char *expected)
{
    size_t offset = in->reader.offset;
    struct item item;

    if (!take(in, kind, &item, expected))
        return false;
    if (item.value < least || item.value > most)
        return refuse(in, offset, expected);
    *count = item.value;
    return true;
}

static bool take_number(struct input *in, uint64_t most, uint64_t *value, const char *expected)
{
    return take_count(in, ITEM_UNSIGNED, 0, most, value, expected);
}

/* A byte string of just that size. */
static bool take_fixed(struct input *in, void *bytes, size_t size, const char *expected)
{
    size_t offset = in->reader.offset;
    struct item item;

    if (!take(in, ITEM_BYTES, &item, expected))
        return false;
    if (item.size != size)
        return refuse(in, offset, expected);
    memcpy(bytes, item.at, size);
    return true;
}

static bool take_part(struct input *in, struct evidence_bytes *part, const char *expected)
{
    struct item item;

    if (!take(in, ITEM_BYTES, &item, expected))
        return false;
    *part = (struct evidence_bytes){item.at, item.size};
    return true;
}

static bool take_profile(struct input *in)
{
    static const char profile[] = BH_EVIDENCE_PROFILE;
    size_t offset = in->reader.offset;
    struct item item;

    if (!take(in, ITEM_TEXT, &item, "the profile, a text"))
        return false;
    if (item.size != sizeof(profile) - 1 || memcmp(item.at, profile, item.size) != 0)
        return refuse(in, offset, "profile " BH_EVIDENCE_PROFILE);
    return true;
}

static bool take_pcrs(struct input *in, struct claims *claims)
{
    struct evidence *evidence = &claims->evidence;
    uint64_t count, pcr;

    if (!take_count(in, ITEM_MAP, 0, EVIDENCE_PCRS, &count, "a map of at most 24 PCRs"))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        size_t offset = in->reader.offset;

        if (!take_number(in, EVIDENCE_PCRS - 1, &pcr, "a PCR's number, 0 to 23"))
            return false;
        if (evidence->pcrs >> pcr != 0) /* itself or a higher one was there */
            return refuse(in, offset, "PCRs in ascending order");
        if (!take_fixed(in, claims->values[i], BH_DIGEST, "a PCR's value, 32 bytes"))
            return false;
        evidence->pcrs |= 1u << pcr;
    }
    evidence->pcr = (const uint8_t(*)[BH_DIGEST])claims->values;
    return true;
}

static bool take_keys(struct input *in, struct bh_attest_request *asked)
{
    uint64_t count;

    return take_count(in, ITEM_ARRAY, 2, 2, &count, "an array of two keys") &&
           take_fixed(in, asked->verifier_x25519, BH_X25519_SIZE, "the verifier's key, 32 bytes") &&
           take_fixed(in, asked->domain_x25519, BH_X25519_SIZE, "the domain's key, 32 bytes");
}

static bool take_ueid(struct input *in, struct claims *claims)
{
    size_t offset = in->reader.offset;
    struct item item;

    if (!take(in, ITEM_BYTES, &item, "the UEID, 33 bytes"))
        return false;
    if (item.size != BH_UEID_SIZE)
        return refuse(in, offset, "the UEID, 33 bytes");
    claims->evidence.ueid = item.at;
    return true;
}

static bool take_domain(struct input *in, struct evidence *evidence)
{
    uint64_t index;

    if (!take_number(in, BH_EVIDENCE_MAX_DOMAINS - 1, &index, "a domain's index, 0 to 63"))
        return false;
    evidence->domain = (uint16_t)index;
    return true;
}

static bool take_claim(struct input *in, int64_t claim, struct claims *claims)
{
    struct evidence *evidence = &claims->evidence;

    switch (claim) {
    case BH_CLAIM_NONCE:
        return take_fixed(in, evidence->asked.nonce, BH_NONCE_SIZE, "the nonce, 32 bytes");
    case BH_CLAIM_UEID:
        return take_ueid(in, claims);
    case BH_CLAIM_PROFILE:
        return take_profile(in);
    case BH_CLAIM_ATTEST:
        return take_part(in, &evidence->attest, "TPMS_ATTEST, bytes");
    case BH_CLAIM_SIGNATURE:
        return take_part(in, &evidence->signature, "TPMT_SIGNATURE, bytes");
    case BH_CLAIM_AK:
        return take_part(in, &evidence->ak, "TPMT_PUBLIC, bytes");
    case BH_CLAIM_PCRS:
        return take_pcrs(in, claims);
    case BH_CLAIM_LOG:
        return take_part(in, &evidence->log, "the event log, bytes");
    case BH_CLAIM_REPORT:
        return take_part(in, &evidence->report, "the report, bytes");
    case BH_CLAIM_DOMAIN:
        return take_domain(in, evidence);
    case BH_CLAIM_KEYS:
        return take_keys(in, &evidence->asked);
    case BH_CLAIM_REFERENCE:
        return take_fixed(in, evidence->asked.reference, 32, "an id of reference values, 32 bytes");
    default:
        return refuse(in, in->reader.offset, "a claim that this verifier knows");
    }
}

static const int64_t order[] = {
    BH_CLAIM_NONCE,     BH_CLAIM_UEID,   BH_CLAIM_PROFILE, BH_CLAIM_ATTEST,
    BH_CLAIM_SIGNATURE, BH_CLAIM_AK,     BH_CLAIM_PCRS,    BH_CLAIM_LOG,
    BH_CLAIM_REPORT,    BH_CLAIM_DOMAIN, BH_CLAIM_KEYS,    BH_CLAIM_REFERENCE,
};
#define CLAIMS (sizeof(order) / sizeof(order[0]))

static bool is_optional(int64_t claim)
{
    return claim == BH_CLAIM_UEID || claim == BH_CLAIM_KEYS || claim == BH_CLAIM_REFERENCE;
}

/* A key of the map: a number of either sign. */
static bool take_key(struct input *in, int64_t *key)
{
    size_t offset = in->reader.offset;
    struct item item;

    if (!cbor_read(&in->reader, &item) ||
        (item.kind != ITEM_UNSIGNED && item.kind != ITEM_NEGATIVE) || item.value > INT32_MAX)
        return refuse(in, offset, "a claim's number");
    *key = item.kind == ITEM_NEGATIVE ? -1 - (int64_t)item.value : (int64_t)item.value;
    return true;
}

/* Claims in their order, each once, all that aren't optional. */
static bool take_claims(struct input *in, struct claims *claims)
{
    uint64_t count;
    size_t next = 0;

    if (!take_count(in, ITEM_MAP, 1, CLAIMS, &count, "a map of at most 12 claims"))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        size_t offset = in->reader.offset;
        int64_t key;

        if (!take_key(in, &key))
            return false;
        while (next < CLAIMS && order[next] != key && is_optional(order[next]))
            next++;
        if (next == CLAIMS || order[next] != key)
            return refuse(in, offset, "the next claim in its order");
        next++;
        if (!take_claim(in, key, claims))
            return false;
    }
    while (next < CLAIMS && is_optional(order[next]))
        next++;
    return next == CLAIMS || refuse(in, in->reader.offset, "more claims");
}

/* Report. */

static bool take_report_key(struct input *in, uint64_t key)
{
    size_t offset = in->reader.offset;
    uint64_t got;

    if (!take_number(in, UINT64_MAX, &got, "a key of the report"))
        return false;
    return got == key || refuse(in, offset, "the next key of the report in its order");
}

static bool take_value(struct input *in, uint64_t key, uint64_t *value)
{
    return take_report_key(in, key) && take_number(in, UINT64_MAX, value, "a number");
}

/* A policy's names: core's are printable, and so no terminal is told anything by one. */
static bool is_name(const uint8_t *text, size_t size)
{
    if (size == 0 || size >= BH_NAME_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

static bool take_name(struct input *in, struct evidence_domain *domain)
{
    size_t offset = in->reader.offset;
    struct item item;

    if (!take_report_key(in, BH_REPORT_NAME) || !take(in, ITEM_TEXT, &item, "a domain's name"))
        return false;
    if (!is_name(item.at, item.size))
        return refuse(in, offset, "a name of 1 to 31 printable characters");
    memcpy(domain->name, item.at, item.size);
    return true;
}

static bool take_violations(struct input *in, struct evidence_domain *domain)
{
    uint64_t count, kind;

    if (!take_report_key(in, BH_REPORT_VIOLATIONS) ||
        !take_count(in, ITEM_MAP, 0, EVIDENCE_KINDS, &count, "a map of known kinds of violations"))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        size_t offset = in->reader.offset;

        if (!take_number(in, EVIDENCE_KINDS - 1, &kind, "a known kind of violation"))
            return false;
        if (domain->violations[kind] != 0)
            return refuse(in, offset, "each kind once");
        offset = in->reader.offset;
        if (!take_number(in, UINT64_MAX, &domain->violations[kind], "a count"))
            return false;
        if (domain->violations[kind] == 0)
            return refuse(in, offset, "a count that isn't 0");
    }
    return true;
}

static bool take_state(struct input *in, struct evidence_domain *domain)
{
    size_t offset = in->reader.offset;

    if (!take_value(in, BH_REPORT_STATE, &domain->state))
        return false;
    if (domain->state < BH_STATE_RUNNING || domain->state > BH_STATE_CRASHED)
        return refuse(in, offset, "a known state");
    return true;
}

static bool take_report_domain(struct input *in, struct evidence_domain *domain)
{
    uint64_t count;

    return take_count(in, ITEM_MAP, 6, 6, &count, "a domain, a map of 6") &&
           take_name(in, domain) && take_state(in, domain) &&
           take_value(in, BH_REPORT_STARTS, &domain->starts) &&
           take_value(in, BH_REPORT_CRASHES, &domain->crashes) && take_violations(in, domain) &&
           take_value(in, BH_REPORT_LAST, &domain->last);
}

static bool take_report(struct input *in, struct claims *claims)
{
    struct evidence_report *report = &claims->report;
    uint64_t count;

    if (!take_count(in, ITEM_MAP, 5, 5, &count, "the report, a map of 5") ||
        !take_report_key(in, BH_REPORT_BOOT_ID) ||
        !take_fixed(in, report->boot_id, sizeof(report->boot_id), "the boot's id, 16 bytes") ||
        !take_value(in, BH_REPORT_NEXT, &report->next) ||
        !take_value(in, BH_REPORT_SMIS, &report->smis) ||
        !take_value(in, BH_REPORT_SMI_WORST, &report->smi_worst) ||
        !take_report_key(in, BH_REPORT_DOMAINS) ||
        !take_count(in, ITEM_ARRAY, 0, BH_EVIDENCE_MAX_DOMAINS, &count,
                    "an array of at most 64 domains"))
        return false;
    report->domains = (size_t)count;
    report->domain = claims->domains;
    for (uint64_t i = 0; i < count; i++)
        if (!take_report_domain(in, &claims->domains[i]))
            return false;
    return true;
}

static bool ends_there(struct input *in)
{
    return in->reader.offset == in->reader.size || refuse(in, in->reader.offset, "the end");
}

/* One form only: what was read, written again, must be what was read. */
static bool is_deterministic(struct input *in, size_t written, const uint8_t *again)
{
    size_t same = 0;

    if (written == in->reader.size && memcmp(again, in->reader.bytes, written) == 0)
        return true;
    while (same < written && same < in->reader.size && again[same] == in->reader.bytes[same])
        same++;
    return refuse(in, same, "deterministic encoding");
}

bool claims_read(struct claims *claims, const uint8_t *bytes, size_t size,
                 struct malformed *malformed)
{
    static uint8_t again[BH_EVIDENCE_MAX]; /* as single-threaded as the rest */
    struct input in = {{bytes, size, 0}, malformed};
    const struct evidence_bytes *report = &claims->evidence.report;

    memset(claims, 0, sizeof(*claims));
    malformed->part = "evidence";
    if (size > BH_EVIDENCE_MAX)
        return refuse(&in, BH_EVIDENCE_MAX, "at most 1 MiB");
    if (!take_claims(&in, claims) || !ends_there(&in) ||
        !is_deterministic(&in, evidence_encode(&claims->evidence, again, sizeof(again)), again))
        return false;
    malformed->part = "report";
    in.reader = (struct cbor_reader){report->at, report->size, 0};
    return take_report(&in, claims) && ends_there(&in) &&
           is_deterministic(&in, evidence_encode_report(&claims->report, again, sizeof(again)),
                            again);
}

const uint8_t *claims_pcr(const struct claims *claims, unsigned pcr)
{
    size_t before = 0;

    if (pcr >= EVIDENCE_PCRS || (claims->evidence.pcrs >> pcr & 1) == 0)
        return NULL;
    for (unsigned i = 0; i < pcr; i++)
        before += claims->evidence.pcrs >> i & 1;
    return claims->values[before];
}
