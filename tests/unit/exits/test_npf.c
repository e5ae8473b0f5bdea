/*
 * Nested page faults: what plain moves bring from and to a device, what they bring where nothing
 * is, and the end of a domain that touches it in any other way.
 */
#include <string.h>

#include "core/audit/audit.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define FINAL (1ull << 32) /* EXITINFO1: in the walk of the final address */
#define READ  (FINAL | 4)
#define WRITE (FINAL | 4 | VMCB_NPF_WRITE)
#define FETCH (FINAL | 4 | VMCB_NPF_FETCH)
#define GPA   0xfec00010ull
#define OLD   0x1122334455667788ull
#define VALUE 0xfedcba9876543210ull

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    vcpu = vcpu_model_init(WORK);
    for (unsigned reg = 0; reg < GPRS; reg++)
        svm_set_gpr(vcpu, reg, OLD + reg);
    return 0;
}

struct load {
    enum insn_mode mode;
    const char *code;
    unsigned reg, size;
    uint64_t result;
};

static const struct load loads[] = {
    /* 32-bit results clear the upper half, narrower ones leave the rest (APM vol. 1, 3.1.2) */
    {INSN_64, "8b 07", RAX, 4, 0x76543210},
    {INSN_64, "48 8b 0f", RCX, 8, VALUE},
    {INSN_64, "66 8b 17", RDX, 2, 0x1122334455663210},
    {INSN_64, "8a 1f", RBX, 1, 0x1122334455667710},
    {INSN_64, "44 8b 27", R12, 4, 0x76543210},
    {INSN_64, "40 8a 27", RSP, 1, 0x1122334455667710},
    {INSN_64, "8a 27", RAX, 1, 0x1122334455661088},
    {INSN_64, "8a 2f", RCX, 1, 0x1122334455661089},
    {INSN_64, "8a 37", RDX, 1, 0x112233445566108a},
    {INSN_64, "8a 3f", RBX, 1, 0x112233445566108b},
    {INSN_64, "a1 01 02 03 04 05 06 07 08", RAX, 4, 0x76543210},
    {INSN_32, "a0 01 02 03 04", RAX, 1, 0x1122334455667710},
    {INSN_32, "8b 37", RSI, 4, 0x76543210},
    {INSN_16, "8b 3f", RDI, 2, 0x1122334455663210},
    {INSN_64, "0f b6 07", RAX, 1, 0x10},
    {INSN_64, "0f b7 0f", RCX, 2, 0x3210},
    {INSN_64, "48 0f b6 17", RDX, 1, 0x10},
    {INSN_64, "66 0f b6 1f", RBX, 1, 0x1122334455660010},
    {INSN_64, "0f b6 27", RSP, 1, 0x10},
};

/* The same with a value whose sign bits are set. */
static const struct load signed_loads[] = {
    {INSN_64, "0f be 07", RAX, 1, 0xffffff80},
    {INSN_64, "48 0f be 07", RAX, 1, 0xffffffffffffff80},
    {INSN_64, "66 0f be 07", RAX, 1, 0x112233445566ff80},
    {INSN_64, "0f bf 07", RAX, 2, 0xffff8080},
    {INSN_64, "4c 0f bf 3f", R15, 2, 0xffffffffffff8080},
    {INSN_64, "0f b7 07", RAX, 2, 0x8080},
    {INSN_64, "8b 07", RAX, 4, 0x8abc8080},
    {INSN_16, "66 0f be 07", RAX, 1, 0xffffff80},
};

static void assert_loads(const struct load *load, uint64_t value)
{
    unsigned length;
    uint64_t expected[GPRS];

    start(NULL);
    vdev_model.answers = true;
    vdev_model.reads_as = value;
    vdev_model.news = 1;
    vcpu_model_mode(vcpu, load->mode);
    length = vcpu_model_code(vcpu, 0, load->code);
    for (unsigned reg = 0; reg < GPRS; reg++)
        expected[reg] = svm_get_gpr(vcpu, reg);
    expected[load->reg] = load->result;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, READ, GPA));
    for (unsigned reg = 0; reg < GPRS; reg++)
        if (svm_get_gpr(vcpu, reg) != expected[reg])
            fail_msg("%s: register %u: expected %#lx, got %#lx", load->code, reg, expected[reg],
                     svm_get_gpr(vcpu, reg));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + length);
    assert_int_equal(vdev_model.address, GPA);
    assert_int_equal(vdev_model.size, load->size);
    assert_false(vdev_model.is_write);
    assert_int_equal(vdev_model.polls, 1); /* what devices tried in vain is asked for once */
    assert_string_equal(console_text, "");
}

static void loads_change_their_register_and_no_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
        assert_loads(&loads[i], VALUE);
    for (unsigned i = 0; i < sizeof(signed_loads) / sizeof(signed_loads[0]); i++)
        assert_loads(&signed_loads[i], 0x8abc8080);
}

static void stores_write_their_register_or_immediate(void **state)
{
    static const struct {
        enum insn_mode mode;
        const char *code;
        unsigned size;
        uint64_t written;
    } rows[] = {
        {INSN_64, "89 07", 4, 0x55667788},
        {INSN_64, "48 89 0f", 8, OLD + 1},
        {INSN_64, "66 89 17", 2, 0x778a},
        {INSN_64, "88 1f", 1, 0x8b},
        {INSN_64, "88 27", 1, 0x77},
        {INSN_64, "40 88 27", 1, 0x8c},
        {INSN_64, "44 89 3f", 4, 0x55667797},
        {INSN_64, "c7 07 01 02 03 84", 4, 0x84030201},
        {INSN_64, "48 c7 07 01 02 03 84", 8, 0xffffffff84030201},
        {INSN_64, "c6 07 ff", 1, 0xff},
        {INSN_32, "a3 01 02 03 04", 4, 0x55667788},
        {INSN_16, "a3 01 02", 2, 0x7788},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned length;

        start(NULL);
        vdev_model.answers = true;
        vcpu_model_mode(vcpu, rows[i].mode);
        length = vcpu_model_code(vcpu, 0, rows[i].code);
        assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
        assert_true(vdev_model.is_write);
        assert_int_equal(vdev_model.size, rows[i].size);
        assert_int_equal(vdev_model.written, rows[i].written);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + length);
        for (unsigned reg = 0; reg < GPRS; reg++)
            assert_int_equal(svm_get_gpr(vcpu, reg), OLD + reg);
    }
}

static void what_is_not_there_reads_all_ones(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "8b 07");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, READ, 0x10400000));
    assert_int_equal(vcpu->vmcb->rax, 0xffffffff);
    assert_string_equal(console_text, "work: denied memory-read at 0x10400000 (0x4)\n");
    vcpu_model_code(vcpu, 0, "48 8b 07");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, READ, 0x10400000));
    assert_int_equal(vcpu->vmcb->rax, UINT64_MAX);
    vcpu_model_code(vcpu, 0, "0f be 07");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, READ, 0x10400000));
    assert_int_equal(vcpu->vmcb->rax, 0xffffffff);
}

static void what_is_not_there_drops_writes(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE | VMCB_NPF_PRESENT, 0x11000000));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 2);
    assert_string_equal(console_text, "work: denied memory-write at 0x11000000 (0x55667788)\n");
}

/* All ones are no instruction. */
static void code_that_is_not_there_is_undefined(void **state)
{
    (void)state;
    vcpu->vmcb->rip = 0x10400123;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, FETCH, 0x10400123));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_UD));
    assert_int_equal(vcpu->vmcb->rip, 0x10400123);
    assert_int_equal(vdev_model.accesses, 0);
    assert_string_equal(console_text, "work: denied memory-execute at 0x10400123 (0x10400123)\n");
}

static void assert_stops(const char *code, uint64_t why, const char *text)
{
    start(NULL);
    vdev_model.answers = true;
    vcpu_model_code(vcpu, 0, code);
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, why, GPA));
    assert_true(vcpu->shared->stopped);
    assert_int_equal(vdev_model.accesses, 0);
    assert_int_equal(vdev_model.stops, 1);
    if (!strstr(console_text, text))
        fail_msg("%s: expected \"%s\", got \"%s\"", code, text, console_text);
}

static void anything_but_a_plain_move_stops_the_domain(void **state)
{
    static const char *const code[] = {"87 07",    "01 07",    "f3 a5",
                                       "ff 37",    "f0 89 07", "0f b1 07",
                                       "0f 11 07", "8f 07",    "c7 0f 00 00 00 00"};

    (void)state;
    for (unsigned i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        assert_stops(code[i], READ, "not by a plain move");
        assert_stops(code[i], WRITE, "not by a plain move");
    }
}

/* A second CPU, or a device, may have changed the code since. */
static void a_move_the_other_way_stops_the_domain(void **state)
{
    (void)state;
    assert_stops("8b 07", WRITE, "not by a plain move");
    assert_stops("0f b6 07", WRITE, "not by a plain move");
    assert_stops("89 07", READ, "not by a plain move");
    assert_stops("c6 07 01", READ, "not by a plain move");
    assert_stops("0f a2", READ, "not by a plain move");
    assert_stops("0f 22 c0", WRITE, "not by a plain move");
}

static void a_fault_while_an_event_is_delivered_stops_the_domain(void **state)
{
    (void)state;
    vdev_model.answers = true;
    vcpu_model_code(vcpu, 0, "89 07");
    vcpu->vmcb->exitintinfo = MODEL_EXCEPTION(VECTOR_PF);
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
    assert_int_equal(vdev_model.accesses, 0);
}

static void page_tables_out_of_reach_stop_the_domain(void **state)
{
    (void)state;
    assert_stops("8b 07", VMCB_NPF_WALK | 7, "its page tables lie in memory");
    assert_stops("89 07", VMCB_NPF_WALK | 4, "its page tables lie in memory");
}

static void registers_are_told_of_a_domain_that_is_stopped(void **state)
{
    (void)state;
    assert_stops("87 07", WRITE, "(exit 0x400, info 0x100000006 0xfec00010)");
    assert_non_null(strstr(console_text, "work: rip 10000 cs 0 rsp 112233445566778c"));
    assert_non_null(strstr(console_text, "work: rax 1122334455667788 rbx 112233445566778b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(loads_change_their_register_and_no_other, start),
        cmocka_unit_test_setup(stores_write_their_register_or_immediate, start),
        cmocka_unit_test_setup(what_is_not_there_reads_all_ones, start),
        cmocka_unit_test_setup(what_is_not_there_drops_writes, start),
        cmocka_unit_test_setup(code_that_is_not_there_is_undefined, start),
        cmocka_unit_test_setup(anything_but_a_plain_move_stops_the_domain, start),
        cmocka_unit_test_setup(a_move_the_other_way_stops_the_domain, start),
        cmocka_unit_test_setup(a_fault_while_an_event_is_delivered_stops_the_domain, start),
        cmocka_unit_test_setup(page_tables_out_of_reach_stop_the_domain, start),
        cmocka_unit_test_setup(registers_are_told_of_a_domain_that_is_stopped, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
