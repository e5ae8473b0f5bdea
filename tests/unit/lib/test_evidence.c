/* Evidence and report hold each value under its key, in the one order and form that there is. */
#include "testing.h"

#include <cbor.h>
#include <stdlib.h>
#include <string.h>

#include "lib/evidence.h"

static uint8_t buffer[4096];
static uint8_t ueid[BH_UEID_SIZE], pcr[13][BH_DIGEST];
static struct evidence evidence;
static cbor_item_t *loaded;

static int start(void **state)
{
    (void)state;
    evidence = (struct evidence){.attest = {"attest", 6},
                                 .signature = {"signature", 9},
                                 .ak = {"ak", 2},
                                 .log = {"log", 3},
                                 .report = {"report", 6},
                                 .ueid = ueid,
                                 .pcrs = BH_QUOTED_PCRS,
                                 .pcr = pcr,
                                 .domain = 300};
    memset(evidence.asked.nonce, 0x11, BH_NONCE_SIZE);
    memset(evidence.asked.verifier_x25519, 0x22, BH_X25519_SIZE);
    memset(evidence.asked.domain_x25519, 0x33, BH_X25519_SIZE);
    memset(evidence.asked.reference, 0x44, 32);
    memset(ueid, 0x55, sizeof(ueid));
    for (unsigned i = 0; i < 13; i++)
        memset(pcr[i], (int)(0x60 + i), BH_DIGEST);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    if (loaded)
        cbor_decref(&loaded);
    loaded = NULL;
    return 0;
}

static const struct cbor_pair *load(size_t size, size_t pairs)
{
    struct cbor_load_result result;

    assert_true(size > 0 && size <= sizeof(buffer));
    finish(NULL);
    loaded = cbor_load(buffer, size, &result);
    assert_non_null(loaded);
    assert_int_equal(result.read, size);
    assert_true(cbor_isa_map(loaded) && cbor_map_is_definite(loaded));
    assert_int_equal(cbor_map_size(loaded), pairs);
    return cbor_map_handle(loaded);
}

static int64_t number(const cbor_item_t *item)
{
    int64_t value = (int64_t)cbor_get_int(item);

    return cbor_isa_negint(item) ? -1 - value : value;
}

static void assert_is_bytes(const cbor_item_t *item, const void *bytes, size_t size)
{
    assert_true(cbor_isa_bytestring(item) && cbor_bytestring_is_definite(item));
    assert_int_equal(cbor_bytestring_length(item), size);
    assert_memory_equal(cbor_bytestring_handle(item), bytes, size);
}

static void assert_is_text(const cbor_item_t *item, const char *text)
{
    assert_true(cbor_isa_string(item));
    assert_int_equal(cbor_string_length(item), strlen(text));
    assert_memory_equal(cbor_string_handle(item), text, strlen(text));
}

/* The keys' encoded bytes ascend (RFC 8949, 4.2.1). */
static void assert_keys_ascend(const cbor_item_t *map)
{
    unsigned char key[9], before[9] = {0};
    size_t size, size_before = 0;

    for (size_t i = 0; i < cbor_map_size(map); i++) {
        size = cbor_serialize(cbor_map_handle(map)[i].key, key, sizeof(key));
        if (size_before > 0)
            assert_true(memcmp(before, key, size < size_before ? size : size_before) < 0);
        memcpy(before, key, size);
        size_before = size;
    }
}

static void each_claim_stands_under_its_key(void **state)
{
    const struct cbor_pair *claim;
    const struct cbor_pair *value;

    (void)state;
    claim = load(evidence_encode(&evidence, buffer, sizeof(buffer)), 12);
    assert_keys_ascend(loaded);
    assert_int_equal(number(claim[0].key), 10);
    assert_is_bytes(claim[0].value, evidence.asked.nonce, 32);
    assert_int_equal(number(claim[1].key), 256);
    assert_is_bytes(claim[1].value, ueid, 33);
    assert_int_equal(number(claim[2].key), 265);
    assert_is_text(claim[2].value, "tag:bulkhead,2026:evidence-1");
    assert_int_equal(number(claim[3].key), -65537);
    assert_is_bytes(claim[3].value, "attest", 6);
    assert_int_equal(number(claim[4].key), -65538);
    assert_is_bytes(claim[4].value, "signature", 9);
    assert_int_equal(number(claim[5].key), -65539);
    assert_is_bytes(claim[5].value, "ak", 2);
    assert_int_equal(number(claim[6].key), -65540);
    assert_int_equal(cbor_map_size(claim[6].value), 13);
    assert_keys_ascend(claim[6].value);
    value = cbor_map_handle(claim[6].value);
    for (unsigned i = 0; i < 13; i++) {
        assert_int_equal(number(value[i].key), i < 10 ? i : 17 + i - 10);
        assert_is_bytes(value[i].value, pcr[i], BH_DIGEST);
    }
    assert_int_equal(number(claim[7].key), -65541);
    assert_is_bytes(claim[7].value, "log", 3);
    assert_int_equal(number(claim[8].key), -65542);
    assert_is_bytes(claim[8].value, "report", 6);
    assert_int_equal(number(claim[9].key), -65543);
    assert_int_equal(number(claim[9].value), 300);
    assert_int_equal(number(claim[10].key), -65544);
    assert_int_equal(cbor_array_size(claim[10].value), 2);
    assert_is_bytes(cbor_array_handle(claim[10].value)[0], evidence.asked.verifier_x25519, 32);
    assert_is_bytes(cbor_array_handle(claim[10].value)[1], evidence.asked.domain_x25519, 32);
    assert_int_equal(number(claim[11].key), -65545);
    assert_is_bytes(claim[11].value, evidence.asked.reference, 32);
}

static void what_is_zero_is_left_out(void **state)
{
    const struct cbor_pair *claim;

    (void)state;
    evidence.ueid = NULL;
    memset(evidence.asked.verifier_x25519, 0, BH_X25519_SIZE);
    memset(evidence.asked.reference, 0, 32);
    claim = load(evidence_encode(&evidence, buffer, sizeof(buffer)), 10);
    assert_int_equal(number(claim[1].key), BH_CLAIM_PROFILE);
    assert_int_equal(number(claim[9].key), BH_CLAIM_KEYS); /* one of the keys is there */

    memset(evidence.asked.domain_x25519, 0, BH_X25519_SIZE);
    evidence.asked.reference[31] = 1;
    claim = load(evidence_encode(&evidence, buffer, sizeof(buffer)), 10);
    assert_int_equal(number(claim[9].key), BH_CLAIM_REFERENCE);

    evidence.asked.reference[31] = 0;
    evidence.asked.verifier_x25519[0] = 1;
    claim = load(evidence_encode(&evidence, buffer, sizeof(buffer)), 10);
    assert_int_equal(number(claim[9].key), BH_CLAIM_KEYS);
}

static void the_report_tells_of_each_domain(void **state)
{
    struct evidence_domain domains[2] = {
        {.name = "work", .state = BH_STATE_CRASHED, .starts = 2, .crashes = 1, .last = 17},
        {.name = "vault", .state = BH_STATE_RUNNING, .starts = 1, .last = 8},
    };
    struct evidence_report report = {
        .next = 18, .smis = 3, .smi_worst = 1ull << 40, .domains = 2, .domain = domains};
    const struct cbor_pair *row, *kind;
    const cbor_item_t *list;

    (void)state;
    memset(report.boot_id, 0x77, sizeof(report.boot_id));
    domains[0].violations[0] = 5;
    domains[0].violations[EVIDENCE_KINDS - 1] = 1ull << 33;
    row = load(evidence_encode_report(&report, buffer, sizeof(buffer)), 5);
    assert_keys_ascend(loaded);
    assert_is_bytes(row[0].value, report.boot_id, 16);
    assert_int_equal(number(row[1].value), 18);
    assert_int_equal(number(row[2].value), 3);
    assert_int_equal(number(row[3].value), 1ull << 40);
    list = row[4].value;
    assert_int_equal(cbor_array_size(list), 2);
    row = cbor_map_handle(cbor_array_handle(list)[0]);
    assert_int_equal(cbor_map_size(cbor_array_handle(list)[0]), 6);
    assert_keys_ascend(cbor_array_handle(list)[0]);
    assert_is_text(row[0].value, "work");
    assert_int_equal(number(row[1].value), BH_STATE_CRASHED);
    assert_int_equal(number(row[2].value), 2);
    assert_int_equal(number(row[3].value), 1);
    assert_int_equal(number(row[5].value), 17);
    assert_int_equal(cbor_map_size(row[4].value), 2);
    kind = cbor_map_handle(row[4].value);
    assert_int_equal(number(kind[0].key), 0);
    assert_int_equal(number(kind[0].value), 5);
    assert_int_equal(number(kind[1].key), 14); /* msi-write, the last line of violations.def */
    assert_int_equal(number(kind[1].value), 1ull << 33);
    row = cbor_map_handle(cbor_array_handle(list)[1]);
    assert_is_text(row[0].value, "vault");
    assert_int_equal(cbor_map_size(row[4].value), 0);
}

static void a_name_without_an_end_is_kept_within_its_field(void **state)
{
    struct evidence_domain domain = {.state = BH_STATE_RUNNING};
    struct evidence_report report = {.domains = 1, .domain = &domain};
    const struct cbor_pair *row;

    (void)state;
    memset(domain.name, 'n', sizeof(domain.name));
    row = load(evidence_encode_report(&report, buffer, sizeof(buffer)), 5);
    row = cbor_map_handle(cbor_array_handle(row[4].value)[0]);
    assert_int_equal(cbor_string_length(row[0].value), BH_NAME_SIZE);
}

static void too_little_room_is_told(void **state)
{
    size_t size = evidence_encode(&evidence, buffer, sizeof(buffer));

    (void)state;
    for (size_t room = 0; room < size; room++)
        assert_int_equal(evidence_encode(&evidence, buffer, room), 0);
    assert_int_equal(evidence_encode(&evidence, buffer, size), size);
}

/* Label, nonce, both keys, domain, log, report, reference, each at its place. */
static void the_binding_has_fixed_places(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
    } parts[] = {{18, 0x11}, {50, 0x22}, {82, 0x33}, {116, 0x66}, {148, 0x77}, {180, 0x44}};
    uint8_t log[32], report[32];
    struct bh_binding binding;
    const uint8_t *byte = (const uint8_t *)&binding;

    (void)state;
    memset(log, 0x66, sizeof(log));
    memset(report, 0x77, sizeof(report));
    memset(&binding, 0xff, sizeof(binding));
    evidence_bind(&binding, &evidence.asked, 0x1234, log, report);
    assert_memory_equal(&binding, "bulkhead-quote-v1", 18);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (size_t at = 0; at < 32; at++)
            assert_int_equal(byte[parts[i].offset + at], parts[i].value);
    assert_int_equal(byte[114], 0x34);
    assert_int_equal(byte[115], 0x12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_claim_stands_under_its_key, start, finish),
        cmocka_unit_test_setup_teardown(what_is_zero_is_left_out, start, finish),
        cmocka_unit_test_setup_teardown(the_report_tells_of_each_domain, start, finish),
        cmocka_unit_test_setup_teardown(a_name_without_an_end_is_kept_within_its_field, start,
                                        finish),
        cmocka_unit_test_setup_teardown(too_little_room_is_told, start, finish),
        cmocka_unit_test_setup_teardown(the_binding_has_fixed_places, start, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
