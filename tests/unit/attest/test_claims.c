/* Evidence and report as bytes: what isn't in the one form, or beyond a limit, is malformed. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cbor.h"
#include "tools/attest/claims.h"

static uint8_t bytes[BH_EVIDENCE_MAX + 4096];
static struct claims claims;
static struct malformed malformed;

/* Evidence with a report and a log; what `change` did to the claims is kept. */
struct whole {
    struct evidence evidence;
    struct evidence_report report;
    struct evidence_domain domains[BH_EVIDENCE_MAX_DOMAINS + 1];
    uint8_t pcr[24][BH_DIGEST];
    uint8_t ueid[BH_UEID_SIZE];
    uint8_t reported[16384];
    uint8_t log[BH_EVIDENCE_MAX];
};

static struct whole *whole_new(void)
{
    struct whole *whole = calloc(1, sizeof(*whole));

    assert_non_null(whole);
    whole->evidence = (struct evidence){.ueid = whole->ueid,
                                        .attest = {"a", 1},
                                        .signature = {"s", 1},
                                        .ak = {"k", 1},
                                        .log = {whole->log, 100},
                                        .pcrs = BH_QUOTED_PCRS,
                                        .pcr = (const uint8_t(*)[BH_DIGEST])whole->pcr};
    whole->report.domain = whole->domains;
    whole->report.domains = 2;
    for (size_t i = 0; i <= BH_EVIDENCE_MAX_DOMAINS; i++) {
        strcpy(whole->domains[i].name, "domain");
        whole->domains[i].state = BH_STATE_RUNNING;
    }
    return whole;
}

static bool reads(struct whole *whole)
{
    size_t size;

    if (whole->evidence.report.at == NULL) {
        size = evidence_encode_report(&whole->report, whole->reported, sizeof(whole->reported));
        whole->evidence.report = (struct evidence_bytes){whole->reported, size};
    }
    size = evidence_encode(&whole->evidence, bytes, sizeof(bytes));
    assert_true(size != 0);
    free(whole);
    return claims_read(&claims, bytes, size, &malformed);
}

static void what_was_written_is_read(void **state)
{
    struct whole *whole = whole_new();

    (void)state;
    memset(whole->pcr[12], 0x19, BH_DIGEST);
    whole->domains[1].violations[4] = 77;
    whole->evidence.domain = 63;
    assert_true(reads(whole));
    assert_int_equal(claims.evidence.pcrs, BH_QUOTED_PCRS);
    assert_int_equal(claims_pcr(&claims, 19)[0], 0x19);
    assert_null(claims_pcr(&claims, 10));
    assert_null(claims_pcr(&claims, 24));
    assert_int_equal(claims.report.domains, 2);
    assert_int_equal(claims.domains[1].violations[4], 77);
    assert_int_equal(claims.evidence.domain, 63);
}

static void limits(void **state)
{
    struct whole *whole;

    (void)state;
    whole = whole_new();
    whole->report.domains = BH_EVIDENCE_MAX_DOMAINS;
    assert_true(reads(whole));
    whole = whole_new();
    whole->report.domains = BH_EVIDENCE_MAX_DOMAINS + 1;
    assert_false(reads(whole));
    whole = whole_new();
    whole->evidence.domain = 64;
    assert_false(reads(whole));
    whole = whole_new();
    whole->evidence.log.size = BH_EVIDENCE_MAX;
    assert_false(reads(whole));
    assert_string_equal(malformed.expected, "at most 1 MiB");
}

static void names_are_printable(void **state)
{
    static const char *const names[] = {"", "a b", "\x1b[2J", "\xc3\xa4",
                                        "0123456789012345678901234567890X"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct whole *whole = whole_new();

        memcpy(whole->domains[0].name, names[i], strlen(names[i]) + (i != 4));
        assert_false(reads(whole));
    }
}

static void states_and_kinds_are_known(void **state)
{
    struct whole *whole;

    (void)state;
    whole = whole_new();
    whole->domains[0].state = 0;
    assert_false(reads(whole));
    whole = whole_new();
    whole->domains[0].state = BH_STATE_CRASHED + 1;
    assert_false(reads(whole));
}

/* A report of the test's own bytes, in evidence that is otherwise good. */
static bool report_reads(const uint8_t *report, size_t size)
{
    struct whole *whole = whole_new();

    whole->evidence.report = (struct evidence_bytes){report, size};
    return reads(whole);
}

static size_t write_report(uint8_t *to, size_t size, uint64_t kind, uint64_t count, unsigned rows)
{
    struct cbor writer;

    cbor_begin(&writer, to, size);
    cbor_map(&writer, 5);
    cbor_unsigned(&writer, BH_REPORT_BOOT_ID);
    cbor_bytes(&writer, "0123456789abcdef", 16);
    for (unsigned key = BH_REPORT_NEXT; key <= BH_REPORT_SMI_WORST; key++) {
        cbor_unsigned(&writer, key);
        cbor_unsigned(&writer, key);
    }
    cbor_unsigned(&writer, BH_REPORT_DOMAINS);
    cbor_array(&writer, 1);
    cbor_map(&writer, 6);
    cbor_unsigned(&writer, BH_REPORT_NAME);
    cbor_text(&writer, "work", 4);
    for (unsigned key = BH_REPORT_STATE; key <= BH_REPORT_CRASHES; key++) {
        cbor_unsigned(&writer, key);
        cbor_unsigned(&writer, 1);
    }
    cbor_unsigned(&writer, BH_REPORT_VIOLATIONS);
    cbor_map(&writer, rows);
    for (unsigned row = 0; row < rows; row++) {
        cbor_unsigned(&writer, kind);
        cbor_unsigned(&writer, count);
    }
    cbor_unsigned(&writer, BH_REPORT_LAST);
    cbor_unsigned(&writer, 7);
    return cbor_end(&writer);
}

static void reports(void **state)
{
    static const struct {
        uint64_t kind, count;
        unsigned rows;
        bool is_good;
    } cases[] = {
        {3, 1, 1, true},   {13, UINT64_MAX, 1, true},
        {15, 1, 1, false}, {3, 0, 1, false},
        {3, 1, 2, false},  {UINT64_MAX, 1, 1, false},
        {3, 1, 0, true},   {3, 1, EVIDENCE_KINDS + 1, false},
    };
    uint8_t report[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size =
            write_report(report, sizeof(report), cases[i].kind, cases[i].count, cases[i].rows);

        assert_int_equal(report_reads(report, size), cases[i].is_good);
        assert_true(cases[i].is_good || strcmp(malformed.part, "report") == 0);
    }
}

/* Heads of items that announce more than there is, or what evidence never has. */
static void hostile_items(void **state)
{
    static const uint8_t heads[][10] = {
        {0xbf},                                                 /* indefinite map */
        {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* 2^64 - 1 claims */
        {0xba, 0x7f, 0xff, 0xff, 0xff},
        {0xa9, 0x0a, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* a nonce of 2^64 */
        {0xa9, 0x0a, 0x5a, 0xff, 0xff, 0xff, 0xff},
        {0xa9, 0x0a, 0x5f},                                     /* indefinite bytes */
        {0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* an array */
        {0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81},
        {0xc1, 0xa9, 0x0a},             /* a tag */
        {0xf6},                         /* null */
        {0xfb, 1, 2, 3, 4, 5, 6, 7, 8}, /* a float */
        {0xff},                         /* break */
        {0x1c},                         /* reserved */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        for (size_t size = 0; size <= sizeof(heads[i]); size++)
            assert_false(claims_read(&claims, heads[i], size, &malformed));
}

/* A thousand arrays in one another: nothing here goes down with them. */
static void deep_nesting(void **state)
{
    static uint8_t nested[65536];

    (void)state;
    memset(nested, 0x81, sizeof(nested));
    memset(bytes, 0x81, BH_EVIDENCE_MAX);
    assert_false(claims_read(&claims, bytes, BH_EVIDENCE_MAX, &malformed));
    assert_false(report_reads(nested, sizeof(nested)));
    memset(bytes, 0xa1, BH_EVIDENCE_MAX);
    assert_false(claims_read(&claims, bytes, BH_EVIDENCE_MAX, &malformed));
}

/* The same claims, once with a longer head than is needed, once with keys of zeros written out. */
static void other_encodings_of_the_same(void **state)
{
    struct whole *whole = whole_new();
    size_t size;

    (void)state;
    whole->report.domains = 0;
    assert_true(reads(whole));
    whole = whole_new();
    size = evidence_encode_report(&whole->report, whole->reported, sizeof(whole->reported));
    whole->evidence.report = (struct evidence_bytes){whole->reported, size};
    size = evidence_encode(&whole->evidence, bytes, sizeof(bytes));
    assert_int_equal(bytes[2], 0x58); /* the nonce's head: 58 20 */
    memmove(bytes + 4, bytes + 3, size - 3);
    bytes[2] = 0x59;
    bytes[3] = 0;
    assert_false(claims_read(&claims, bytes, size + 1, &malformed));
    assert_string_equal(malformed.expected, "deterministic encoding");
    assert_int_equal(malformed.offset, 2);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(limits),
        cmocka_unit_test(names_are_printable),
        cmocka_unit_test(states_and_kinds_are_known),
        cmocka_unit_test(reports),
        cmocka_unit_test(hostile_items),
        cmocka_unit_test(deep_nesting),
        cmocka_unit_test(other_encodings_of_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
