/* Good evidence, and checks 11 to 13 and 15 on made-up machines: each decides by itself. */
#include "verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "tools/attest/sha256.h"

static void good_evidence_is_affirmed(void **state)
{
    struct machine *machine = begin();

    (void)state;
    finish(machine);
    assert_int_equal(machine->result.findings, 0);
    assert_int_equal(machine->result.checks, 15);
    assert_int_equal(machine->asked_for_nonce, 1);
    assert_int_equal(machine->result.domain[WORK].starts, 1);
    assert_memory_equal(machine->result.domain[VAULT].image, machine->file[IMAGE], BH_DIGEST);
    all_judged(machine, TIER_AFFIRMING, CODE_NONE, "");
}

/* Check 11. */
static void reset_or_resumed(void **state)
{
    struct machine *machine;

    (void)state;
    REJECTED(machine->safe = 0, CODE_E308);
    REJECTED(machine->reset_count++, CODE_E308);
    REJECTED(machine->restart_count++, CODE_E308);
    REJECTED(machine->firmware++, CODE_E308);
}

/* Check 12. */
static void reference_values_that_do_not_count(void **state)
{
    struct machine *machine;

    (void)state;
    REJECTED(strcpy(machine->reference.fault, "altered"), CODE_E501);
    REJECTED(machine->floor = machine->policy.version + 1, CODE_E501);
    REJECTED(machine->reference.profile = PROFILE_UNMEASURED, CODE_E501);
    REJECTED(memset(machine->asked.reference, 9, 32), CODE_E501);
    REJECTED(machine->without_reference = true, CODE_E501);
    machine = begin();
    machine->floor = machine->policy.version;
    memcpy(machine->asked.reference, machine->reference.id, 32);
    finish(machine);
    assert_true(machine->result.is_reference_good);
    all_judged(machine, TIER_AFFIRMING, CODE_NONE, "");
}

/* The ways to ask for part of the checks, or with nothing, affirm nothing. */
static void parts_of_the_checks(void **state)
{
    struct machine *machine = begin();
    struct appraisal in;

    (void)state;
    finish(machine);
    in = (struct appraisal){.evidence = machine->evidence, .size = machine->evidence_size};
    for (unsigned last = 12; last < 15; last++)
        assert_int_equal(appraise_until(&in, last, &machine->result), EXIT_INTERNAL);
    assert_int_equal(appraise_until(&in, 16, &machine->result), EXIT_INTERNAL);
    assert_int_equal(appraise_until(&in, 1, &machine->result), EXIT_AFFIRMING);
    assert_int_equal(machine->result.domains, 0);
    assert_int_equal(appraise_until(&in, 2, &machine->result), EXIT_ENROLMENT);
    drop(machine);
}

/* Check 13. */
static void other_firmware(void **state)
{
    static const unsigned pcrs[] = {0, 2, 4, 7};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct machine *machine = begin();

        machine->pcr[pcrs[i]][3] ^= 1;
        finish(machine);
        all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "firmware");
    }
}

static void other_settings_only_warn(void **state)
{
    static const unsigned pcrs[] = {1, 3, 5, 6};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct machine *machine = begin();

        machine->pcr[pcrs[i]][3] ^= 1;
        finish(machine);
        all_judged(machine, TIER_WARNING, CODE_W603, "settings");
    }
}

static void other_loader(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->pcr[8][3] ^= 1;
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "loader");
}

/* What it extends into 17 and 18 is genuine: PCR 9 names it. */
static void a_core_that_lies(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->pcr[9][3] ^= 1;
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "core");
}

/* It claims the genuine vault, but GRUB loaded another. */
static void a_core_that_hides_a_file(void **state)
{
    struct machine *machine = begin();

    (void)state;
    memset(machine->pcr[9], 0, BH_DIGEST);
    machine->file[IMAGE][0] ^= 1;
    for (size_t i = 0; i < MACHINE_FILES; i++)
        sha256_extend(machine->pcr[9], machine->file[i]);
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "core");
}

/* A domain runs core's own file. Another core claims its own digest for that domain, so that a
 * verifier who took it for core's place, too, would find PCR 9 explained. */
static void a_core_that_passes_for_a_domains_file(void **state)
{
    struct machine *machine = begin();

    (void)state;
    memcpy(machine->file[IMAGE], machine->file[CORE], BH_DIGEST);
    machine_measure(machine);
    machine_reference(machine);
    machine->file[CORE][0] ^= 1;
    machine_measure(machine);
    memcpy(machine->event[6].field + sizeof(struct bh_event) + sizeof(struct bh_event_domain) +
               offsetof(struct bh_event_file, sha256),
           machine->file[CORE], BH_DIGEST);
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "core");
}

static void measure_again(struct machine *machine)
{
    memcpy(machine->policy.image, machine->file[POLICY], BH_DIGEST);
    memcpy(machine->policy.signature, machine->file[SIGNATURE], BH_DIGEST);
    machine_measure(machine);
    finish(machine);
}

static void another_vault_signed_by_the_owner(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->file[IMAGE][0] ^= 1;
    machine->file[POLICY][0] ^= 1;
    machine->file[SIGNATURE][0] ^= 1;
    measure_again(machine);
    only_vault(machine, CODE_C601);
}

static void another_policy(void **state)
{
    struct machine *machine;

    (void)state;
#define CASE(change)        \
    machine = begin();      \
    change;                 \
    measure_again(machine); \
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "policy")
    CASE(machine->policy.version++);
    CASE(machine->policy.version--);
    CASE(machine->policy.tables[0] ^= 1);
    CASE(machine->policy.author[0] ^= 1);
    CASE(machine->file[POLICY][0] ^= 1);
    CASE(machine->file[SIGNATURE][0] ^= 1);
#undef CASE
}

static void another_smm_handler(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->smm.mode = BH_SMM_REPLACED;
    machine->smm.sha256[0] = 1;
    measure_again(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "smm");
}

/* GRUB loaded the genuine core, which measured itself as another: no genuine core does. */
static void a_core_that_measures_itself_otherwise(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->event[0].field[sizeof(struct bh_event)] ^= 1;
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "core");
}

/* vault is gone, and another, of the same start, is there instead. */
static void another_domain(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->event[6].field[sizeof(struct bh_event)] = 'V';
    machine->domains[VAULT].name[0] = 'V';
    finish(machine);
    assert_int_equal(machine->result.domains, 3);
    judged(machine, WORK, TIER_AFFIRMING, CODE_NONE, "");
    judged(machine, VAULT, TIER_CONTRAINDICATED, CODE_C601, "Vault");
    judged(machine, 2, TIER_CONTRAINDICATED, CODE_C601, "vault");
    assert_true(machine->result.domain[VAULT].is_measured);
    assert_false(machine->result.domain[2].is_measured);
    drop(machine);
}

/* Reference values may say it, too. */
static void another_smm_handler_than_the_author_knew(void **state)
{
    for (unsigned same = 0; same <= 1; same++) {
        struct machine *machine = begin();
        struct reference_event *event = &machine->reference.event[2];

        (void)state;
        memcpy(event->field, machine->event[3].field, machine->event[3].size);
        event->size = machine->event[3].size;
        if (!same)
            event->field[sizeof(struct bh_event)] = BH_SMM_FIRMWARE;
        finish(machine);
        if (same)
            all_judged(machine, TIER_AFFIRMING, CODE_NONE, "");
        else
            all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "smm");
    }
}

static void a_vault_that_starts_otherwise(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->event[8].field[sizeof(struct bh_event) + 8] ^= 1;
    finish(machine);
    only_vault(machine, CODE_C601);
}

static void unmeasured(struct machine *machine)
{
    machine->record.profile = machine->reference.profile = PROFILE_UNMEASURED;
    memset(machine->pcr[8], 0, 2 * BH_DIGEST);
}

static void unmeasured_is_a_warning_at_best(void **state)
{
    struct machine *machine = begin();

    (void)state;
    unmeasured(machine);
    machine->rules.profile = PROFILE_UNMEASURED;
    finish(machine);
    all_judged(machine, TIER_WARNING, CODE_W603, "profile");

    machine = begin();
    unmeasured(machine);
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C602, "profile");

    machine = begin();
    unmeasured(machine);
    machine->pcr[9][0] = 1;
    finish(machine);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C601, "loader");
}

/* PCR 17 began at FF..FF: nothing launched core by SKINIT. */
static void ff_is_no_dynamic_launch(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->record.profile = PROFILE_DYNAMIC;
    finish(machine);
    rejected(machine, CODE_E306);
}

/* Check 15. */
static void work_was_denied_ports(void **state)
{
    struct machine *machine = begin();
    struct bh_event_violation violation = {.kind = 3};

    (void)state;
    machine_event(machine, BH_EVENT_VIOLATION, 19, WORK, &violation, sizeof(violation));
    machine->report.next++;
    machine->domains[WORK].violations[3] = 1000;
    machine->domains[WORK].last = 10;
    finish(machine);
    all_judged(machine, TIER_AFFIRMING, CODE_NONE, "");
}

static void vault_was_denied_ports(void **state)
{
    struct machine *machine = begin();
    struct bh_event_violation violation = {.kind = 3};

    (void)state;
    machine_event(machine, BH_EVENT_VIOLATION, 19, VAULT, &violation, sizeof(violation));
    machine->report.next++;
    machine->domains[VAULT].violations[3] = 1;
    machine->domains[VAULT].last = 10;
    finish(machine);
    only_vault(machine, CODE_C602);
}

static void vault_ended(void **state)
{
    struct bh_event_end end = {.exitcode = 0x400};

    (void)state;
    for (unsigned crashed = 0; crashed <= 1; crashed++) {
        struct machine *machine = begin();

        machine_event(machine, crashed ? BH_EVENT_CRASH : BH_EVENT_STOP, 19, VAULT, &end,
                      sizeof(end));
        machine->report.next++;
        machine->domains[VAULT].state = crashed ? BH_STATE_CRASHED : BH_STATE_STOPPED;
        machine->domains[VAULT].crashes = crashed;
        machine->domains[VAULT].last = 10;
        finish(machine);
        only_vault(machine, CODE_C602);
    }
}

static void a_domain_without_rules(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->rules.domain[VAULT].name[0] = 'V'; /* is named, but not there */
    finish(machine);
    assert_int_equal(machine->result.domains, 3);
    judged(machine, 2, TIER_CONTRAINDICATED, CODE_C602, "Vault");
    only_vault(machine, CODE_C602);
}

/* The other way round to no rules for a domain: no rules. */
static void no_rules_at_all(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->rules.domains = 0;
    finish(machine);
    judged(machine, WORK, TIER_CONTRAINDICATED, CODE_C602, "work");
    judged(machine, VAULT, TIER_CONTRAINDICATED, CODE_C602, "vault");
    machine->without_rules = true;
    assert_int_equal(machine_appraise(machine), EXIT_CONTRAINDICATED);
    all_judged(machine, TIER_CONTRAINDICATED, CODE_C602, "profile");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_evidence_is_affirmed),
        cmocka_unit_test(reset_or_resumed),
        cmocka_unit_test(reference_values_that_do_not_count),
        cmocka_unit_test(parts_of_the_checks),
        cmocka_unit_test(other_firmware),
        cmocka_unit_test(other_settings_only_warn),
        cmocka_unit_test(other_loader),
        cmocka_unit_test(a_core_that_lies),
        cmocka_unit_test(a_core_that_hides_a_file),
        cmocka_unit_test(a_core_that_passes_for_a_domains_file),
        cmocka_unit_test(another_vault_signed_by_the_owner),
        cmocka_unit_test(another_policy),
        cmocka_unit_test(another_smm_handler),
        cmocka_unit_test(another_smm_handler_than_the_author_knew),
        cmocka_unit_test(a_core_that_measures_itself_otherwise),
        cmocka_unit_test(another_domain),
        cmocka_unit_test(a_vault_that_starts_otherwise),
        cmocka_unit_test(unmeasured_is_a_warning_at_best),
        cmocka_unit_test(ff_is_no_dynamic_launch),
        cmocka_unit_test(work_was_denied_ports),
        cmocka_unit_test(vault_was_denied_ports),
        cmocka_unit_test(vault_ended),
        cmocka_unit_test(a_domain_without_rules),
        cmocka_unit_test(no_rules_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
