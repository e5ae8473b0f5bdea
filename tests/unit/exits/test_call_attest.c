/* The hypercalls for evidence: who may make them, and which memory they read and write. */
#include <string.h>

#include "bulkhead/abi.h"
#include "core/audit/audit.h"
#include "models/console_model.h"
#include "models/quote_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define OWN       0x20000ull /* two pages of the caller's own, then ROM, a device, nothing */
#define READ_ONLY (OWN + 0x2000)
#define DEVICE    (OWN + 0x3000)

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    quote_model = (struct quote_model){0};
    image_model.domain[WORK].rights = BH_RIGHT_ATTEST;
    image_model.domain[VAULT].rights = BH_RIGHT_LOG | BH_RIGHT_USERCALL;
    memory_model_map(OWN, 0x2000, MODEL_RAM);
    memory_model_map(READ_ONLY, 0x1000, MODEL_ROM);
    memory_model_map(DEVICE, 0x1000, MODEL_MMIO);
    work = vcpu_model_init(WORK);
    return 0;
}

static int64_t call(struct vcpu *vcpu, enum bh_call number, uint64_t rdi, uint64_t rsi,
                    uint64_t rdx)
{
    vcpu_model_code(vcpu, 0, "0f 01 d9");
    vcpu->vmcb->rax = BH_CALL | (uint32_t)number;
    vcpu->gpr[RDI] = rdi;
    vcpu->gpr[RSI] = rsi;
    vcpu->gpr[RDX] = rdx;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_VMMCALL, 0, 0));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    assert_int_equal(vcpu->gpr[RDX], rdx);
    return (int64_t)vcpu->vmcb->rax;
}

static void put_request(uint64_t gpa)
{
    for (unsigned i = 0; i < sizeof(struct bh_attest_request); i++)
        *(uint8_t *)memory_model_at(gpa + i) = (uint8_t)(i + 1);
}

static void evidence_is_a_right(void **state)
{
    struct vcpu *vault = vcpu_model_init(VAULT);
    uint64_t denied = audit_count(VAULT, VIOLATION_CALL);

    (void)state;
    assert_int_equal(call(vault, BH_CALL_ATTEST_START, OWN, 128, 0), BH_E_DENIED);
    assert_int_equal(call(vault, BH_CALL_ATTEST_POLL, 0, 0, 0), BH_E_DENIED);
    assert_int_equal(call(vault, BH_CALL_ATTEST_READ, OWN, 1, 0), BH_E_DENIED);
    assert_int_equal(quote_model.calls, 0);
    assert_int_equal(audit_count(VAULT, VIOLATION_CALL), denied + 3);
}

/* Wherever the request lies, across two pages too, and by the caller's own index. */
static void the_request_is_read_as_it_stands(void **state)
{
    (void)state;
    for (unsigned before = 0; before <= 128; before += 32) {
        put_request(OWN + 0x1000 - before);
        quote_model = (struct quote_model){.index = 99};
        assert_int_equal(call(work, BH_CALL_ATTEST_START, OWN + 0x1000 - before, 128, 0), BH_OK);
        assert_int_equal(quote_model.calls, 1);
        assert_int_equal(quote_model.index, WORK);
        for (unsigned i = 0; i < 128; i++)
            assert_int_equal(((uint8_t *)&quote_model.asked)[i], i + 1);
    }
    assert_int_equal(call(work, BH_CALL_ATTEST_START, READ_ONLY, 128, 0), BH_OK);
}

static void bad_requests_are_errors(void **state)
{
    static const struct {
        uint64_t gpa, size;
        int64_t result;
    } rows[] = {
        {OWN, 0, BH_E_ARG},
        {OWN, 127, BH_E_ARG},
        {OWN, 129, BH_E_ARG},
        {OWN, 1ull << 32 | 128, BH_E_ARG},
        {OWN - 1, 128, BH_E_ADDRESS},
        {DEVICE, 128, BH_E_ADDRESS},
        {DEVICE - 127, 128, BH_E_ADDRESS}, /* its last byte alone */
        {DEVICE + 0x1000 - 64, 128, BH_E_ADDRESS},
        {0, 128, BH_E_ADDRESS},
        {UINT64_MAX - 127, 128, BH_E_ADDRESS},
        {UINT64_MAX - 63, 128, BH_E_ADDRESS}, /* wraps */
        {1ull << 48 | OWN, 128, BH_E_ADDRESS},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(call(work, BH_CALL_ATTEST_START, rows[i].gpa, rows[i].size, 0),
                         rows[i].result);
    assert_int_equal(quote_model.calls, 0);
}

static void results_are_passed_on(void **state)
{
    static const enum bh_result results[] = {BH_E_BUSY, BH_E_AGAIN, BH_E_TPM, BH_E_UNENROLLED};

    (void)state;
    for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        quote_model.result = results[i];
        assert_int_equal(call(work, BH_CALL_ATTEST_START, OWN, 128, 0), results[i]);
        assert_int_equal(work->gpr[RDI], OWN);
        assert_int_equal(call(work, BH_CALL_ATTEST_POLL, 5, 6, 0), results[i]);
        assert_int_equal(work->gpr[RDI], 5);
        assert_int_equal(call(work, BH_CALL_ATTEST_READ, OWN, 7, 0), results[i]);
        assert_int_equal(work->gpr[RDI], OWN);
        assert_int_equal(work->gpr[RSI], 7);
    }
}

static void a_poll_tells_the_size(void **state)
{
    (void)state;
    assert_int_equal(call(work, BH_CALL_ATTEST_POLL, 0, 0, 0), BH_OK);
    assert_int_equal(work->gpr[RDI], QUOTE_MODEL_SIZE);
}

static void assert_read(uint64_t gpa, uint64_t size, uint64_t offset, uint64_t expected)
{
    memset(memory_model_at(OWN), 0xee, 0x1000);
    memset(memory_model_at(OWN + 0x1000), 0xee, 0x1000);
    assert_int_equal(call(work, BH_CALL_ATTEST_READ, gpa, size, offset), BH_OK);
    assert_int_equal(work->gpr[RDI], expected);
    for (uint64_t at = OWN; at < OWN + 0x2000; at++) {
        uint8_t byte = *(uint8_t *)memory_model_at(at);

        assert_int_equal(
            byte, at >= gpa && at < gpa + expected ? quote_model_byte(offset + at - gpa) : 0xee);
    }
}

static void parts_are_copied_just_where_they_belong(void **state)
{
    (void)state;
    assert_read(OWN, 1, 0, 1);
    assert_read(OWN, 4096, 0, 4096);
    assert_read(OWN + 5, 4096, 100, 4096); /* two pages */
    assert_read(OWN + 0xfff, 2, 9000, 2);
    assert_read(OWN + 0x1fff, 1, 3, 1);
    assert_read(OWN, 4096, QUOTE_MODEL_SIZE - 10, 10);
    assert_read(OWN + 0xff6, 4096, QUOTE_MODEL_SIZE - 10, 10); /* ends with the page */
    assert_int_equal(call(work, BH_CALL_ATTEST_READ, OWN, 1, QUOTE_MODEL_SIZE), BH_E_ARG);
    assert_int_equal(call(work, BH_CALL_ATTEST_READ, OWN, 1, UINT64_MAX), BH_E_ARG);
    assert_int_equal(call(work, BH_CALL_ATTEST_READ, OWN + 0xfff, 9, UINT64_MAX), BH_E_ARG);
}

static void only_own_memory_is_written(void **state)
{
    static const struct {
        uint64_t gpa, size;
        int64_t result;
    } rows[] = {
        {OWN, 0, BH_E_ARG},
        {OWN, 4097, BH_E_ARG},
        {OWN, 1ull << 32 | 1, BH_E_ARG},
        {READ_ONLY, 1, BH_E_ADDRESS},
        {READ_ONLY - 1, 2, BH_E_ADDRESS},
        {DEVICE, 8, BH_E_ADDRESS},
        {OWN - 1, 1, BH_E_ADDRESS},
        {0, 8, BH_E_ADDRESS},
        {UINT64_MAX, 1, BH_E_ADDRESS},
        {1ull << 48 | OWN, 8, BH_E_ADDRESS},
        {0xffff000000000000 | OWN, 8, BH_E_ADDRESS},
    };
    uint64_t denied = audit_count(WORK, VIOLATION_CALL);
    uint8_t *device = memory_model_at(DEVICE), *constant = memory_model_at(READ_ONLY);

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(call(work, BH_CALL_ATTEST_READ, rows[i].gpa, rows[i].size, 1),
                         rows[i].result);
        denied += rows[i].result == BH_E_ADDRESS;
    }
    memory_model_leaf(0x30000, 0, 1, MODEL_RAM); /* machine page 0: core has none */
    assert_int_equal(call(work, BH_CALL_ATTEST_READ, 0x30000, 8, 1), BH_E_ADDRESS);
    assert_int_equal(audit_count(WORK, VIOLATION_CALL), denied + 1);
    for (unsigned i = 0; i < 0x1000; i++)
        assert_int_equal(device[i] | constant[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(evidence_is_a_right, start),
        cmocka_unit_test_setup(the_request_is_read_as_it_stands, start),
        cmocka_unit_test_setup(bad_requests_are_errors, start),
        cmocka_unit_test_setup(results_are_passed_on, start),
        cmocka_unit_test_setup(a_poll_tells_the_size, start),
        cmocka_unit_test_setup(parts_are_copied_just_where_they_belong, start),
        cmocka_unit_test_setup(only_own_memory_is_written, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
