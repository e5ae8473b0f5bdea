/*
 * Evidence made by core on a model of a TPM: whatever command fails, and however, log, PCR 19 and
 * report agree in the next evidence, no session stays open, and the counter isn't raised too far.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "attest/evidence_log.h"
#include "core/attest/log.h"
#include "core/attest/maker.h"
#include "core/audit/audit.h"
#include "models/console_model.h"
#include "models/tpm_model.h"
#include "testing.h"

#define DRIVES_MAX 20000u
#define LAG        2u
#define UEID_CLAIM (3u + 2u + BH_UEID_SIZE) /* bytes: key, head, value */

static struct bh_attest_request asked;

static void (*apart_test)(void);

static void run_apart(void **state)
{
    (void)state;
    memset(asked.nonce, 0x3c, sizeof(asked.nonce));
    evidence_model_start();
    apart_test();
}

/* Core keeps its state for ever, so each test has a process of its own. */
static void apart(void (*test)(void))
{
    const struct CMUnitTest only[] = {cmocka_unit_test(run_apart)};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        apart_test = test;
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        status = cmocka_run_group_tests(only, NULL, NULL);
        _exit(status);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static enum bh_result make(void)
{
    enum bh_result result = maker_begin(0, &asked);

    for (unsigned i = 0; result == BH_OK && i < DRIVES_MAX; i++) {
        result = maker_drive();
        if (result != BH_E_AGAIN)
            return result;
        result = BH_OK;
    }
    assert_int_not_equal(result, BH_OK); /* it never ended */
    return result;
}

static unsigned check(void)
{
    struct evidence_bytes all = maker_evidence();

    assert_true(all.size > 0);
    return evidence_check(all.at, all.size, &asked, 0);
}

static struct bh_event event(unsigned n)
{
    return evidence_event(maker_evidence().at, maker_evidence().size, n);
}

static void quiet_machine(void)
{
    const uint8_t *part;
    size_t size;
    uint8_t hash[33] = {1};

    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 0);
    assert_int_equal(tpm_model.sessions, 0);
    assert_string_equal(console_text, "");
    part = evidence_claim(maker_evidence().at, maker_evidence().size, BH_CLAIM_AK, &size);
    assert_int_equal(size, strlen(TPM_MODEL_AK));
    assert_memory_equal(part, TPM_MODEL_AK, size);
    part = evidence_claim(maker_evidence().at, maker_evidence().size, BH_CLAIM_SIGNATURE, &size);
    assert_int_equal(size, 9);
    part = evidence_claim(maker_evidence().at, maker_evidence().size, BH_CLAIM_UEID, &size);
    assert_int_equal(size, sizeof(hash));
    assert_int_equal(part[0], 1);
    part = evidence_claim(maker_evidence().at, maker_evidence().size, BH_CLAIM_ATTEST, &size);
    assert_memory_equal(part, tpm_model.extra_data, 32);
}

static void evidence_of_a_quiet_machine(void **state)
{
    (void)state;
    apart(quiet_machine);
}

static void do_harm(void)
{
    audit_violation(&evidence_domains[0], 0, VIOLATION_PORT_WRITE, 0xcf9, 6);
    for (unsigned i = 0; i < 5; i++)
        audit_violation(&evidence_domains[0], 0, VIOLATION_MSR_READ, 0x1000 + i, 0);
    audit_note(1, VIOLATION_DMA, 0x123000);
    audit_smi(0, 900);
    audit_smi(1, 1000);
}

static void busy_machine(void)
{
    do_harm();
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 3);
    assert_int_equal(event(0).type, BH_EVENT_VIOLATION); /* in the order of time */
    assert_int_equal(event(0).domain, 0);
    assert_true(event(0).time <= event(1).time && event(1).time <= event(2).time);
    assert_int_equal(event(2).type, BH_EVENT_DMA_FAULT);
    assert_int_equal(event(2).domain, 1);
    do_harm(); /* nothing new, just more of it */
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 3);
    audit_set_end(0, &(struct audit_end){.asked = false, .exitcode = 0x7f, .tsc = UINT64_MAX});
    audit_violation(&evidence_domains[0], 0, VIOLATION_IPI, 0, 0);
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 5);
    assert_int_equal(event(3).type, BH_EVENT_VIOLATION);
    assert_int_equal(event(4).type, BH_EVENT_CRASH);
    audit_set_end(1, &(struct audit_end){.asked = true});
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 6);
    assert_int_equal(event(5).type, BH_EVENT_STOP);
}

static void what_domains_do_comes_into_log_and_report(void **state)
{
    (void)state;
    apart(busy_machine);
}

static void counter_behind(void)
{
    log_set_enrolled(LAG);
    assert_int_equal(make(), BH_OK);
    assert_int_equal(tpm_model.counter, 7 + LAG);
    assert_int_equal(log_counter_lag(), 0);
    assert_int_equal(make(), BH_OK);
    assert_int_equal(tpm_model.counter, 7 + LAG);
    check();
}

/* A policy whose version is a date: evidence mustn't wait for twenty million steps. */
static void counter_far_behind(void)
{
    log_set_enrolled(40);
    for (unsigned raised = 16; raised <= 48; raised += 16) {
        assert_int_equal(make(), BH_OK);
        check();
        assert_int_equal(tpm_model.counter, 7 + (raised < 40 ? raised : 40));
    }
}

static void the_counter_follows_in_bounded_steps(void **state)
{
    (void)state;
    apart(counter_far_behind);
}

static void the_counter_follows_the_version(void **state)
{
    (void)state;
    apart(counter_behind);
}

/* Given by the test's process to its child. */
static uint32_t fails_at;
static enum tpm_model_failure failure;
static uint32_t commands; /* of a run without failure */

static void failing_once(void)
{
    unsigned drives = tpm_model.commands;

    log_set_enrolled(LAG);
    do_harm();
    tpm_model.fails_at = fails_at;
    tpm_model.fails_long = 1;
    tpm_model.failure = failure;
    assert_int_not_equal(make(), BH_E_AGAIN);
    assert_true(tpm_model.commands - drives <= commands + 2);
    tpm_model.fails_at = 0;
    do_harm();
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 3);
    assert_int_equal(tpm_model.sessions, 0);
    assert_int_equal(tpm_model.counter, 7 + LAG);
}

static void count_commands(void)
{
    log_set_enrolled(LAG);
    do_harm();
    assert_int_equal(make(), BH_OK);
    _exit((int)tpm_model.commands);
}

static void any_command_may_fail_in_any_way(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        evidence_model_start();
        count_commands();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    commands = (uint32_t)WEXITSTATUS(status);
    assert_true(commands > 15);
    for (fails_at = 1; fails_at <= commands; fails_at++)
        for (failure = TPM_MODEL_REFUSES; failure < TPM_MODEL_FAILURES; failure++)
            apart(failing_once);
}

static void failing_for_good(void)
{
    unsigned lines = 0;

    do_harm();
    tpm_model.fails_at = fails_at;
    tpm_model.fails_long = UINT32_MAX;
    tpm_model.failure = failure;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(make(), BH_E_TPM);
        assert_int_equal(maker_evidence().size, 0);
    }
    for (const char *at = console_text; (at = strstr(at, "attest: ")); at++)
        lines++;
    assert_in_range(lines, 1, 16 + 2); /* the first 16, the 32nd, the 64th */
    assert_non_null(strstr(console_text, "attest: no evidence for work: the TPM"));
    tpm_model.fails_at = 0;
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 3);
    assert_int_equal(tpm_model.sessions, 0);
}

static void a_tpm_that_is_gone_harms_nobody(void **state)
{
    (void)state;
    for (fails_at = 1; fails_at <= 12; fails_at += 3)
        for (failure = TPM_MODEL_REFUSES; failure <= TPM_MODEL_HANGS; failure++)
            apart(failing_for_good);
}

static void wrong_digest(void)
{
    do_harm();
    tpm_model.fails_at = 3; /* the event, after clock and PCR */
    tpm_model.fails_long = 1;
    tpm_model.failure = TPM_MODEL_FLIPS;
    assert_int_equal(make(), BH_E_TPM);
    assert_int_equal(make(), BH_OK);
    assert_int_equal(check(), 3);
}

static void a_wrong_digest_never_gets_into_the_log(void **state)
{
    (void)state;
    apart(wrong_digest);
}

static void foreign_event(void)
{
    do_harm();
    tpm_model.fails_at = 3; /* the event, after clock and PCR */
    tpm_model.fails_long = 1;
    tpm_model.failure = TPM_MODEL_LOSES;
    assert_int_equal(make(), BH_E_TPM);
    tpm_model.fails_at = 0;
    tpm_model.pcr[19][0] ^= 1; /* as after a reset */
    assert_int_equal(make(), BH_E_TPM);
    assert_non_null(strstr(console_text, "comparing PCR 19 with the event log"));
}

static void a_pcr_that_nobody_can_explain_ends_evidence(void **state)
{
    (void)state;
    apart(foreign_event);
}

static void slow_and_small(void)
{
    do_harm();
    tpm_model.polls_busy = 50;
    tpm_model.pcrs_at_once = 1;
    tpm_model.clock_is_safe_at = tpm_model_now + 5000000; /* evidence waits for it */
    assert_int_equal(make(), BH_OK);
    assert_true(tpm_model_now >= tpm_model.clock_is_safe_at);
    tpm_model.clock_is_safe_at = UINT64_MAX; /* not for ever: the verifier will decide */
    assert_int_equal(make(), BH_OK);
    check();
}

static void a_slow_tpm_is_polled_and_pcrs_come_one_by_one(void **state)
{
    (void)state;
    apart(slow_and_small);
}

static void no_keys(void)
{
    size_t without;

    tpm_model.has_ek = false;
    assert_int_equal(make(), BH_OK);
    check();
    without = maker_evidence().size;
    tpm_model.has_ek = true;
    assert_int_equal(make(), BH_OK);
    assert_int_equal(maker_evidence().size, without + UEID_CLAIM);
    tpm_model.has_ek = false;
    assert_int_equal(make(), BH_OK); /* another TPM's name isn't kept */
    assert_int_equal(maker_evidence().size, without);
    tpm_model.has_ak = false;
    assert_int_equal(make(), BH_E_UNENROLLED);
    assert_int_equal(tpm_model.sessions, 0);
}

static void keys_may_be_missing(void **state)
{
    (void)state;
    apart(no_keys);
}

static uint32_t first_runtime; /* sequence number */

static void fill_log(size_t left)
{
    struct evlog_digests digests = {.count = 2, .digest = {{.algorithm = 4}, {.algorithm = 11}}};
    uint8_t bytes[BH_EVENT_MAX], body[900] = {0};
    size_t size;

    do {
        size = evlog_event(bytes, BH_EVENT_START, log_next(), BH_NOBODY, 0, body,
                           log_has_room(1000, left) ? sizeof(body) : 0);
        crypto_hash_sha256(digests.digest[1].bytes, bytes, size);
        assert_true(log_append(BH_PCR_DOMAINS, bytes, size, &digests));
    } while (log_has_room(sizeof(struct bh_event), left));
}

static unsigned full_events(void)
{
    unsigned count = 0;

    for (unsigned n = 0; n < log_next() - first_runtime; n++)
        count += event(n).type == BH_EVENT_LOG_FULL;
    return count;
}

static void full_log(void)
{
    size_t before;

    fill_log(200); /* an event or two and LOG_FULL have room */
    first_runtime = log_next();
    for (unsigned kind = 0; kind < 4; kind++) {
        audit_violation(&evidence_domains[1], 1, (enum violation)kind, 0, 0);
        assert_int_equal(make(), BH_OK);
    }
    assert_int_equal(full_events(), 1);
    assert_int_equal(event(log_next() - first_runtime - 1).type, BH_EVENT_LOG_FULL);
    before = log_bytes().size;
    do_harm();
    assert_int_equal(make(), BH_OK);
    assert_int_equal(log_bytes().size, before);
    assert_int_equal(full_events(), 1);
}

static void a_full_log_says_so_once(void **state)
{
    (void)state;
    apart(full_log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_of_a_quiet_machine),
        cmocka_unit_test(what_domains_do_comes_into_log_and_report),
        cmocka_unit_test(the_counter_follows_the_version),
        cmocka_unit_test(the_counter_follows_in_bounded_steps),
        cmocka_unit_test(any_command_may_fail_in_any_way),
        cmocka_unit_test(a_tpm_that_is_gone_harms_nobody),
        cmocka_unit_test(a_wrong_digest_never_gets_into_the_log),
        cmocka_unit_test(a_pcr_that_nobody_can_explain_ends_evidence),
        cmocka_unit_test(a_slow_tpm_is_polled_and_pcrs_come_one_by_one),
        cmocka_unit_test(keys_may_be_missing),
        cmocka_unit_test(a_full_log_says_so_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
