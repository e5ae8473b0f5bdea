/* The log that core keeps: its bytes, its running hash, its numbers, its end. */
#include "testing.h"

#include <string.h>

#include <sodium.h>

#include "core/attest/log.h"
#include "hw/tpm.h"

static const struct evlog_banks banks = {
    .count = 4, .algorithm = {TPM_ALG_SHA1, TPM_ALG_SHA256, TPM_ALG_SHA384, TPM_ALG_SHA512}};
static const uint8_t boot_id[LOG_BOOT_ID] = {7};
static struct evlog_digests digests;

static int empty(void **state)
{
    (void)state;
    digests.count = banks.count;
    for (uint32_t i = 0; i < banks.count; i++)
        digests.digest[i].algorithm = banks.algorithm[i];
    return log_begin(&banks) ? 0 : -1;
}

static bool append(uint32_t domain, size_t body_size)
{
    static const uint8_t body[BH_EVENT_MAX];
    uint8_t event[BH_EVENT_MAX];
    size_t size = evlog_event(event, BH_EVENT_VIOLATION, log_next(), domain, 0, body, body_size);

    crypto_hash_sha256(digests.digest[1].bytes, event, size);
    return log_append(BH_PCR_RUNTIME, event, size, &digests);
}

static void expect_hash(void)
{
    uint8_t expected[BH_DIGEST], got[BH_DIGEST];
    struct evidence_bytes log = log_bytes();

    crypto_hash_sha256(expected, log.at, log.size);
    log_sha256(got);
    assert_memory_equal(got, expected, BH_DIGEST);
}

static void hash_is_that_of_the_bytes(void **state)
{
    (void)state;
    expect_hash();
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(append(i % 3, 16 + i));
        expect_hash();
        expect_hash(); /* asking changes nothing */
    }
}

static void numbers_follow_the_events(void **state)
{
    (void)state;
    assert_int_equal(log_next(), 0);
    assert_true(append(1, 16));
    assert_true(append(BH_NOBODY, 16));
    assert_true(append(0, 16));
    assert_true(append(BH_MAX_DOMAINS - 1, 16));
    assert_int_equal(log_last(BH_MAX_DOMAINS - 1), 3);
    assert_int_equal(log_next(), 4);
    assert_int_equal(log_last(0), 2);
    assert_int_equal(log_last(1), 0);
}

static void a_refused_event_counts_for_nothing(void **state)
{
    size_t before = log_bytes().size;

    (void)state;
    digests.count = 1;
    assert_false(append(0, 16));
    digests.count = banks.count;
    crypto_hash_sha256(digests.digest[1].bytes, (const uint8_t *)"short", 5);
    assert_false(log_append(BH_PCR_RUNTIME, "short", 5, &digests));
    assert_int_equal(log_next(), 0);
    assert_int_equal(log_bytes().size, before);
    expect_hash();
}

/* A log with a wrong one is wrong for ever. */
static void a_digest_of_something_else_is_refused(void **state)
{
    uint8_t event[BH_EVENT_MAX];
    size_t size = evlog_event(event, BH_EVENT_VIOLATION, log_next(), 0, 0, NULL, 0);

    (void)state;
    crypto_hash_sha256(digests.digest[1].bytes, event, size);
    for (size_t i = 0; i < BH_DIGEST; i++) {
        digests.digest[1].bytes[i] ^= 1;
        assert_false(log_append(BH_PCR_RUNTIME, event, size, &digests));
        digests.digest[1].bytes[i] ^= 1;
    }
    assert_int_equal(log_next(), 0);
    assert_true(log_append(BH_PCR_RUNTIME, event, size, &digests));
}

static void the_end_is_foreseen(void **state)
{
    uint32_t events = 0;

    (void)state;
    while (log_has_room(48, 32)) {
        assert_true(append(0, 16));
        events++;
    }
    assert_in_range(events, 250, 3000);
    assert_true(append(BH_NOBODY, 0)); /* the smaller one still has room */
    while (append(0, 16))
        events++;
    assert_in_range(log_bytes().size, LOG_MAX - 300, LOG_MAX);
    expect_hash();
}

static void what_boot_found_is_kept(void **state)
{
    static const struct bh_header policy;

    (void)state;
    assert_false(log_is_on());
    assert_false(log_is_enrolled());
    log_switch_on(&policy, boot_id);
    log_set_enrolled(2);
    assert_true(log_is_on());
    assert_ptr_equal(log_policy(), &policy);
    assert_int_equal(log_boot_id()[0], 7);
    assert_true(log_is_enrolled());
    assert_int_equal(log_counter_lag(), 2);
    log_counter_is(10);
    assert_int_equal(log_counter_lag(), 2);
    log_counter_is(11);
    assert_int_equal(log_counter_lag(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hash_is_that_of_the_bytes, empty),
        cmocka_unit_test_setup(numbers_follow_the_events, empty),
        cmocka_unit_test_setup(a_refused_event_counts_for_nothing, empty),
        cmocka_unit_test_setup(a_digest_of_something_else_is_refused, empty),
        cmocka_unit_test_setup(the_end_is_foreseen, empty),
        cmocka_unit_test_setup(what_boot_found_is_kept, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
