#include "attest/evidence_log.h"

#include <cbor.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/attest/log.h"
#include "core/audit/audit.h"
#include "core/platform/time.h"
#include "hw/tpm.h"
#include "models/tpm_model.h"
#include "testing.h"

#define EVENTS_MAX 2000u

static struct image {
    struct bh_header header;
    struct bh_domain domain[EVIDENCE_DOMAINS];
} image;

static const uint8_t boot_id[LOG_BOOT_ID] = "boot identifier";
const struct bh_domain evidence_domains[EVIDENCE_DOMAINS] = {{.name = "work"}, {.name = "vault"}};

/* What boot measures stands for the DOMAIN events of both. */
void evidence_model_start(void)
{
    const struct evlog_banks banks = {.count = 2, .algorithm = {TPM_ALG_SHA1, TPM_ALG_SHA256}};
    struct evlog_digests digests = {
        .count = 2, .digest = {{.algorithm = TPM_ALG_SHA1}, {.algorithm = TPM_ALG_SHA256}}};
    uint8_t event[BH_EVENT_MAX];
    size_t size;

    memcpy(image.domain, evidence_domains, sizeof(image.domain));
    image.header.domains = (struct bh_table){offsetof(struct image, domain), EVIDENCE_DOMAINS};
    tpm_model_reset();
    assert_true(log_begin(&banks));
    for (uint32_t i = 0; i < EVIDENCE_DOMAINS; i++) {
        size = evlog_event(event, BH_EVENT_START, i, i, 0, NULL, 0);
        crypto_hash_sha256(digests.digest[1].bytes, event, size);
        assert_true(log_append(BH_PCR_DOMAINS, event, size, &digests));
    }
    log_switch_on(&image.header, boot_id);
    log_set_enrolled(0);
}

static int64_t key_of(const cbor_item_t *key)
{
    return cbor_isa_negint(key) ? -1 - (int64_t)cbor_get_int(key) : (int64_t)cbor_get_int(key);
}

/* What a map has under a key; NULL if it has nothing. */
static cbor_item_t *in_map(const cbor_item_t *map, int64_t key)
{
    for (size_t i = 0; i < cbor_map_size(map); i++)
        if (key_of(cbor_map_handle(map)[i].key) == key)
            return cbor_map_handle(map)[i].value;
    return NULL;
}

/* Kept until the end: a test's process is short. */
static const cbor_item_t *load(const uint8_t *bytes, size_t size)
{
    static struct kept {
        struct kept *before;
        cbor_item_t *item;
    } * last;
    struct cbor_load_result result;
    struct kept *kept = malloc(sizeof(*kept));

    kept->before = last;
    kept->item = cbor_load(bytes, size, &result);
    last = kept;
    assert_non_null(kept->item);
    assert_int_equal(result.read, size);
    return kept->item;
}

const uint8_t *evidence_claim(const uint8_t *bytes, size_t size, int64_t claim, size_t *length)
{
    const cbor_item_t *value = in_map(load(bytes, size), claim);

    assert_non_null(value);
    *length = cbor_bytestring_length(value);
    return cbor_bytestring_handle(value);
}

uint64_t evidence_number(const uint8_t *bytes, size_t size, int64_t claim)
{
    const cbor_item_t *value = in_map(load(bytes, size), claim);

    assert_non_null(value);
    return cbor_get_int(value);
}

struct entry {
    uint32_t pcr;
    uint8_t sha256[32];
    struct bh_event event;
    const uint8_t *field;
    uint32_t size;
};

static uint32_t word(const uint8_t **at)
{
    uint32_t value;

    memcpy(&value, *at, 4);
    *at += 4;
    return value;
}

/* All events behind the header (TCG PC Client Platform Firmware Profile, 10.2). */
static unsigned read_log(const uint8_t *at, size_t size, struct entry entries[EVENTS_MAX])
{
    const uint8_t *end = at + size;
    unsigned count = 0;

    at += 4 + 4 + 20;
    at += word(&at);
    while (at < end) {
        struct entry *entry = &entries[count++];

        assert_true(count < EVENTS_MAX);
        entry->pcr = word(&at);
        assert_int_equal(word(&at), TCG_EV_EVENT_TAG);
        assert_int_equal(word(&at), 2);
        at += 2 + 20 + 2;
        memcpy(entry->sha256, at, 32);
        at += 32;
        entry->size = word(&at);
        entry->field = at;
        memcpy(&entry->event, at, sizeof(entry->event));
        at += entry->size;
    }
    assert_ptr_equal(at, end);
    return count;
}

static void check_binding(const uint8_t *bytes, size_t size, const struct bh_attest_request *asked,
                          unsigned index)
{
    uint8_t expected[212] = "bulkhead-quote-v1", hash[32];
    size_t length;
    const uint8_t *part;

    memcpy(expected + 18, asked->nonce, 32);
    memcpy(expected + 50, asked->verifier_x25519, 32);
    memcpy(expected + 82, asked->domain_x25519, 32);
    expected[114] = (uint8_t)index;
    part = evidence_claim(bytes, size, BH_CLAIM_LOG, &length);
    crypto_hash_sha256(expected + 116, part, length);
    part = evidence_claim(bytes, size, BH_CLAIM_REPORT, &length);
    crypto_hash_sha256(expected + 148, part, length);
    memcpy(expected + 180, asked->reference, 32);
    crypto_hash_sha256(hash, expected, sizeof(expected));
    assert_memory_equal(tpm_model.extra_data, hash, 32);
    assert_int_equal(evidence_number(bytes, size, BH_CLAIM_DOMAIN), index);
}

static void check_replay(const struct entry *entries, unsigned count)
{
    uint8_t both[64], digest[32];

    memset(both, 0xff, 32);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(entries[i].event.sequence, i);
        if (entries[i].pcr != BH_PCR_RUNTIME)
            continue;
        crypto_hash_sha256(digest, entries[i].field, entries[i].size);
        assert_memory_equal(digest, entries[i].sha256, 32);
        memcpy(both + 32, digest, 32);
        crypto_hash_sha256(both, both, 64);
    }
    assert_memory_equal(both, tpm_model.pcr[BH_PCR_RUNTIME], 32);
}

/* Each kind that the report counts has one event, the end has one, and there are no others. */
static void check_domain(const cbor_item_t *row, unsigned index, const struct entry *entries,
                         unsigned count)
{
    unsigned violations = 0, ends = 0, last = 0;
    uint64_t state = cbor_get_int(in_map(row, BH_REPORT_STATE));
    const cbor_item_t *counts = in_map(row, BH_REPORT_VIOLATIONS);

    for (unsigned i = 0; i < count; i++) {
        const struct bh_event *event = &entries[i].event;
        struct bh_event_violation body;

        if (event->domain != index)
            continue;
        last = i;
        if (event->type == BH_EVENT_STOP || event->type == BH_EVENT_CRASH) {
            ends++;
            assert_int_equal(state,
                             event->type == BH_EVENT_STOP ? BH_STATE_STOPPED : BH_STATE_CRASHED);
        }
        if (event->type != BH_EVENT_VIOLATION && event->type != BH_EVENT_DMA_FAULT)
            continue;
        violations++;
        memcpy(&body, entries[i].field + sizeof(*event), sizeof(body));
        assert_non_null(in_map(counts, body.kind));
    }
    assert_int_equal(violations, cbor_map_size(counts));
    assert_int_equal(ends, state != BH_STATE_RUNNING);
    assert_int_equal(cbor_get_int(in_map(row, BH_REPORT_CRASHES)), state == BH_STATE_CRASHED);
    assert_int_equal(cbor_get_int(in_map(row, BH_REPORT_LAST)), last);
}

unsigned evidence_check(const uint8_t *bytes, size_t size, const struct bh_attest_request *asked,
                        unsigned index)
{
    static struct entry entries[EVENTS_MAX];
    size_t length;
    const uint8_t *log = evidence_claim(bytes, size, BH_CLAIM_LOG, &length);
    unsigned count = read_log(log, length, entries), runtime = 0;
    const uint8_t *report_bytes = evidence_claim(bytes, size, BH_CLAIM_REPORT, &length);
    const cbor_item_t *report = load(report_bytes, length);
    const cbor_item_t *rows = in_map(report, BH_REPORT_DOMAINS);

    check_binding(bytes, size, asked, index);
    check_replay(entries, count);
    assert_int_equal(cbor_get_int(in_map(report, BH_REPORT_NEXT)), count);
    assert_memory_equal(cbor_bytestring_handle(in_map(report, BH_REPORT_BOOT_ID)), boot_id,
                        LOG_BOOT_ID);
    assert_int_equal(cbor_get_int(in_map(report, BH_REPORT_SMIS)), audit_smis().count);
    assert_int_equal(cbor_get_int(in_map(report, BH_REPORT_SMI_WORST)),
                     time_ns(audit_smis().worst));
    assert_int_equal(cbor_array_size(rows), EVIDENCE_DOMAINS);
    for (unsigned i = 0; i < EVIDENCE_DOMAINS; i++)
        check_domain(cbor_array_handle(rows)[i], i, entries, count);
    for (unsigned i = 0; i < count; i++)
        runtime += entries[i].pcr == BH_PCR_RUNTIME;
    return runtime;
}

struct bh_event evidence_event(const uint8_t *bytes, size_t size, unsigned n)
{
    static struct entry entries[EVENTS_MAX];
    size_t length;
    const uint8_t *log = evidence_claim(bytes, size, BH_CLAIM_LOG, &length);
    unsigned count = read_log(log, length, entries);

    for (unsigned i = 0; i < count; i++)
        if (entries[i].pcr == BH_PCR_RUNTIME && n-- == 0)
            return entries[i].event;
    fail_msg("the log has no such event");
    return (struct bh_event){0};
}
