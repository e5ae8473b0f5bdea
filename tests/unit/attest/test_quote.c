/* Checks 1 to 8 on made-up evidence: each decides by itself. */
#include "verdicts.h"

#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>

#include "tools/attest/sha256.h"

/* Check 1. */
static void every_prefix_is_malformed(void **state)
{
    struct machine *machine = begin();
    size_t whole;

    (void)state;
    finish(machine);
    whole = machine->evidence_size;
    for (size_t size = 0; size < whole; size++) {
        uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees reads beyond */
        struct appraisal in = {.size = size};

        memcpy(exact, machine->evidence, size);
        in.evidence = exact;
        assert_int_equal(appraise(&in, &machine->result), EXIT_EVIDENCE);
        assert_int_equal(machine->result.finding[0].code, CODE_E101);
        free(exact);
    }
    drop(machine);
}

static void every_flipped_bit_is_rejected(void **state)
{
    struct machine *machine = begin();

    (void)state;
    finish(machine);
    for (size_t bit = 0; bit < 8 * machine->evidence_size; bit++) {
        machine->evidence[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(machine_appraise(machine) >= EXIT_EVIDENCE);
        assert_int_equal(machine->result.domains, 0);
        machine->evidence[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(machine_appraise(machine), EXIT_AFFIRMING);
    drop(machine);
}

static void something_behind_evidence_is_malformed(void **state)
{
    struct machine *machine = begin();

    (void)state;
    finish(machine);
    machine->evidence[machine->evidence_size++] = 0;
    machine_appraise(machine);
    rejected(machine, CODE_E101);
}

/* Check 2. */
static void not_enrolled(void **state)
{
    struct machine *machine;

    (void)state;
    REJECTED(strcpy(machine->record.fault, "signed by nobody"), CODE_E201);
    REJECTED(machine->record.is_revoked = true, CODE_E201);
    REJECTED(machine->record.expires = MACHINE_NOW, CODE_E201);
    REJECTED(machine->record.issued = MACHINE_NOW + 1, CODE_E201);
    REJECTED(machine->record.ak_public[80] ^= 1, CODE_E201);
    REJECTED(machine->record.ak_public_size--, CODE_E201);
    REJECTED(machine->record.is_pinned = false, CODE_E201);
    REJECTED(machine->without_ueid = true, CODE_E201);
}

static void another_machines_record(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine_extend(machine);
    machine_quote(machine);
    machine_encode(machine);
    machine->record.ueid[5] ^= 1;
    machine_appraise(machine);
    rejected(machine, CODE_E201);
}

static void no_record_is_not_enrolled(void **state)
{
    struct machine *machine = begin();
    struct appraisal in;

    (void)state;
    finish(machine);
    in = (struct appraisal){.evidence = machine->evidence, .size = machine->evidence_size};
    appraise(&in, &machine->result);
    rejected(machine, CODE_E201);
}

/* Check 3: the key's public area, altered alike in record and evidence. */
static void keys_usable_outside_core(void **state)
{
    static const struct {
        size_t at;
        uint8_t flip;
    } changes[] = {
        {1, 0x22},  /* RSA */
        {3, 0x07},  /* nameAlg */
        {4, 0x01},  /* a reserved attribute */
        {5, 0x01},  /* restricted */
        {5, 0x02},  /* decrypt */
        {5, 0x04},  /* sign */
        {6, 0x04},  /* noDA */
        {7, 0x02},  /* fixedTPM */
        {7, 0x04},  /* stClear */
        {7, 0x10},  /* fixedParent */
        {7, 0x20},  /* sensitiveDataOrigin */
        {7, 0x40},  /* userWithAuth */
        {9, 0x01},  /* the policy's size */
        {10, 0x01}, /* the policy */
        {43, 0x01}, /* symmetric */
        {45, 0x02}, /* scheme */
        {47, 0x01}, /* its hash */
        {49, 0x07}, /* curve */
        {51, 0x01}, /* key derivation */
        {53, 0x01}, /* x's size */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct machine *machine = begin();

        machine->ak[changes[i].at] ^= changes[i].flip;
        machine->record.ak_public[changes[i].at] ^= changes[i].flip;
        sha256(machine->ak, machine->ak_size, machine->record.ak_name + 2);
        finish(machine);
        rejected(machine, CODE_E202);
    }
}

static void a_key_of_another_name(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->record.ak_name[10] ^= 1;
    finish(machine);
    rejected(machine, CODE_E202);
}

static void a_key_off_the_curve(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->record.ak = NULL;
    finish(machine);
    rejected(machine, CODE_E202);
}

/* Checks 4 to 8: a change of TPMS_ATTEST, signed. */
static void changed_attest(size_t at, uint8_t flip, size_t longer, enum code code)
{
    struct machine *machine = begin();

    machine_extend(machine);
    machine_quote(machine);
    machine->attest[at] ^= flip;
    machine->attest_size += longer;
    machine->claims.attest.size += longer;
    machine_sign(machine);
    machine_encode(machine);
    machine_appraise(machine);
    rejected(machine, code);
}

enum {
    EXTRA_DATA = 44,
    SAFE = 92,
    FIRMWARE = 93,
    BANKS = 101,
    BANK = 105,
    SELECT = 107,
    DIGEST = 113
};

static void what_is_no_quote(void **state)
{
    (void)state;
    changed_attest(0, 0x01, 0, CODE_E301);
    changed_attest(5, 0x01, 0, CODE_E301);      /* TPM_ST_ATTEST_TIME */
    changed_attest(0, 0x00, 1, CODE_E301);      /* a byte behind it */
    changed_attest(7, 0x80, 0, CODE_E301);      /* the signer's size */
    changed_attest(SAFE, 0x02, 0, CODE_E301);   /* neither YES nor NO */
    changed_attest(BANKS, 0xff, 0, CODE_E301);  /* FF000001h banks */
    changed_attest(SELECT, 0xfc, 0, CODE_E301); /* 255 bytes of selection */
    changed_attest(DIGEST - 2, 0x80, 0, CODE_E301);
}

static void signatures_of_another_form(void **state)
{
    static const struct {
        size_t at;
        uint8_t flip;
        size_t longer;
    } changes[] = {{1, 0x0c, 0}, {3, 0x0f, 0},  {4, 0xff, 0},
                   {5, 0x01, 0}, {39, 0x20, 0}, {0, 0, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct machine *machine = begin();

        machine_extend(machine);
        machine_quote(machine);
        machine->signature[changes[i].at] ^= changes[i].flip;
        machine->claims.signature.size += changes[i].longer;
        machine_encode(machine);
        machine_appraise(machine);
        rejected(machine, CODE_E301);
    }
}

static void bad_signature(void (*change)(struct machine *machine))
{
    struct machine *machine = begin();

    machine_extend(machine);
    machine_quote(machine);
    change(machine);
    machine_encode(machine);
    machine_appraise(machine);
    assert_int_equal(machine->asked_for_nonce, 0); /* nobody burns nonces without the key */
    rejected(machine, CODE_E302);
}

static void r_of_0(struct machine *machine)
{
    memset(machine->signature + 6, 0, 32);
}

static void s_of_0(struct machine *machine)
{
    memset(machine->signature + 40, 0, 32);
}

static void r_above_n(struct machine *machine)
{
    memset(machine->signature + 6, 0xff, 32);
}

static void s_above_n(struct machine *machine)
{
    memset(machine->signature + 40, 0xff, 32);
}

static void flipped(struct machine *machine)
{
    machine->signature[45] ^= 1;
}

static void anothers(struct machine *machine)
{
    EVP_PKEY *own = machine->key;

    machine->key = EVP_EC_gen("P-256");
    machine_sign(machine);
    EVP_PKEY_free(machine->key);
    machine->key = own;
}

static void bad_signatures(void **state)
{
    (void)state;
    bad_signature(r_of_0);
    bad_signature(s_of_0);
    bad_signature(r_above_n);
    bad_signature(s_above_n);
    bad_signature(flipped);
    bad_signature(anothers);
}

static void nonces_that_are_not_fresh(void **state)
{
    static const enum nonce_verdict verdicts[] = {NONCE_UNKNOWN, NONCE_USED, NONCE_EXPIRED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct machine *machine = begin();

        machine->nonce = verdicts[i];
        finish(machine);
        rejected(machine, CODE_E401);
    }
}

static void without_a_store_no_nonce_is_ours(void **state)
{
    struct machine *machine = begin();
    struct appraisal in;

    (void)state;
    finish(machine);
    in = (struct appraisal){.evidence = machine->evidence,
                            .size = machine->evidence_size,
                            .record = &machine->record,
                            .reference = &machine->reference,
                            .rules = &machine->rules,
                            .now = MACHINE_NOW};
    appraise(&in, &machine->result);
    rejected(machine, CODE_E401);
}

/* What was signed is that of other parts. */
static void parts_that_are_not_bound(void **state)
{
    struct machine *machine;

    (void)state;
    changed_attest(EXTRA_DATA, 0x01, 0, CODE_E303);
#define CASE(change)           \
    machine = begin();         \
    machine_extend(machine);   \
    machine_quote(machine);    \
    change;                    \
    machine_encode(machine);   \
    machine_appraise(machine); \
    rejected(machine, CODE_E303)
    CASE(machine->claims.asked.nonce[0] ^= 1);
    CASE(machine->claims.asked.verifier_x25519[0] ^= 1);
    CASE(machine->claims.asked.domain_x25519[31] ^= 1);
    CASE(machine->claims.asked.reference[0] ^= 1);
    CASE(machine->claims.domain ^= 1);
    CASE(machine->log[40] ^= 1);
    CASE(machine->reported[10] ^= 1);
#undef CASE
}

static void other_pcrs(void **state)
{
    (void)state;
    changed_attest(BANK + 1, 0x0f, 0, CODE_E304);   /* SHA-1 */
    changed_attest(SELECT + 1, 0x01, 0, CODE_E304); /* without PCR 0 */
    changed_attest(SELECT + 3, 0x10, 0, CODE_E304); /* with PCR 20 */
}

/* The same PCRs, in as many bytes as the TPM that core asks doesn't use. */
static void another_size_of_selection(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine->select_size = 4;
    finish(machine);
    rejected(machine, CODE_E304);
}

static void other_values(void **state)
{
    struct machine *machine = begin();

    (void)state;
    changed_attest(DIGEST, 0x01, 0, CODE_E305);
    machine_extend(machine);
    machine_quote(machine);
    machine->values[0][0] ^= 1;
    machine_encode(machine);
    machine_appraise(machine);
    rejected(machine, CODE_E305);
}

static void a_value_left_out(void **state)
{
    struct machine *machine = begin();

    (void)state;
    machine_extend(machine);
    machine_quote(machine);
    machine->claims.pcrs &= ~(1u << 19);
    machine_encode(machine);
    machine_appraise(machine);
    rejected(machine, CODE_E305);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_is_malformed),
        cmocka_unit_test(every_flipped_bit_is_rejected),
        cmocka_unit_test(something_behind_evidence_is_malformed),
        cmocka_unit_test(not_enrolled),
        cmocka_unit_test(another_machines_record),
        cmocka_unit_test(no_record_is_not_enrolled),
        cmocka_unit_test(keys_usable_outside_core),
        cmocka_unit_test(a_key_of_another_name),
        cmocka_unit_test(a_key_off_the_curve),
        cmocka_unit_test(what_is_no_quote),
        cmocka_unit_test(signatures_of_another_form),
        cmocka_unit_test(bad_signatures),
        cmocka_unit_test(nonces_that_are_not_fresh),
        cmocka_unit_test(without_a_store_no_nonce_is_ours),
        cmocka_unit_test(parts_that_are_not_bound),
        cmocka_unit_test(other_pcrs),
        cmocka_unit_test(another_size_of_selection),
        cmocka_unit_test(other_values),
        cmocka_unit_test(a_value_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
