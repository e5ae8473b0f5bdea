/* MSR accesses that the MSRPM stops: each action of a row, and everything without one. */
#include <string.h>

#include "core/audit/audit.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define CONSTANT 0x100u
#define DROPPED  0x101u
#define HARDWARE 0x102u
#define REFUSED  0x103u
#define ABSENT   0x104u

static struct vcpu *vcpu;

static int start(void **state)
{
    static const struct bh_msr rows[] = {
        {CONSTANT, BH_MSR_CONSTANT, BH_MSR_CONSTANT, 0x1122334455667788},
        {DROPPED, BH_MSR_GP, BH_MSR_DROP, 0},
        {HARDWARE, BH_MSR_HARDWARE, BH_MSR_GP, 0},
        {REFUSED, BH_MSR_GP, BH_MSR_GP, 0},
        {MSR_APIC_BASE, BH_MSR_APIC_BASE, BH_MSR_APIC_BASE, 0},
        {MSR_EFER, BH_MSR_EFER, BH_MSR_EFER, 0},
        {MSR_PAT, BH_MSR_PAT, BH_MSR_PAT, 0},
    };
    /* A foreign row in front, as another domain's would stand. */
    static const struct bh_msr foreign = {ABSENT, BH_MSR_HARDWARE, BH_MSR_DROP, 0};

    (void)state;
    vcpu_model_reset();
    image_model.msr[0] = foreign;
    memcpy(&image_model.msr[1], rows, sizeof(rows));
    image_model.domain[WORK].msrs = (struct bh_table){1, sizeof(rows) / sizeof(rows[0])};
    vcpu = vcpu_model_init(WORK);
    cpu_model.msr_reads = 0;
    return 0;
}

static void set_operands(uint32_t number, uint64_t value)
{
    vcpu->gpr[RCX] = 0xdeadbeef00000000 | number; /* upper halves mean nothing */
    vcpu->gpr[RDX] = 0xdeadbeef00000000 | value >> 32;
    vcpu->vmcb->rax = 0xdeadbeef00000000 | (uint32_t)value;
}

static void assert_read(uint32_t number, uint64_t expected)
{
    unsigned length = vcpu_model_code(vcpu, 0, "0f 32");

    set_operands(number, 0x5555555566666666);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_MSR, 0, 0));
    assert_int_equal(vcpu->vmcb->eventinj, 0);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + length);
    assert_int_equal(vcpu->vmcb->rax, (uint32_t)expected);
    assert_int_equal(vcpu->gpr[RDX], expected >> 32);
}

static void assert_refused(uint32_t number, bool is_write, uint64_t value)
{
    enum violation kind = is_write ? VIOLATION_MSR_WRITE : VIOLATION_MSR_READ;
    uint64_t before = audit_count(WORK, kind);
    struct vcpu old;

    vcpu_model_code(vcpu, 0, is_write ? "0f 30" : "0f 32");
    set_operands(number, value);
    old = *vcpu;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_MSR, is_write, 0));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
    assert_memory_equal(vcpu->gpr, old.gpr, sizeof(old.gpr));
    assert_int_equal(vcpu->efer, old.efer);
    assert_int_equal(audit_count(WORK, kind), before + 1);
}

static void assert_written(uint32_t number, uint64_t value)
{
    unsigned length = vcpu_model_code(vcpu, 0, "0f 30");

    set_operands(number, value);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_MSR, 1, 0));
    assert_int_equal(vcpu->vmcb->eventinj, 0);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + length);
}

static void constants_read_as_such_and_take_only_themselves(void **state)
{
    (void)state;
    assert_read(CONSTANT, 0x1122334455667788);
    assert_written(CONSTANT, 0x1122334455667788);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_refused(CONSTANT, true, 0x1122334455667788 ^ 1ull << bit);
    assert_int_equal(cpu_model.msr_reads, 0);
}

static void writes_are_dropped_where_the_row_says_so(void **state)
{
    (void)state;
    assert_written(DROPPED, 0);
    assert_written(DROPPED, UINT64_MAX);
    assert_refused(DROPPED, false, 0);
}

static void only_rows_for_it_read_the_hardware(void **state)
{
    (void)state;
    assert_read(HARDWARE, cpu_model_msr(HARDWARE));
    assert_int_equal(cpu_model.msr_reads, 1);
    assert_refused(HARDWARE, true, cpu_model_msr(HARDWARE));
    assert_int_equal(cpu_model.msr_reads, 1);
}

static void what_has_no_row_is_a_fault(void **state)
{
    static const uint32_t numbers[] = {REFUSED, ABSENT,     0,          0x1fff,    0x2000,
                                       0x80b,   0x40000000, 0xc0010114, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_refused(numbers[i], false, 0);
        assert_refused(numbers[i], true, 0);
        assert_refused(numbers[i], true, UINT64_MAX);
    }
    assert_int_equal(cpu_model.msr_reads, 0);
}

static void a_domain_has_its_own_rows_only(void **state)
{
    (void)state;
    assert_refused(ABSENT, false, 0);
    image_model.domain[VAULT].msrs = (struct bh_table){0, 1};
    vcpu = vcpu_model_init(VAULT);
    assert_read(ABSENT, cpu_model_msr(ABSENT));
    vcpu_model_code(vcpu, 0, "0f 32");
    set_operands(CONSTANT, 0);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_MSR, 0, 0));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
}

/* Rows are found by their numbers' low bits: these have the same. */
static void each_row_is_found_among_its_likes(void **state)
{
    static const uint32_t numbers[] = {5, 0x45, 0x85, 0x1005, 0xc0000005, 0xc0010045, 0xffffffc5};
    const unsigned count = sizeof(numbers) / sizeof(numbers[0]);

    (void)state;
    for (unsigned i = 0; i < count; i++)
        image_model.msr[1 + i] =
            (struct bh_msr){numbers[i], BH_MSR_CONSTANT, BH_MSR_CONSTANT, 0x1000 + i};
    image_model.domain[WORK].msrs = (struct bh_table){1, count};
    vcpu = vcpu_model_init(WORK);
    for (unsigned i = 0; i < count; i++) {
        assert_read(numbers[i], 0x1000 + i);
        assert_refused(numbers[i], true, 0x1000 + i + 1);
        assert_refused(numbers[i] ^ 0x40000000, false, 0);
        assert_refused(numbers[i] ^ 0x200, true, 0x1000 + i);
    }
    image_model.domain[WORK].msrs = (struct bh_table){1, 0};
    vcpu = vcpu_model_init(WORK);
    assert_refused(0, false, 0);
    assert_refused(numbers[0], false, 0);
}

static void the_local_apic_stays_where_it_is(void **state)
{
    uint64_t base = cpu_model_msr(MSR_APIC_BASE) | APIC_BASE_BSP;

    (void)state;
    assert_read(MSR_APIC_BASE, base);
    assert_written(MSR_APIC_BASE, base);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_refused(MSR_APIC_BASE, true, base ^ 1ull << bit);
    image_model.domain[WORK].ncores = 2;
    image_model.domain[WORK].core[1] = 2;
    vcpu = vcpu_model_init_id(WORK, 1);
    vcpu->requests = SVM_REQUESTED | SVM_REQUEST_SCHEDULE; /* INIT and SIPI have been */
    assert_read(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_BSP);
    assert_int_equal(cpu_model.msr_log.count, 0);
}

static void efer_hides_svme(void **state)
{
    (void)state;
    assert_read(MSR_EFER, EFER_LME | EFER_LMA);
    assert_written(MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE);
    assert_read(MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE);
    assert_int_equal(vcpu->vmcb->efer, EFER_LME | EFER_LMA | EFER_SCE | EFER_SVME);
    assert_refused(MSR_EFER, true, EFER_LME | EFER_LMA | EFER_SVME);
    assert_refused(MSR_EFER, true, EFER_SCE);
    assert_int_equal(cpu_model.msr_log.count, 0);
}

/* The CPU's PAT is core's. */
static void the_pat_is_the_domains_own(void **state)
{
    (void)state;
    assert_read(MSR_PAT, PAT_DEFAULT);
    assert_written(MSR_PAT, 0x0106050400010006);
    assert_read(MSR_PAT, 0x0106050400010006);
    assert_int_equal(vcpu->vmcb->g_pat, 0x0106050400010006);
    assert_refused(MSR_PAT, true, 0x0106050400020006);
    assert_int_equal(cpu_model.msr_log.count, 0);
    assert_int_equal(cpu_model.msr_reads, 0);
}

static void the_attempt_is_attributed(void **state)
{
    (void)state;
    assert_refused(0xc0010114, true, 0x10);
    assert_non_null(strstr(console_text, "work: denied msr-write at 0xc0010114 (0x10)\n"));
}

/* WRMSR behind any prefix is the same instruction and longer. */
static void prefixes_are_stepped_over(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "66 2e 0f 30");
    set_operands(DROPPED, 1);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_MSR, 1, 0));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_pat_is_the_domains_own, start),
        cmocka_unit_test_setup(the_attempt_is_attributed, start),
        cmocka_unit_test_setup(constants_read_as_such_and_take_only_themselves, start),
        cmocka_unit_test_setup(writes_are_dropped_where_the_row_says_so, start),
        cmocka_unit_test_setup(only_rows_for_it_read_the_hardware, start),
        cmocka_unit_test_setup(what_has_no_row_is_a_fault, start),
        cmocka_unit_test_setup(a_domain_has_its_own_rows_only, start),
        cmocka_unit_test_setup(each_row_is_found_among_its_likes, start),
        cmocka_unit_test_setup(the_local_apic_stays_where_it_is, start),
        cmocka_unit_test_setup(efer_hides_svme, start),
        cmocka_unit_test_setup(prefixes_are_stepped_over, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
