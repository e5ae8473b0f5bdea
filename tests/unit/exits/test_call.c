/* Hypercalls: who may make them, what garbage gets, and what the log reads. */
#include <string.h>

#include "bulkhead/abi.h"
#include "core/audit/audit.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define TEXT            0x20000ull /* two pages of the caller's own, then a device, then nothing */
#define READ_WRITE_RING (BH_CHANNEL_READ | BH_CHANNEL_WRITE | BH_CHANNEL_RING)

static struct vcpu *work, *vault;

/* Channel 1 is vault's own affair with work; in 0 and 2 vault is the first end. */
static int start(void **state)
{
    static const struct bh_channel channels[] = {
        {.size = 0x1000,
         .end = {{VAULT, BH_CHANNEL_READ, 0x1000}, {WORK, READ_WRITE_RING, 0x2000}}},
        {.size = 0x3000, .end = {{5, 0, 0}, {6, 0, 0}}},
        {.size = 0x4000,
         .end = {{WORK, BH_CHANNEL_WRITE, 0x3000}, {VAULT, READ_WRITE_RING, 0x5000}}},
        {.size = 0x5000, .end = {{7, READ_WRITE_RING, 0}, {WORK, READ_WRITE_RING, 0x6000}}},
    };

    (void)state;
    vcpu_model_reset();
    memcpy(image_model.channel, channels, sizeof(channels));
    image_model.header.channels.count = 4;
    image_model.domain[WORK].rights = BH_RIGHT_LOG;
    memory_model_map(TEXT, 0x2000, MODEL_RAM);
    memory_model_map(TEXT + 0x2000, 0x1000, MODEL_MMIO);
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    return 0;
}

static int64_t call_raw(struct vcpu *vcpu, uint64_t rax, uint64_t rdi, uint64_t rsi)
{
    vcpu_model_code(vcpu, 0, "0f 01 d9");
    vcpu->vmcb->rax = rax;
    vcpu->gpr[RDI] = rdi;
    vcpu->gpr[RSI] = rsi;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_VMMCALL, 0, 0));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    assert_int_equal(vcpu->vmcb->eventinj, 0);
    return (int64_t)vcpu->vmcb->rax;
}

static int64_t call(struct vcpu *vcpu, enum bh_call number, uint64_t rdi, uint64_t rsi)
{
    return call_raw(vcpu, BH_CALL | number, rdi, rsi);
}

static void the_version_is_told(void **state)
{
    (void)state;
    assert_int_equal(call(work, BH_CALL_VERSION, 0, 0), BH_ABI_VERSION);
}

static void numbers_of_no_call_are_errors(void **state)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       12,
                                       BH_CALLS,
                                       BH_CALL | BH_CALLS,
                                       BH_CALL | 0xffff,
                                       (BH_CALL - 0x10000) | BH_CALL_VERSION,
                                       (BH_CALL + 0x10000) | BH_CALL_VERSION,
                                       1ull << 32 | BH_CALL | BH_CALL_VERSION,
                                       1ull << 63 | BH_CALL | BH_CALL_VERSION,
                                       UINT64_MAX};
    uint64_t before = audit_count(WORK, VIOLATION_CALL);

    (void)state;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(call_raw(work, numbers[i], 5, 6), BH_E_CALL);
        assert_int_equal(work->gpr[RDI], 5);
        assert_int_equal(work->gpr[RSI], 6);
    }
    assert_int_equal(audit_count(WORK, VIOLATION_CALL),
                     before + sizeof(numbers) / sizeof(numbers[0]));
    assert_non_null(strstr(console_text, "work: denied hypercall at 0xffffffffffffffff"));
}

static void programs_call_only_where_the_policy_says_so(void **state)
{
    (void)state;
    for (uint8_t cpl = 1; cpl <= 3; cpl++) {
        vcpu_model_code(work, 0, "0f 01 d9");
        work->vmcb->cpl = cpl;
        work->vmcb->rax = BH_CALL | BH_CALL_VERSION;
        assert_true(vcpu_model_exit(work, SVM_EXIT_VMMCALL, 0, 0));
        assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_UD));
        assert_int_equal(work->vmcb->rip, MODEL_CODE);
        assert_int_equal(work->vmcb->rax, BH_CALL | BH_CALL_VERSION);
    }
    image_model.domain[WORK].rights = BH_RIGHT_USERCALL;
    assert_int_equal(call(work, BH_CALL_VERSION, 0, 0), BH_ABI_VERSION);
}

static void assert_channel(struct vcpu *vcpu, uint64_t n, uint64_t gpa, uint64_t size,
                           uint64_t rights)
{
    assert_int_equal(call(vcpu, BH_CALL_CHANNEL, n, 0), BH_OK);
    assert_int_equal(vcpu->gpr[RDI], gpa);
    assert_int_equal(vcpu->gpr[RSI], size);
    assert_int_equal(vcpu->gpr[RDX], rights);
}

static void each_end_sees_its_own_channels(void **state)
{
    (void)state;
    assert_channel(work, 0, 0x2000, 0x1000, READ_WRITE_RING);
    assert_channel(work, 1, 0x3000, 0x4000, BH_CHANNEL_WRITE);
    assert_channel(work, 2, 0x6000, 0x5000, READ_WRITE_RING);
    assert_channel(vault, 0, 0x1000, 0x1000, BH_CHANNEL_READ);
    assert_channel(vault, 1, 0x5000, 0x4000, READ_WRITE_RING);
}

static void other_channels_are_errors(void **state)
{
    static const uint64_t numbers[] = {3, 4, 0x100000000, 0x8000000000000000, UINT64_MAX};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(call(work, BH_CALL_CHANNEL, numbers[i], 9), BH_E_ARG);
        assert_int_equal(work->gpr[RDI], numbers[i]);
        assert_int_equal(work->gpr[RSI], 9);
        assert_int_equal(call(work, BH_CALL_RING, numbers[i], 0), BH_E_ARG);
    }
    assert_int_equal(call(vault, BH_CALL_CHANNEL, 2, 0), BH_E_ARG);
    assert_int_equal(vault->shared->doorbells | work->shared->doorbells, 0);
}

static bool sleeps_on(struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

static void a_ring_wakes_the_other_end_once(void **state)
{
    (void)state;
    svm_sleep(vault, sleeps_on);
    assert_int_equal(call(work, BH_CALL_RING, 0, 0), BH_OK);
    assert_int_equal(vault->shared->doorbells, 1);
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, 1); /* vault's core */
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_MODE_FIXED | VECTOR_WAKE);
    assert_int_equal(call(work, BH_CALL_RING, 0, 0), BH_OK);
    assert_int_equal(cpu_model.apic_sent.count, 1);
}

static void who_is_awake_is_not_woken(void **state)
{
    (void)state;
    assert_int_equal(call(work, BH_CALL_RING, 0, 0), BH_OK);
    assert_int_equal(vault->shared->doorbells, 1);
    assert_int_equal(cpu_model.apic_sent.count, 0);
}

static void bells_are_counted_as_their_owner_counts(void **state)
{
    (void)state;
    assert_int_equal(call(vault, BH_CALL_RING, 1, 0), BH_OK);
    assert_int_equal(work->shared->doorbells, 1 << 1);
    assert_int_equal(cpu_model.apic_sent.count, 0); /* work owns its interrupts: it polls */
}

static void ringing_is_a_right(void **state)
{
    (void)state;
    assert_int_equal(call(work, BH_CALL_RING, 1, 0), BH_E_DENIED);
    assert_int_equal(call(vault, BH_CALL_RING, 0, 0), BH_E_DENIED);
    assert_int_equal(vault->shared->doorbells | work->shared->doorbells, 0);
}

/* The other end of work's third channel is a domain that isn't there. */
static void nobody_need_be_at_the_other_end(void **state)
{
    (void)state;
    assert_int_equal(call(work, BH_CALL_RING, 2, 0), BH_OK);
    assert_int_equal(cpu_model.apic_sent.count, 0);
}

static void ring_on_third_sleep(struct vcpu *vcpu)
{
    if (model_sleeps == 3)
        vcpu->shared->doorbells |= 2;
}

static void waiting_ends_with_a_bell(void **state)
{
    (void)state;
    vault->shared->doorbells = 5;
    assert_int_equal(call(vault, BH_CALL_WAIT, 0, 0), BH_OK);
    assert_int_equal(vault->gpr[RDI], 5);
    assert_int_equal(vault->shared->doorbells, 0);
    assert_int_equal(model_sleeps, 0);
    model_on_sleep = ring_on_third_sleep;
    assert_int_equal(call(vault, BH_CALL_WAIT, 0, 0), BH_OK);
    assert_int_equal(vault->gpr[RDI], 2);
    assert_int_equal(model_sleeps, 3);
    assert_true(cpu_model.has_interrupts);
}

static void who_owns_his_interrupts_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(call(work, BH_CALL_WAIT, 0, 0), BH_E_DENIED);
    assert_int_equal(model_windows, 0);
}

static void a_line_is_logged_under_the_domains_name(void **state)
{
    (void)state;
    strcpy(memory_model_at(TEXT + 0x100), "hello");
    assert_int_equal(call(work, BH_CALL_LOG, TEXT + 0x100, 5), BH_OK);
    assert_string_equal(console_text, "[work] hello\n");
}

static void a_line_may_cross_a_page(void **state)
{
    char expected[BH_LOG_MAX + 16] = "[work] ";

    (void)state;
    memset(expected + 7, 'x', BH_LOG_MAX);
    strcat(expected, "\n");
    memset(memory_model_at(TEXT), 'x', 0x2000);
    for (unsigned i = 0; i <= BH_LOG_MAX; i += 40) {
        console_clear();
        assert_int_equal(call(work, BH_CALL_LOG, TEXT + 0x1000 - i, BH_LOG_MAX), BH_OK);
        assert_string_equal(console_text, expected);
    }
    assert_int_equal(call(work, BH_CALL_LOG, TEXT + 0x2000 - BH_LOG_MAX, BH_LOG_MAX), BH_OK);
}

static void bad_lengths_and_addresses_are_errors(void **state)
{
    static const struct {
        uint64_t gpa, size;
        int64_t result;
    } rows[] = {
        {TEXT, 0, BH_E_ARG},
        {TEXT, BH_LOG_MAX + 1, BH_E_ARG},
        {TEXT, 1ull << 32 | 5, BH_E_ARG},
        {TEXT, UINT64_MAX, BH_E_ARG},
        {TEXT + 0x2000, 1, BH_E_ADDRESS},             /* a device */
        {TEXT + 0x1fff, 2, BH_E_ADDRESS},             /* into it */
        {TEXT - 1, 2, BH_E_ADDRESS},                  /* nothing */
        {0, 5, BH_E_ADDRESS},                         /* nothing */
        {1ull << 48 | TEXT, 5, BH_E_ADDRESS},         /* beyond every table */
        {0xffff000000000000 | TEXT, 5, BH_E_ADDRESS}, /* a virtual address */
        {UINT64_MAX, 5, BH_E_ADDRESS},                /* wraps */
        {UINT64_MAX - 3, BH_LOG_MAX, BH_E_ADDRESS},   /* likewise */
    };

    uint64_t denied = audit_count(WORK, VIOLATION_CALL);

    (void)state;
    memory_model_leaf(0x30000, 0, 1, MODEL_RAM); /* machine page 0: core has none */
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(call(work, BH_CALL_LOG, rows[i].gpa, rows[i].size), rows[i].result);
        denied += rows[i].result == BH_E_ADDRESS;
    }
    assert_int_equal(call(work, BH_CALL_LOG, 0x30000, 5), BH_E_ADDRESS);
    assert_int_equal(audit_count(WORK, VIOLATION_CALL), denied + 1);
    assert_null(strstr(console_text, "[work]"));
}

static void logging_is_a_right(void **state)
{
    uint64_t denied = audit_count(VAULT, VIOLATION_CALL);

    (void)state;
    assert_int_equal(call(vault, BH_CALL_LOG, TEXT, 5), BH_E_DENIED);
    assert_int_equal(audit_count(VAULT, VIOLATION_CALL), denied + 1);
    assert_null(strstr(console_text, "[vault]"));
}

/* A program of the domain's, though it may call core, can't end it. */
static void only_the_kernel_ends_its_domain(void **state)
{
    (void)state;
    image_model.domain[WORK].rights |= BH_RIGHT_USERCALL;
    for (uint8_t cpl = 1; cpl <= 3; cpl++) {
        work->vmcb->cpl = cpl;
        assert_int_equal(call(work, BH_CALL_STOP, 0, 0), BH_E_DENIED);
        assert_false(work->shared->stopped);
    }
}

static void a_domain_may_end_itself(void **state)
{
    (void)state;
    vcpu_model_code(work, 0, "0f 01 d9");
    work->vmcb->rax = BH_CALL | BH_CALL_STOP;
    assert_false(vcpu_model_exit(work, SVM_EXIT_VMMCALL, 0, 0));
    assert_true(work->shared->stopped);
    assert_non_null(strstr(console_text, "work: stopped: it asked to"));
    assert_true(audit_end(WORK)->asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_version_is_told, start),
        cmocka_unit_test_setup(numbers_of_no_call_are_errors, start),
        cmocka_unit_test_setup(programs_call_only_where_the_policy_says_so, start),
        cmocka_unit_test_setup(each_end_sees_its_own_channels, start),
        cmocka_unit_test_setup(other_channels_are_errors, start),
        cmocka_unit_test_setup(who_is_awake_is_not_woken, start),
        cmocka_unit_test_setup(who_is_awake_is_not_woken, start),
        cmocka_unit_test_setup(a_ring_wakes_the_other_end_once, start),
        cmocka_unit_test_setup(bells_are_counted_as_their_owner_counts, start),
        cmocka_unit_test_setup(ringing_is_a_right, start),
        cmocka_unit_test_setup(nobody_need_be_at_the_other_end, start),
        cmocka_unit_test_setup(waiting_ends_with_a_bell, start),
        cmocka_unit_test_setup(who_owns_his_interrupts_does_not_wait, start),
        cmocka_unit_test_setup(a_line_is_logged_under_the_domains_name, start),
        cmocka_unit_test_setup(a_line_may_cross_a_page, start),
        cmocka_unit_test_setup(bad_lengths_and_addresses_are_errors, start),
        cmocka_unit_test_setup(logging_is_a_right, start),
        cmocka_unit_test_setup(a_domain_may_end_itself, start),
        cmocka_unit_test_setup(only_the_kernel_ends_its_domain, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
