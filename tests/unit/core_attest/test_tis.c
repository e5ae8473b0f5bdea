/* The transport against a model of the TPM's interface: commands pass whole, the locality is given
 * back, and no failure of the TPM makes it wait without end. */
#include "testing.h"

#include <string.h>

#include "core/attest/tpm.h"
#include "hw/tpm.h"
#include "models/tis_model.h"

#define PATIENCE_US 20000000u /* tpm.h */

static const uint8_t get_random[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 4};
static const uint8_t four_bytes[] = {0x80, 1, 0, 0, 0, 16, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4};

static struct tpm_message message;

static uint32_t answer_random(const uint8_t *command, uint32_t size, uint8_t *response)
{
    assert_int_equal(size, sizeof get_random);
    assert_memory_equal(command, get_random, size);
    memcpy(response, four_bytes, sizeof four_bytes);
    return sizeof four_bytes;
}

static int good_tpm(void **state)
{
    (void)state;
    tis_model_reset(answer_random);
    message.size = sizeof get_random;
    memcpy(message.bytes, get_random, sizeof get_random);
    return 0;
}

static void expect_clean(void)
{
    if (tis_model.violation)
        fail_msg("%s", tis_model.violation);
    assert_false(tis_model.is_active);
}

static void expect_response(void)
{
    assert_true(tpm_run(&message));
    assert_int_equal(message.size, sizeof four_bytes);
    assert_memory_equal(message.bytes, four_bytes, sizeof four_bytes);
    expect_clean();
}

static void expect_failure(enum tpm_error error, uint32_t detail)
{
    assert_false(tpm_run(&message));
    assert_int_equal(tpm_fault()->error, error);
    assert_int_equal(tpm_fault()->detail, detail);
    assert_string_equal(tpm_fault()->doing, "TPM2_GetRandom");
    assert_in_range(tis_model_now(), 0, PATIENCE_US);
    expect_clean();
}

/* The next command passes: nothing of a failure is left behind. */
static void expect_recovery(void)
{
    good_tpm(NULL);
    expect_response();
}

static void commands_pass(void **state)
{
    (void)state;
    expect_response();
    assert_int_equal(tis_model.commands, 1);
    assert_int_equal(tpm_fault()->error, TPM_OK);
}

static void bursts_of_any_size_are_kept_to(void **state)
{
    (void)state;
    for (uint32_t burst = 1; burst < 18; burst++) {
        good_tpm(NULL);
        tis_model.burst = burst;
        expect_response();
    }
}

static void stalls_are_waited_for(void **state)
{
    (void)state;
    tis_model.burst = 3;
    tis_model.stalls = 5;
    tis_model.execution_us = 3000000;
    expect_response();
}

static void lower_localities_are_seized_from(void **state)
{
    (void)state;
    tis_model.is_held = true;
    expect_response();
}

/* What the TPM asks for once more is sent once more, but not for ever. */
static void commands_are_repeated(void **state)
{
    (void)state;
    tis_model.repeats = 3;
    expect_response();
    assert_int_equal(tis_model.commands, 4);
    good_tpm(NULL);
    tis_model.repeats = UINT32_MAX;
    expect_failure(TPM_REFUSED, TPM_RC_RETRY);
    expect_recovery();
}

/* No poll waits: it does what can be done at once, whatever the TPM does. */
static void a_poll_is_bounded(void **state)
{
    enum tpm_progress progress;
    uint32_t polls = 0;

    (void)state;
    tis_model.burst = 2;
    tis_model.stalls = 2;
    tis_model.repeats = 100;
    tis_model.execution_us = 10000;
    tpm_begin(&message);
    do {
        tis_model.accesses = 0;
        progress = tpm_poll();
        assert_in_range(tis_model.accesses, 0, 80);
        polls++;
    } while (progress == TPM_BUSY);
    assert_int_equal(progress, TPM_DONE);
    assert_in_range(polls, 100, UINT32_MAX);
    assert_int_equal(tpm_poll(), TPM_DONE);
    expect_clean();
}

static void a_locality_that_is_not_granted(void **state)
{
    (void)state;
    tis_model.refuses_locality = true;
    expect_failure(TPM_LOCALITY, TIS_ACCESS_VALID);
    good_tpm(NULL);
    tis_model.no_valid_access = true;
    expect_failure(TPM_LOCALITY, 0);
    expect_recovery();
}

static void nothing_at_the_address(void **state)
{
    (void)state;
    tis_model.is_absent = true;
    assert_false(tpm_run(&message));
    assert_int_equal(tpm_fault()->error, TPM_SILENT);
    assert_in_range(tis_model_now(), 0, 1000);
}

static void a_tpm_that_takes_no_command(void **state)
{
    (void)state;
    tis_model.never_ready = true;
    expect_failure(TPM_NOT_READY, TIS_STS_VALID | TIS_MODEL_MAX << 8);
    for (uint32_t bytes = 1; bytes <= sizeof get_random; bytes++) {
        good_tpm(NULL);
        tis_model.burst = 1;
        tis_model.sticks_after = bytes;
        if (bytes < sizeof get_random)
            expect_failure(TPM_NOT_TAKEN, TIS_STS_VALID | TIS_STS_EXPECT);
        else
            expect_response();
    }
    good_tpm(NULL);
    tis_model.expects_nothing = true;
    expect_failure(TPM_NOT_TAKEN, TIS_STS_VALID | 1 << 8);
    good_tpm(NULL);
    tis_model.expects_more = true;
    expect_failure(TPM_NOT_TAKEN, TIS_STS_VALID | TIS_STS_EXPECT);
    assert_int_equal(tis_model.commands, 0);
    expect_recovery();
}

static void a_tpm_that_never_answers(void **state)
{
    (void)state;
    tis_model.is_mute = true;
    expect_failure(TPM_NO_RESPONSE, 0);
    assert_in_range(tis_model_now(), TPM_COMMAND_US, TPM_COMMAND_US + 1000);
    expect_recovery();
}

/* Every place at which a response may end or stick. */
static void a_response_without_an_end(void **state)
{
    (void)state;
    for (uint32_t bytes = 1; bytes < sizeof four_bytes; bytes++) {
        good_tpm(NULL);
        tis_model.cuts_after = bytes;
        expect_failure(TPM_MALFORMED, bytes);
        good_tpm(NULL);
        tis_model.freezes_after = bytes;
        tis_model.burst = 1;
        expect_failure(TPM_RESPONSE_CUT, 0);
    }
    good_tpm(NULL);
    tis_model.freezes_after = sizeof four_bytes;
    expect_failure(TPM_RESPONSE_CUT, 0);
    expect_recovery();
}

static void a_response_with_more_bytes_than_it_says(void **state)
{
    (void)state;
    tis_model.extra = 1;
    expect_failure(TPM_MALFORMED, sizeof four_bytes + 1);
    expect_recovery();
}

static uint32_t claimed_size, claimed_tag, claimed_code;

static uint32_t answer_claim(const uint8_t *command, uint32_t size, uint8_t *response)
{
    (void)command;
    (void)size;
    tis_model_code(response, claimed_code);
    response[0] = (uint8_t)(claimed_tag >> 8);
    response[1] = (uint8_t)claimed_tag;
    for (int i = 0; i < 4; i++)
        response[2 + i] = (uint8_t)(claimed_size >> (24 - 8 * i));
    return TPM_HEADER;
}

static void claim(uint32_t tag, uint32_t size, uint32_t code)
{
    good_tpm(NULL);
    tis_model.answer = answer_claim;
    claimed_tag = tag;
    claimed_size = size;
    claimed_code = code;
}

static void headers_that_lie(void **state)
{
    const uint32_t sizes[] = {0, 1, 9, TPM_MESSAGE_MAX + 1, 0x10000, 0x7fffffff, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        claim(TPM_ST_NO_SESSIONS, sizes[i], 0);
        expect_failure(TPM_MALFORMED, sizes[i]);
    }
    claim(TPM_ST_NO_SESSIONS, 11, 0);
    expect_failure(TPM_MALFORMED, 10);
    claim(TPM_ST_SESSIONS, 10, 0);
    expect_failure(TPM_MALFORMED, TPM_ST_SESSIONS);
    claim(0xffff, 10, 0);
    expect_failure(TPM_MALFORMED, 0xffff);
    expect_recovery();
}

static void codes_are_told(void **state)
{
    (void)state;
    claim(TPM_ST_NO_SESSIONS, 10, 0x922 ^ 0x40);
    expect_failure(TPM_REFUSED, 0x962);
    assert_false(tpm_is_nothing_there());
    claim(TPM_ST_NO_SESSIONS, 10, TPM_RC_HANDLE);
    expect_failure(TPM_REFUSED, TPM_RC_HANDLE);
    assert_true(tpm_is_nothing_there());
    expect_recovery();
}

static void commands_of_no_size_are_not_sent(void **state)
{
    (void)state;
    message.size = TPM_MESSAGE_MAX + 1;
    assert_false(tpm_run(&message));
    assert_int_equal(tpm_fault()->error, TPM_NOT_TAKEN);
    message.size = TPM_HEADER - 1;
    assert_false(tpm_run(&message));
    assert_int_equal(tis_model.accesses, 0);
}

static void acpi_says_where_the_tpm_is(void **state)
{
    (void)state;
    assert_true(tpm_find());
    tis_model.start_method = 7; /* CRB */
    assert_false(tpm_find());
    assert_int_equal(tpm_fault()->error, TPM_INTERFACE);
    assert_int_equal(tpm_fault()->detail, 7);
    tis_model.tpm2_size = 51;
    assert_false(tpm_find());
    assert_int_equal(tpm_fault()->error, TPM_ABSENT);
    assert_int_equal(tpm_fault()->detail, 51);
    tis_model.tpm2_size = 0;
    assert_false(tpm_find());
    assert_int_equal(tpm_fault()->error, TPM_ABSENT);
    assert_int_equal(tis_model.accesses, 0);
}

static void each_error_has_cause_and_remedy(void **state)
{
    (void)state;
    for (enum tpm_error error = TPM_OK; error <= TPM_BANKS; error++) {
        assert_non_null(tpm_error_cause(error));
        assert_non_null(tpm_error_remedy(error));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(commands_pass, good_tpm),
        cmocka_unit_test_setup(bursts_of_any_size_are_kept_to, good_tpm),
        cmocka_unit_test_setup(stalls_are_waited_for, good_tpm),
        cmocka_unit_test_setup(lower_localities_are_seized_from, good_tpm),
        cmocka_unit_test_setup(commands_are_repeated, good_tpm),
        cmocka_unit_test_setup(a_poll_is_bounded, good_tpm),
        cmocka_unit_test_setup(a_locality_that_is_not_granted, good_tpm),
        cmocka_unit_test_setup(nothing_at_the_address, good_tpm),
        cmocka_unit_test_setup(a_tpm_that_takes_no_command, good_tpm),
        cmocka_unit_test_setup(a_tpm_that_never_answers, good_tpm),
        cmocka_unit_test_setup(a_response_without_an_end, good_tpm),
        cmocka_unit_test_setup(a_response_with_more_bytes_than_it_says, good_tpm),
        cmocka_unit_test_setup(headers_that_lie, good_tpm),
        cmocka_unit_test_setup(codes_are_told, good_tpm),
        cmocka_unit_test_setup(commands_of_no_size_are_not_sent, good_tpm),
        cmocka_unit_test_setup(acpi_says_where_the_tpm_is, good_tpm),
        cmocka_unit_test_setup(each_error_has_cause_and_remedy, good_tpm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
