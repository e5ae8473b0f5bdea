/* smm_take() on a model of CPUs and chipset: wherever SMBASE was, no SMI runs foreign code after.
 */
#include <string.h>

#include <sodium.h>

#include "bulkhead/evidence.h"
#include "core/audit/audit.h"
#include "core/smm_container/handlers.h"
#include "core/smm_container/smm.h"
#include "models/console_model.h"
#include "models/smm_model.h"
#include "testing.h"

#define SEABIOS 0x0a /* its SMRAM register: on, not open, not locked */
#define OVMF    0x02 /* off */
#define LOCKED  0x1a

static struct bh_event_smm found; /* what smm_take() tells */

static uint8_t *at(uint32_t address)
{
    return (uint8_t *)(uint64_t)address;
}

static void expect_code(uint32_t base)
{
    assert_memory_equal(at(base + SMM_ENTRY), smm_stub, (size_t)(smm_stub_end - smm_stub));
}

static uint32_t count_of(uint32_t cpu)
{
    return at(smm_model.smbase[cpu] + SMM_ENTRY)[STUB_COUNT];
}

/* Each CPU alone on a stub that counts and returns, its state-save area touching nobody's code. */
static void expect_stubs(uint32_t cpus)
{
    uint32_t before[SMM_MODEL_CPUS];

    for (uint32_t i = 0; i < cpus; i++) {
        expect_code(smm_model.smbase[i]);
        before[i] = count_of(i);
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(smm_model.smbase[i], smm_model.smbase[j]);
    }
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < cpus; i++)
            smm_model_smi(i);
    for (uint32_t i = 0; i < cpus; i++) {
        expect_code(smm_model.smbase[i]);
        assert_int_equal(count_of(i), before[i] + 3);
    }
}

static void expect_taken(uint32_t cpus)
{
    console_clear();
    smm_take(&found);
    if (smm_model.violation)
        fail_msg("%s", smm_model.violation);
    expect_stubs(cpus);
    assert_int_equal(smm_model_register(), LOCKED);
    assert_true(smm_model_is_restored());
    assert_null(smm_model.violation);
}

static const uint8_t no_digest[BH_DIGEST];

/* That of the handler which the model has in SMRAM, entry to state-save area. */
static void expect_digest_of_firmware(void)
{
    static uint8_t handler[SMM_SAVE - SMM_ENTRY];
    uint8_t digest[BH_DIGEST];

    for (uint32_t i = 0; i < sizeof handler; i++)
        handler[i] = smm_model_pattern(SMM_ENTRY + i);
    crypto_hash_sha256(digest, handler, sizeof handler);
    assert_memory_equal(found.sha256, digest, BH_DIGEST);
}

static void expect_no_digest(enum bh_smm_mode mode)
{
    assert_int_equal(found.mode, mode);
    assert_memory_equal(found.sha256, no_digest, BH_DIGEST);
}

static void cpus_that_seabios_moved_are_taken(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_SMRAM, SEABIOS);
    expect_taken(2);
    assert_string_equal(console_text, "SMM: 2 CPUs relocated, SMRAM locked\n");
    assert_int_equal(found.mode, BH_SMM_REPLACED);
    expect_digest_of_firmware();
}

static void cpus_at_the_reset_base_are_taken(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_RESET, OVMF);
    expect_taken(2);
    assert_string_equal(console_text, "SMM: 2 CPUs relocated, SMRAM locked\n");
    expect_no_digest(BH_SMM_NONE);
}

static void cpus_that_differ_are_taken(void **state)
{
    (void)state;
    smm_model_make(4, SMBASE_SMRAM, SEABIOS);
    smm_model.smbase[1] = SMBASE_RESET;
    smm_model.smbase[3] = SMBASE_RESET;
    expect_taken(4);
    assert_int_equal(found.mode, BH_SMM_REPLACED);
    expect_digest_of_firmware();
}

static void as_many_cpus_as_core_knows_are_taken(void **state)
{
    (void)state;
    smm_model_make(SMM_MODEL_CPUS, SMBASE_SMRAM, SEABIOS);
    expect_taken(SMM_MODEL_CPUS);
    assert_string_equal(console_text, "SMM: 16 CPUs relocated, SMRAM locked\n");
}

static void smram_that_was_left_open_is_closed(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_SMRAM, 0x4a);
    expect_taken(2);
}

/* What firmware had there can't be run by mistake any more. */
static void no_firmware_handler_is_left_in_smram(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_SMRAM, SEABIOS);
    expect_taken(2);
    smm_model.smbase[1] = SMBASE_SMRAM; /* as if the CPU went back there */
    smm_model_smi(1);
    assert_null(smm_model.violation);
    assert_int_equal(smm_model.smbase[1], SMBASE_SMRAM);
}

static void locked_firmware_stays_and_core_says_so(void **state)
{
    (void)state;
    smm_model_make(2, SMM_MODEL_HIDDEN, LOCKED);
    console_clear();
    smm_take(&found);
    assert_null(smm_model.violation);
    assert_int_equal(smm_model.firmware_ran, 2);
    assert_int_equal(smm_model.smbase[0], SMM_MODEL_HIDDEN);
    assert_true(smm_model_is_restored());
    expect_no_digest(BH_SMM_FIRMWARE);
    assert_string_equal(console_text, "SMM: 0 CPUs relocated, 2 native: their SMI handler is the "
                                      "firmware's, which has locked it\n");
}

/* A firmware that locked SMRAM may all the same have forgotten a CPU at 30000h. */
static void a_cpu_that_locked_firmware_forgot_is_taken(void **state)
{
    (void)state;
    smm_model_make(2, SMM_MODEL_HIDDEN, LOCKED);
    smm_model.smbase[1] = SMBASE_RESET;
    console_clear();
    smm_take(&found);
    assert_null(smm_model.violation);
    expect_code(smm_model.smbase[1]);
    expect_no_digest(BH_SMM_FIRMWARE);
    assert_non_null(strstr(console_text, "SMM: 1 CPUs relocated, 1 native"));
}

/* OVMF with SMM hides 30000h as well: then there is nothing to find, and its handler, which waits
 * for all CPUs, isn't called without need. */
static void no_smi_is_sent_where_nothing_can_be_planted(void **state)
{
    (void)state;
    smm_model_make(2, SMM_MODEL_HIDDEN, LOCKED);
    smm_model.hides_reset_base = true;
    console_clear();
    smm_take(&found);
    assert_int_equal(smm_model.firmware_ran, 0);
    assert_non_null(strstr(console_text, "0 CPUs relocated, 2 native"));
}

static void on_an_unknown_chipset_the_reset_base_is_taken(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_RESET, SEABIOS);
    smm_model_forget_chipset();
    console_clear();
    smm_take(&found);
    assert_null(smm_model.violation);
    expect_stubs(2);
    assert_int_equal(smm_model_register(), SEABIOS); /* not a register of that chipset */
    assert_string_equal(console_text, "SMM: 2 CPUs relocated, SMRAM left alone: unknown chipset\n");
}

static void amds_own_lock_counts(void **state)
{
    (void)state;
    smm_model_make(2, SMM_MODEL_HIDDEN, SEABIOS);
    smm_model_forget_chipset();
    smm_model.is_amd_locked = true;
    console_clear();
    smm_take(&found);
    assert_non_null(strstr(console_text, "0 CPUs relocated, 2 native"));
    assert_true(audit_smis().count == BH_SMIS_HIDDEN);
}

/* What stops the machine */

static void take(void *argument)
{
    (void)argument;
    smm_take(&found);
}

static void a_handler_that_nothing_protects_stops_the_machine(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_RESET, SEABIOS);
    smm_model.smbase[1] = SMM_MODEL_HIDDEN;
    expect_fatal(take, NULL,
                 "SMM: 1 CPUs keep the firmware's SMI handler, and nothing protects it");
    smm_model_make(2, SMM_MODEL_HIDDEN, SEABIOS);
    smm_model_forget_chipset();
    expect_fatal(take, NULL, "SMM: 2 CPUs keep the firmware's SMI handler");
}

static void a_cpu_that_does_not_move_stops_the_machine(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_RESET, SEABIOS);
    smm_model.ignores_relocation = true;
    expect_fatal(take, NULL, "SMM: CPU 0 didn't go to its new SMI handler");
}

static void a_lock_that_is_ignored_stops_the_machine(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_SMRAM, SEABIOS);
    smm_model.lock_is_ignored = true;
    expect_fatal(take, NULL, "SMM: SMRAM can't be locked, register 9d holds a");
}

static void a_lock_that_opens_again_stops_the_machine(void **state)
{
    (void)state;
    smm_model_make(2, SMBASE_SMRAM, SEABIOS);
    smm_model.opens_though_locked = true;
    expect_fatal(take, NULL, "SMM: SMRAM can't be locked");
}

/* 16 stubs: entries and state-save areas of all CPUs against each other, byte by byte. */
static void no_save_area_lies_on_an_entry(void **state)
{
    static uint8_t used[STUBS_SIZE(SMM_MODEL_CPUS)];

    (void)state;
    for (uint32_t cpu = 0; cpu < SMM_MODEL_CPUS; cpu++) {
        uint32_t entry = cpu * SMM_SPACING, save = entry + SMM_SAVE - SMM_ENTRY;

        for (uint32_t i = 0; i < STUB_COUNT + 4; i++)
            assert_int_equal(used[entry + i]++, 0);
        for (uint32_t i = 0; i < SMM_SAVE_END - SMM_SAVE; i++)
            assert_int_equal(used[save + i]++, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_that_seabios_moved_are_taken),
        cmocka_unit_test(cpus_at_the_reset_base_are_taken),
        cmocka_unit_test(cpus_that_differ_are_taken),
        cmocka_unit_test(as_many_cpus_as_core_knows_are_taken),
        cmocka_unit_test(smram_that_was_left_open_is_closed),
        cmocka_unit_test(no_firmware_handler_is_left_in_smram),
        cmocka_unit_test(locked_firmware_stays_and_core_says_so),
        cmocka_unit_test(a_cpu_that_locked_firmware_forgot_is_taken),
        cmocka_unit_test(no_smi_is_sent_where_nothing_can_be_planted),
        cmocka_unit_test(on_an_unknown_chipset_the_reset_base_is_taken),
        cmocka_unit_test(amds_own_lock_counts),
        cmocka_unit_test(a_handler_that_nothing_protects_stops_the_machine),
        cmocka_unit_test(a_cpu_that_does_not_move_stops_the_machine),
        cmocka_unit_test(a_lock_that_is_ignored_stops_the_machine),
        cmocka_unit_test(a_lock_that_opens_again_stops_the_machine),
        cmocka_unit_test(no_save_area_lies_on_an_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
