/* What core measures at boot, on a model of a TPM: the log replays to the PCRs, and where the TPM
 * or its enrolment isn't as it should be, core does what the policy says. */
#include "testing.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "bulkhead/evidence.h"
#include "core/attest/attest.h"
#include "core/attest/log.h"
#include "core/platform/time.h"
#include "hw/tpm.h"
#include "models/boot_tpm.h"
#include "models/console_model.h"
#include "policy/sample.h"

static struct sample sample;
static struct policy_origin origin;
static const struct bh_event_smm smm = {.mode = BH_SMM_REPLACED, .sha256 = {0x51}};
static const char core[] = "core's code";

uint64_t time_ns(uint64_t ticks)
{
    return ticks | 1;
}

static int fresh(void **state)
{
    static const struct evlog_banks one = {.count = 1, .algorithm = {TPM_ALG_SHA256}};

    (void)state;
    console_clear();
    boot_tpm_reset();
    log_begin(&one); /* forgets what a test before has left */
    sample_build(&sample);
    sample.header.version = 5;
    sample.header.attest = BH_ATTEST_REQUIRED;
    origin = (struct policy_origin){.event = {.version = 5}, .trust = {1, 2, 3, 4, 5}};
    return 0;
}

static void boot(void *argument)
{
    (void)argument;
    attest_begin(core, sizeof core);
    attest_policy(&sample.header, &origin, &smm);
    attest_domains();
}

static uint32_t word(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The log's entries, read as a verifier would. */
struct entry {
    uint32_t pcr;
    struct bh_event event;
    const uint8_t *body;
};
#define ENTRIES 32
static struct entry entries[ENTRIES];
static uint32_t count;

static void replay(uint32_t banks, uint8_t pcr[24][32])
{
    struct evidence_bytes log = log_bytes();
    const uint8_t *at = (const uint8_t *)log.at + 32 + 28 + 4 * banks + 1;
    const uint8_t *end = (const uint8_t *)log.at + log.size;

    memset(pcr[17], 0xff, 6 * 32);
    for (count = 0; at < end; count++) {
        uint8_t both[64];
        const uint8_t *digest = at + 12 + (banks - 1) * 22 + 2;
        uint32_t size = word(digest + 32);
        struct entry *e = &entries[count];

        assert_in_range(count, 0, ENTRIES - 1);
        assert_int_equal(word(at + 8), banks);
        e->pcr = word(at);
        memcpy(&e->event, digest + 36, sizeof e->event);
        e->body = digest + 36 + sizeof e->event;
        assert_int_equal(e->event.sequence, count);
        assert_int_equal(sizeof e->event + e->event.size, size);
        memcpy(both, pcr[e->pcr], 32);
        crypto_hash_sha256(both + 32, digest + 36, size);
        assert_memory_equal(both + 32, digest, 32);
        crypto_hash_sha256(pcr[e->pcr], both, sizeof both);
        at = digest + 36 + size;
    }
    assert_ptr_equal(at, end);
}

static void expect_entry(uint32_t n, uint32_t pcr, enum bh_event_type type, uint32_t domain)
{
    assert_int_equal(entries[n].pcr, pcr);
    assert_int_equal(entries[n].event.type, type);
    assert_int_equal(entries[n].event.domain, domain);
    assert_int_equal(entries[n].event.time == 0, pcr != BH_PCR_RUNTIME);
}

static void expect_measured(uint32_t banks)
{
    uint8_t pcr[24][32] = {{0}};

    assert_true(log_is_on());
    replay(banks, pcr);
    assert_memory_equal(pcr, boot_tpm.pcr, sizeof pcr);
    assert_int_equal(count, 10);
    expect_entry(0, 17, BH_EVENT_CORE, BH_NOBODY);
    expect_entry(1, 19, BH_EVENT_BOOT, BH_NOBODY);
    expect_entry(2, 17, BH_EVENT_POLICY, BH_NOBODY);
    expect_entry(3, 17, BH_EVENT_SMM, BH_NOBODY);
    expect_entry(4, 17, BH_EVENT_CAP, BH_NOBODY);
    expect_entry(5, 18, BH_EVENT_DOMAIN, 0);
    expect_entry(6, 18, BH_EVENT_DOMAIN, 1);
    expect_entry(7, 18, BH_EVENT_START, 0);
    expect_entry(8, 18, BH_EVENT_START, 1);
    expect_entry(9, 18, BH_EVENT_CAP, BH_NOBODY);
    assert_null(tis_model.violation);
}

static void everything_is_measured_in_its_order(void **state)
{
    uint8_t digest[BH_DIGEST];

    (void)state;
    boot(NULL);
    expect_measured(1);
    crypto_hash_sha256(digest, (const uint8_t *)core, sizeof core);
    assert_memory_equal(entries[0].body, digest, BH_DIGEST);
    assert_memory_equal(entries[1].body, "\3\0\0\0\4\0\0\0a boot's number.", 24);
    assert_memory_equal(log_boot_id(), "a boot's number.", 16);
    assert_memory_equal(entries[2].body, &origin.event, sizeof origin.event);
    assert_memory_equal(entries[3].body, &smm, sizeof smm);
    assert_string_equal((const char *)entries[6].body, "vault");
    assert_ptr_equal(log_policy(), &sample.header);
    assert_non_null(strstr(console_text, "attest: TPM at locality 2, banks sha256\n"));
    assert_non_null(strstr(console_text, "attest: not enrolled\n"));
    assert_false(log_is_enrolled());
}

static void every_bank_is_in_the_log(void **state)
{
    (void)state;
    boot_tpm.has_sha1 = true;
    boot(NULL);
    expect_measured(2);
    assert_non_null(strstr(console_text, "banks sha1 sha256\n"));
}

static void the_console_shows_what_the_tpm_holds(void **state)
{
    char line[128], value[65];

    (void)state;
    boot(NULL);
    for (uint32_t pcr = 17; pcr <= 18; pcr++) {
        sodium_bin2hex(value, sizeof value, boot_tpm.pcr[pcr], 32);
        snprintf(line, sizeof line, "attest: PCR %u %s\n", pcr, value);
        assert_non_null(strstr(console_text, line));
    }
}

static void a_command_line_is_measured_to_its_end(void **state)
{
    struct bh_event_start start;
    uint8_t digest[BH_DIGEST];

    (void)state;
    strcpy(sample.domain[SAMPLE_WORK].cmdline, "console=ttyS1");
    boot(NULL);
    expect_measured(1);
    memcpy(&start, entries[7].body, sizeof start);
    crypto_hash_sha256(digest, (const uint8_t *)"console=ttyS1", 13);
    assert_memory_equal(start.cmdline, digest, BH_DIGEST);
}

/* Failures */

static void expect_none(const char *cause)
{
    char line[256];

    sample.header.attest = BH_ATTEST_OPTIONAL;
    console_clear();
    boot(NULL);
    snprintf(line, sizeof line, "attest: none: %s", cause);
    if (!strstr(console_text, line))
        fail_msg("expected \"%s\", got \"%s\"", line, console_text);
    assert_false(log_is_on());
    assert_false(tis_model.is_active);
    assert_null(tis_model.violation);
}

/* Required: stops with cause and remedy; optional: goes on, and says that it has no proof. */
static void expect_required_and_optional(void (*damage)(void), const char *cause)
{
    fresh(NULL);
    damage();
    expect_fatal(boot, NULL, cause);
    fresh(NULL);
    damage();
    expect_none(cause);
}

static void no_table(void)
{
    tis_model.tpm2_size = 0;
}

static void crb(void)
{
    tis_model.start_method = 7;
}

static void absent(void)
{
    tis_model.is_absent = true;
}

static void no_locality(void)
{
    tis_model.refuses_locality = true;
}

static void mute(void)
{
    tis_model.is_mute = true;
}

static void no_sha256(void)
{
    boot_tpm.has_no_sha256 = true;
    boot_tpm.has_sha1 = true;
}

static void flip(void)
{
    boot_tpm.flips = true;
}

static void a_tpm_that_cannot_be_used(void **state)
{
    (void)state;
    expect_required_and_optional(no_table, "there is no TPM 2: ACPI table TPM2");
    expect_required_and_optional(crb, "the TPM has no FIFO interface");
    expect_required_and_optional(absent, "no TPM answers at its address: TPM2_GetCapability, 0xff");
    expect_required_and_optional(no_locality, "the TPM doesn't grant locality 2");
    expect_required_and_optional(mute, "the TPM doesn't answer a command in time");
    expect_required_and_optional(no_sha256, "the TPM's PCR banks can't be used");
    expect_required_and_optional(flip, "the TPM's response is malformed: TPM2_PCR_Event");
}

static uint32_t failing, after;

static void refuse(void)
{
    boot_tpm.fails = failing;
    boot_tpm.skips = after;
    boot_tpm.code = 0x101;
}

static void garble(void)
{
    refuse();
    boot_tpm.garbles = true;
}

/* Every command of a boot fails in turn, and every response is nonsense in turn. */
static void every_command_may_fail(void **state)
{
    const struct {
        uint32_t code;
        uint32_t times; /* a boot runs it */
        const char *name;
    } commands[] = {{0x17a, 1, "TPM2_GetCapability"}, {0x13c, 10, "TPM2_PCR_Event"},
                    {0x181, 1, "TPM2_ReadClock"},     {0x17b, 1, "TPM2_GetRandom"},
                    {0x173, 1, "TPM2_ReadPublic"},    {0x169, 3, "TPM2_NV_ReadPublic"},
                    {0x17e, 2, "TPM2_PCR_Read"}};

    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char refused[128], malformed[128];

        snprintf(refused, sizeof refused, "the TPM fails a command: %s, 0x101", commands[i].name);
        snprintf(malformed, sizeof malformed, "the TPM's response is malformed: %s",
                 commands[i].name);
        failing = commands[i].code;
        for (after = 0; after < commands[i].times; after++) {
            expect_required_and_optional(refuse, refused);
            if (failing != 0x173 && failing != 0x169) /* there is nothing to be read */
                expect_required_and_optional(garble, malformed);
        }
    }
}

static void nothing_more_is_measured_after_a_failure(void **state)
{
    (void)state;
    failing = 0x13c;
    after = 3;
    refuse();
    expect_none("the TPM fails a command: TPM2_PCR_Event");
    assert_int_equal(tis_model.commands, 7);
}

static const uint8_t trust[32] = {1, 2, 3, 4, 5};

static void an_enrolled_machine_runs_what_is_new_enough(void **state)
{
    const uint64_t oldest[] = {0, 4, 5};

    (void)state;
    for (int i = 0; i < 3; i++) {
        fresh(NULL);
        boot_tpm_enrol(1000 + oldest[i], 1000, trust);
        boot(NULL);
        expect_measured(1);
        assert_true(log_is_enrolled());
        assert_int_equal(log_counter_lag(), 5 - oldest[i]);
    }
    assert_non_null(strstr(console_text, "attest: enrolled, oldest version 5\n"));
}

/* Whatever the policy says of attestation. */
static void expect_stop(const char *cause)
{
    for (uint32_t attest = BH_ATTEST_REQUIRED; attest <= BH_ATTEST_OPTIONAL; attest++) {
        sample.header.attest = attest;
        expect_fatal(boot, NULL, cause);
    }
}

static void older_policies_and_leaps_are_refused(void **state)
{
    (void)state;
    boot_tpm_enrol(1006, 1000, trust);
    expect_stop("rollback of the policy: version 5, while this machine has run version 6");
    sample.header.version = 6 + BH_VERSION_STEP_MAX + 1;
    expect_stop("the policy's version 263 is too far ahead of 6, which this machine has run");
    boot_tpm_enrol(999, 1000, trust);
    expect_stop("the TPM's enrolment makes no sense: counter 999, base 1000");
}

static void another_key_is_refused(void **state)
{
    (void)state;
    boot_tpm_enrol(5, 0, trust);
    boot_tpm.nv[2].value[31] ^= 1;
    expect_stop("trust.pub isn't the key that this machine was enrolled with");
}

/* The key and three indices: there are fourteen ways to lose some of them, not all. */
static void an_enrolment_that_lacks_a_part_is_refused(void **state)
{
    (void)state;
    for (uint32_t there = 1; there < 15; there++) {
        fresh(NULL);
        boot_tpm_enrol(5, 0, trust);
        boot_tpm.has_key = there & 1;
        for (int i = 0; i < 3; i++)
            boot_tpm.nv[i].is_there = there >> (1 + i) & 1;
        expect_stop("part of the TPM's enrolment is missing");
    }
}

/* Each bit of each attribute, the policy, the sizes, and what names it. */
static void an_index_that_somebody_else_could_write_is_refused(void **state)
{
    const char *cause = "the TPM's enrolment was tampered with or isn't complete";

    (void)state;
    for (int i = 0; i < 3; i++) {
        for (uint32_t way = 0; way < BOOT_TPM_FORGERIES; way++) {
            fresh(NULL);
            boot_tpm_enrol(5, 0, trust);
            boot_tpm_forge(&boot_tpm.nv[i], way);
            expect_stop(cause);
        }
    }
}

static void reading_an_index_may_fail(void **state)
{
    (void)state;
    for (after = 0; after < 3; after++) {
        fresh(NULL);
        boot_tpm_enrol(5, 0, trust);
        failing = 0x14e;
        refuse();
        expect_fatal(boot, NULL, "the TPM fails a command: TPM2_NV_Read");
        garble();
        expect_fatal(boot, NULL, "the TPM's response is malformed: TPM2_NV_Read");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(everything_is_measured_in_its_order, fresh),
        cmocka_unit_test_setup(every_bank_is_in_the_log, fresh),
        cmocka_unit_test_setup(the_console_shows_what_the_tpm_holds, fresh),
        cmocka_unit_test_setup(a_command_line_is_measured_to_its_end, fresh),
        cmocka_unit_test_setup(a_tpm_that_cannot_be_used, fresh),
        cmocka_unit_test_setup(every_command_may_fail, fresh),
        cmocka_unit_test_setup(nothing_more_is_measured_after_a_failure, fresh),
        cmocka_unit_test_setup(an_enrolled_machine_runs_what_is_new_enough, fresh),
        cmocka_unit_test_setup(older_policies_and_leaps_are_refused, fresh),
        cmocka_unit_test_setup(another_key_is_refused, fresh),
        cmocka_unit_test_setup(an_enrolment_that_lacks_a_part_is_refused, fresh),
        cmocka_unit_test_setup(an_index_that_somebody_else_could_write_is_refused, fresh),
        cmocka_unit_test_setup(reading_an_index_may_fail, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
