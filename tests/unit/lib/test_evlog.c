/* The log's bytes are those of the TCG's format and of bulkhead/evlog.h, and keep their bounds. */
#include "testing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/evlog.h"
#include "policy/sample.h"

#define SHA1   0x0004
#define SHA256 0x000b
#define SHA512 0x000d

static const struct evlog_banks two = {.count = 2, .algorithm = {SHA1, SHA256}};

/* Written by hand after the PC Client Platform Firmware Profile, 10.4.5.1. */
static const uint8_t header_of_two[] =
    "\0\0\0\0"                                 /* PCR 0 */
    "\3\0\0\0"                                 /* EV_NO_ACTION */
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* no digest */
    "\x25\0\0\0"                               /* 37 bytes follow */
    "Spec ID Event03\0"                        /* signature */
    "\0\0\0\0\0\2\0\2"                         /* class, version */
    "\2\0\0\0"                                 /* algorithms */
    "\x04\0\x14\0\x0b\0\x20"; /* 4: 20 bytes, 0bh: 32 bytes; their last 0 and no vendor's data: */
#define HEADER_SIZE (sizeof header_of_two + 1)

static void digests_of_two(struct evlog_digests *digests)
{
    memset(digests, 0, sizeof *digests);
    digests->count = 3; /* the TPM may know more, in another order */
    digests->digest[0].algorithm = SHA512;
    memset(digests->digest[0].bytes, 0x55, 64);
    digests->digest[1].algorithm = SHA256;
    memset(digests->digest[1].bytes, 0x22, 32);
    digests->digest[2].algorithm = SHA1;
    memset(digests->digest[2].bytes, 0x11, 20);
}

static void header_is_the_tcgs(void **state)
{
    uint8_t bytes[HEADER_SIZE + 1];
    struct evlog log;

    (void)state;
    memset(bytes, 0xee, sizeof bytes);
    assert_true(evlog_begin(&log, bytes, HEADER_SIZE, &two));
    assert_int_equal(log.used, HEADER_SIZE);
    assert_memory_equal(bytes, header_of_two, sizeof header_of_two);
    assert_int_equal(bytes[HEADER_SIZE - 1], 0);
    assert_int_equal(bytes[HEADER_SIZE], 0xee);
    assert_false(evlog_begin(&log, bytes, HEADER_SIZE - 1, &two));
}

static void unsound_banks_are_refused(void **state)
{
    static const struct evlog_banks none = {0}, many = {.count = EVLOG_BANKS_MAX + 1},
                                    unknown = {.count = 1, .algorithm = {0x10}},
                                    twice = {.count = 2, .algorithm = {SHA256, SHA256}};
    const struct evlog_banks *bad[] = {&none, &many, &unknown, &twice};
    uint8_t bytes[256];
    struct evlog log;
    struct evlog_digests digests;

    (void)state;
    digests_of_two(&digests);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(evlog_begin(&log, bytes, sizeof bytes, bad[i]));
        assert_int_equal(log.used, 0);
        assert_false(evlog_append(&log, 17, "x", 1, &digests));
    }
}

static void event_field_is_as_declared(void **state)
{
    static const uint8_t expected[] = "\x0b\0\x48\x42"   /* tag */
                                      "\x1b\0\0\0"       /* 27 bytes from the magic on */
                                      "BHLK\1\0\x0b\0"   /* format, type */
                                      "\7\0\0\0\3\0\3\0" /* sequence, domain, size */
                                      "\x88\x77\x66\x55\x44\x33\x22\x11" /* time */
                                      "abc";
    uint8_t event[BH_EVENT_MAX];

    (void)state;
    assert_int_equal(evlog_event(event, BH_EVENT_VIOLATION, 7, 3, 0x1122334455667788, "abc", 3),
                     sizeof expected - 1);
    assert_memory_equal(event, expected, sizeof expected - 1);
    assert_int_equal(evlog_event(event, BH_EVENT_CAP, 4, BH_NOBODY, 0, NULL, 0), 32);
    assert_int_equal(event[20] | event[21] << 8, BH_NOBODY);
}

static void event_field_has_a_largest_size(void **state)
{
    static const uint8_t body[BH_EVENT_MAX];
    uint8_t event[BH_EVENT_MAX];

    (void)state;
    assert_int_equal(evlog_event(event, BH_EVENT_CORE, 0, 0, 0, body, BH_EVENT_MAX - 32),
                     BH_EVENT_MAX);
    assert_int_equal(evlog_event(event, BH_EVENT_CORE, 0, 0, 0, body, BH_EVENT_MAX - 31), 0);
    assert_int_equal(evlog_event(event, BH_EVENT_CORE, 0, 0, 0, body, SIZE_MAX), 0);
}

static void entry_has_the_headers_banks_in_its_order(void **state)
{
    static const uint8_t before[] = "\x12\0\0\0\6\0\0\0\2\0\0\0\4\0\x11\x11";
    uint8_t bytes[256];
    struct evlog log;
    struct evlog_digests digests;
    const uint8_t *entry = bytes + HEADER_SIZE;

    (void)state;
    digests_of_two(&digests);
    assert_true(evlog_begin(&log, bytes, sizeof bytes, &two));
    assert_true(evlog_append(&log, 18, "event", 5, &digests));
    assert_int_equal(log.used, HEADER_SIZE + evlog_entry_size(&two, 5));
    assert_int_equal(evlog_entry_size(&two, 5), 12 + 22 + 34 + 4 + 5);
    assert_memory_equal(entry, before, sizeof before - 1);
    assert_memory_equal(entry + 33, "\x11\x0b\0\x22", 4);
    assert_memory_equal(entry + 67, "\x22\5\0\0\0event", 10);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    size_t capacity = HEADER_SIZE + evlog_entry_size(&two, 5);
    uint8_t *bytes = malloc(capacity), *before = malloc(capacity);
    struct evlog log;
    struct evlog_digests digests;

    (void)state;
    digests_of_two(&digests);
    memset(bytes, 0xee, capacity);
    assert_true(evlog_begin(&log, bytes, capacity, &two));
    memcpy(before, bytes, capacity);
    assert_false(evlog_append(&log, 18, "event6", 6, &digests));
    assert_false(evlog_append(&log, 18, "", BH_EVENT_MAX + 1, &digests));
    assert_memory_equal(bytes, before, capacity);
    assert_true(evlog_append(&log, 18, "event", 5, &digests));
    assert_int_equal(log.used, capacity);
    assert_false(evlog_append(&log, 18, "", 0, &digests));
    free(before);
    free(bytes);
}

static void missing_digest_is_refused(void **state)
{
    uint8_t bytes[256];
    struct evlog log;
    struct evlog_digests digests;

    (void)state;
    digests_of_two(&digests);
    assert_true(evlog_begin(&log, bytes, sizeof bytes, &two));
    digests.count = 2;
    assert_false(evlog_append(&log, 18, "event", 5, &digests));
    assert_int_equal(log.used, HEADER_SIZE);
    digests.count = UINT32_MAX; /* no more than there is room for is looked at */
    digests.digest[2].algorithm = 0;
    assert_false(evlog_append(&log, 18, "event", 5, &digests));
}

static struct sample sample;

static void bodies_say_what_the_policy_says(void **state)
{
    static const uint8_t cmdline[BH_DIGEST] = "digest of the command line";
    const struct bh_domain *vault;
    struct evlog_domain body;
    struct bh_event_start start;
    uint32_t files;

    (void)state;
    sample_build(&sample);
    vault = &sample.domain[SAMPLE_VAULT_DOMAIN];
    files = vault->files.count;
    assert_int_equal(evlog_domain(&body, &sample.header, SAMPLE_VAULT_DOMAIN), 40 + files * 48);
    assert_string_equal(body.head.name, "vault");
    assert_int_equal(body.head.files, files);
    assert_int_equal(body.file[0].role, BH_FILE_FLAT);
    assert_int_equal(body.file[0].size, sample.file[vault->files.offset].size);
    assert_memory_equal(body.file[0].sha256, sample.file[vault->files.offset].sha256, 32);

    evlog_start(&start, vault, cmdline);
    assert_int_equal(start.kind, BH_MICROVM);
    assert_int_equal(start.label, vault->label);
    assert_int_equal(start.interrupts, vault->interrupts);
    assert_int_equal(start.boot, BH_BOOT_FLAT);
    assert_int_equal(start.cores, 1u << 1);
    assert_int_equal(start.memory_size, vault->memory_size);
    assert_int_equal(start.load_gpa, vault->load_gpa);
    assert_int_equal(start.entry_gpa, vault->entry_gpa);
    assert_memory_equal(start.cmdline, cmdline, BH_DIGEST);
}

static void tables_are_all_but_the_files(void **state)
{
    struct evlog_part part[2];
    const uint8_t *image = sample.bytes;

    (void)state;
    sample_build(&sample);
    evlog_tables(part, &sample.header);
    assert_ptr_equal(part[0].bytes, image);
    assert_ptr_equal((const uint8_t *)part[0].bytes + part[0].size, sample.file);
    assert_ptr_equal(part[1].bytes, &sample.file[sample.header.files.count]);
    assert_ptr_equal((const uint8_t *)part[1].bytes + part[1].size, image + sample.header.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_the_tcgs),
        cmocka_unit_test(unsound_banks_are_refused),
        cmocka_unit_test(event_field_is_as_declared),
        cmocka_unit_test(event_field_has_a_largest_size),
        cmocka_unit_test(entry_has_the_headers_banks_in_its_order),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(missing_digest_is_refused),
        cmocka_unit_test(bodies_say_what_the_policy_says),
        cmocka_unit_test(tables_are_all_but_the_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
