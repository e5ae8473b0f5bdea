/* Several domains ask for evidence: one at a time, each gets its own, none can keep others out. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "attest/evidence_log.h"
#include "core/attest/log.h"
#include "core/attest/quote.h"
#include "models/tpm_model.h"
#include "testing.h"

#define POLLS_MAX 2000u
#define KEPT_US   10000000u /* bulkhead/abi.h */
#define ROUNDS    60u
#define NONCE_AT  4u /* in evidence: a map's head, key 10, a head of two bytes */

static struct bh_attest_request asked[EVIDENCE_DOMAINS];
static uint8_t got[EVIDENCE_DOMAINS][LOG_MAX];

static int start_all(void **state)
{
    static bool is_started;

    (void)state;
    if (!is_started)
        evidence_model_start();
    is_started = true;
    tpm_model_now += 2 * KEPT_US; /* nothing is kept from the test before */
    for (unsigned i = 0; i < EVIDENCE_DOMAINS; i++)
        memset(&asked[i], 0x30 + (int)i, sizeof(asked[i]));
    return 0;
}

static enum bh_result start(unsigned index)
{
    return quote_start(index, &asked[index]);
}

static uint64_t poll_to_the_end(unsigned index)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < POLLS_MAX; i++) {
        enum bh_result result = quote_poll(index, &size);

        if (result == BH_OK)
            return size;
        assert_int_equal(result, BH_E_AGAIN);
    }
    fail_msg("no evidence after %u polls", POLLS_MAX);
    return 0;
}

static void read_all(unsigned index, uint64_t size)
{
    uint64_t done = 0, copied;

    while (done < size) {
        assert_int_equal(quote_read(index, done, got[index] + done, 1000, &copied), BH_OK);
        assert_in_range(copied, 1, 1000);
        done += copied;
    }
    assert_int_equal(done, size);
    assert_int_equal(quote_read(index, done, got[index], 1, &copied), BH_E_ARG);
    assert_int_equal(quote_read(index, UINT64_MAX, got[index], 1, &copied), BH_E_ARG);
}

static void each_gets_what_it_asked_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EVIDENCE_DOMAINS; i++) {
        uint64_t size;

        assert_int_equal(start(i), BH_OK);
        size = poll_to_the_end(i);
        read_all(i, size);
        evidence_check(got[i], size, &asked[i], i);
    }
}

static void who_asked_for_nothing_gets_nothing(void **state)
{
    uint64_t value;
    uint8_t byte;

    (void)state;
    assert_int_equal(start(0), BH_OK);
    assert_int_equal(quote_poll(1, &value), BH_E_ARG);
    assert_int_equal(quote_read(1, 0, &byte, 1, &value), BH_E_ARG);
    assert_int_equal(quote_read(0, 0, &byte, 1, &value), BH_E_AGAIN);
    poll_to_the_end(0);
    assert_int_equal(quote_poll(1, &value), BH_E_ARG);
    assert_int_equal(quote_read(1, 0, &byte, 1, &value), BH_E_ARG);
}

/* The first one never polls: the second one's calls bring its evidence to its end. */
static void who_does_not_poll_is_driven_on(void **state)
{
    (void)state;
    assert_int_equal(start(0), BH_OK);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(start(1), BH_E_BUSY);
    assert_int_equal(tpm_model.sessions, 0); /* the TPM is done with it */
    tpm_model_now += KEPT_US;
    assert_int_equal(start(1), BH_OK);
    poll_to_the_end(1);
}

static void evidence_is_kept_until_it_is_read_or_old(void **state)
{
    uint64_t size;
    uint8_t byte;

    (void)state;
    assert_int_equal(start(0), BH_OK);
    size = poll_to_the_end(0);
    tpm_model_now += KEPT_US / 2;
    assert_int_equal(start(1), BH_E_BUSY);
    assert_int_equal(quote_read(0, 0, &byte, 1, &size), BH_OK); /* not to its end */
    assert_int_equal(start(1), BH_E_BUSY);
    tpm_model_now += KEPT_US;
    assert_int_equal(start(1), BH_OK);
    assert_int_equal(quote_read(0, 0, &byte, 1, &size), BH_E_ARG);
    size = poll_to_the_end(1);
    assert_int_equal(start(0), BH_E_BUSY);
    read_all(1, size);
    read_all(1, size); /* as often as it likes */
    assert_int_equal(start(0), BH_OK);
    poll_to_the_end(0);
}

/* A domain that asks again as soon as it can doesn't keep the other out. */
static void turns_are_taken(void **state)
{
    uint64_t size;

    (void)state;
    assert_int_equal(start(0), BH_OK);
    assert_int_equal(start(1), BH_E_BUSY);
    size = poll_to_the_end(0);
    assert_int_equal(start(0), BH_E_BUSY); /* the other one waits */
    read_all(0, size);
    assert_int_equal(start(0), BH_E_BUSY);
    assert_int_equal(start(1), BH_OK);
    assert_int_equal(start(0), BH_E_BUSY);
    read_all(1, poll_to_the_end(1));
    assert_int_equal(start(0), BH_OK);
    assert_int_equal(start(1), BH_E_BUSY);
    poll_to_the_end(0);
    tpm_model_now += KEPT_US; /* who doesn't come back loses its turn */
    assert_int_equal(start(0), BH_OK);
    poll_to_the_end(0);
}

/* What is being made for a domain is finished first; what it has is its own to throw away. */
static void who_asks_again_waits_for_none_but_itself(void **state)
{
    (void)state;
    assert_int_equal(start(0), BH_OK);
    assert_int_equal(start(0), BH_E_BUSY);
    assert_int_equal(start(1), BH_E_BUSY); /* has the next turn for all that */
    read_all(0, poll_to_the_end(0));
    assert_int_equal(start(0), BH_E_BUSY);
    assert_int_equal(start(1), BH_OK);
    poll_to_the_end(1);
    tpm_model_now += KEPT_US;
    assert_int_equal(start(0), BH_OK);
    poll_to_the_end(0);
    assert_int_equal(start(0), BH_OK);
    poll_to_the_end(0);
}

static void a_turn_that_is_not_taken_goes_to_the_next(void **state)
{
    const unsigned third = EVIDENCE_DOMAINS;

    (void)state;
    assert_int_equal(start(0), BH_OK);
    assert_int_equal(start(1), BH_E_BUSY);
    assert_int_equal(quote_start(third, &asked[0]), BH_E_BUSY);
    tpm_model_now += KEPT_US;
    assert_int_equal(quote_start(third, &asked[0]), BH_E_BUSY);
    read_all(0, poll_to_the_end(0));
    assert_int_equal(start(1), BH_E_BUSY);
    assert_int_equal(quote_start(third, &asked[0]), BH_OK);
    poll_to_the_end(third);
}

static void a_failure_is_told_to_who_asked_and_frees_the_tpm(void **state)
{
    uint64_t size;

    (void)state;
    tpm_model.fails_at = tpm_model.commands + 1;
    tpm_model.fails_long = 1;
    tpm_model.failure = TPM_MODEL_HANGS;
    assert_int_equal(start(0), BH_OK);
    while (quote_poll(0, &size) == BH_E_AGAIN)
        ;
    assert_int_equal(quote_poll(0, &size), BH_E_ARG); /* it was told once */
    tpm_model.fails_at = 0;
    assert_int_equal(start(1), BH_OK);
    poll_to_the_end(1);
}

static void a_failure_that_nobody_asks_about_keeps_nobody_out(void **state)
{
    uint64_t size;

    (void)state;
    tpm_model.fails_at = tpm_model.commands + 1;
    tpm_model.fails_long = 1;
    tpm_model.failure = TPM_MODEL_REFUSES;
    assert_int_equal(start(0), BH_OK);
    for (unsigned i = 0; i < 10; i++)
        quote_poll(1, &size);
    assert_int_equal(start(1), BH_OK);
    poll_to_the_end(1);
}

/* Reads all of it; false if another's took its place meanwhile. */
static bool read_slowly(unsigned index, uint64_t size)
{
    uint64_t done = 0;

    while (done < size) {
        uint64_t copied = 0;

        if (quote_read(index, done, got[index] + done, 700, &copied) == BH_E_ARG)
            return false;
        done += copied;
    }
    return true;
}

/* Two CPUs at once, each for its domain, without waiting for the other. */
static void *run_domain(void *argument)
{
    unsigned index = argument != NULL, done = 0;
    enum bh_result result;
    uint64_t size;

    while (done < ROUNDS) {
        while (start(index) != BH_OK)
            __atomic_fetch_add(&tpm_model_now, 100, __ATOMIC_RELAXED);
        while ((result = quote_poll(index, &size)) == BH_E_AGAIN)
            ;
        if (result == BH_OK && read_slowly(index, size))
            done += memcmp(got[index] + NONCE_AT, asked[index].nonce, BH_NONCE_SIZE) == 0;
    }
    return (void *)(uintptr_t)done;
}

static void two_cpus_take_turns(void **state)
{
    pthread_t threads[2];
    void *done[2];

    (void)state;
    tpm_model.polls_busy = 0;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_domain, i ? "" : NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], &done[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal((uintptr_t)done[i], ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_gets_what_it_asked_for, start_all),
        cmocka_unit_test_setup(who_asked_for_nothing_gets_nothing, start_all),
        cmocka_unit_test_setup(who_does_not_poll_is_driven_on, start_all),
        cmocka_unit_test_setup(evidence_is_kept_until_it_is_read_or_old, start_all),
        cmocka_unit_test_setup(turns_are_taken, start_all),
        cmocka_unit_test_setup(who_asks_again_waits_for_none_but_itself, start_all),
        cmocka_unit_test_setup(a_turn_that_is_not_taken_goes_to_the_next, start_all),
        cmocka_unit_test_setup(a_failure_is_told_to_who_asked_and_frees_the_tpm, start_all),
        cmocka_unit_test_setup(a_failure_that_nobody_asks_about_keeps_nobody_out, start_all),
        cmocka_unit_test_setup(two_cpus_take_turns, start_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
