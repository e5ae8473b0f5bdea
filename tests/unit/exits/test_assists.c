/*
 * Where the CPU tells the next RIP and decodes (APM vol. 2, 15.7.1, 15.10), what it tells counts,
 * not what stands in memory: here always NOPs.
 */
#include <string.h>

#include "core/exits/handlers.h"
#include "core/svm/features.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define SOFTWARE (VMCB_EVENT_VALID | VMCB_EVENT_SOFTWARE)
#define ADDRESS  0xffff8000deadb000

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    svm_features = SVM_FEATURE_NRIPS | SVM_FEATURE_DECODE_ASSISTS;
    return 0;
}

static int end(void **state)
{
    (void)state;
    svm_features = 0;
    return 0;
}

/* An exit of an instruction of that length. */
static bool leaves(uint64_t exit, unsigned length, uint64_t info)
{
    vcpu_model_code(work, 0, "90 90 90 90");
    work->vmcb->nrip = MODEL_CODE + length;
    work->vmcb->interrupt_shadow = 1;
    return vcpu_model_exit(work, exit, info, 0);
}

static void assert_steps(uint64_t exit, unsigned length, uint64_t info)
{
    assert_true(leaves(exit, length, info));
    assert_int_equal(work->vmcb->rip, MODEL_CODE + length);
    assert_int_equal(work->vmcb->interrupt_shadow, 0);
    assert_int_equal(work->vmcb->eventinj, 0);
}

static void the_next_rip_is_the_cpus(void **state)
{
    (void)state;
    for (unsigned length = 1; length <= 15; length++)
        assert_steps(SVM_EXIT_CPUID, length, 0);
    assert_steps(SVM_EXIT_VMMCALL, 5, 0);
    work->vmcb->rflags |= RFLAGS_TF;
    assert_true(leaves(SVM_EXIT_CPUID, 3, 0));
    assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_DB));
}

static void without_the_feature_nothing_is_believed(void **state)
{
    (void)state;
    svm_features = 0;
    assert_false(leaves(SVM_EXIT_CPUID, 2, 0));
    start(NULL);
    svm_features = SVM_FEATURE_NRIPS;
    assert_false(leaves(SVM_EXIT_DR0_READ, 3, 0));
    start(NULL);
    svm_features = SVM_FEATURE_DECODE_ASSISTS;
    assert_false(leaves(SVM_EXIT_SWINT, 2, 0x80));
}

/* It isn't saved on every exit, and is 0 then. */
static void a_next_rip_that_is_no_next_rip_is_not_believed(void **state)
{
    static const unsigned lengths[] = {0, 16, 0x1000, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(NULL);
        assert_false(leaves(SVM_EXIT_CPUID, lengths[i], 0));
        assert_non_null(strstr(console_text, "its code changed"));
    }
}

static void registers_of_moves_are_told(void **state)
{
    (void)state;
    for (unsigned reg = 0; reg < GPRS; reg++) {
        svm_set_gpr(work, reg, ADDRESS + reg);
        assert_steps(SVM_EXIT_DR1_WRITE, 3 + reg / 8, reg);
        assert_int_equal(cpu_model.dr[1], ADDRESS + reg);
        svm_set_gpr(work, reg, 0);
        assert_steps(SVM_EXIT_DR1_READ, 3, reg);
        assert_int_equal(svm_get_gpr(work, reg), ADDRESS + reg);
        assert_steps(SVM_EXIT_CR2_WRITE, 3, 1ull << 63 | reg);
        assert_int_equal(work->vmcb->cr2, ADDRESS + reg);
        svm_set_gpr(work, reg, 0);
        assert_steps(SVM_EXIT_CR2_READ, 4, 1ull << 63 | reg);
        assert_int_equal(svm_get_gpr(work, reg), ADDRESS + reg);
    }
}

/* CLTS, LMSW and SMSW have the same exits: bit 63 is clear, and the code is looked at. */
static void what_is_no_move_is_decoded(void **state)
{
    (void)state;
    vcpu_model_code(work, 0, "0f 06");
    work->vmcb->cr0 |= CR0_TS;
    work->vmcb->nrip = MODEL_CODE + 2;
    assert_true(vcpu_model_exit(work, SVM_EXIT_CR0_WRITE, 7, 0));
    assert_int_equal(work->vmcb->cr0 & CR0_TS, 0);
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 2);
}

static void vectors_and_addresses_are_told(void **state)
{
    struct insn insn;

    (void)state;
    assert_true(leaves(SVM_EXIT_SWINT, 2, 0x80));
    assert_int_equal(work->vmcb->eventinj, SOFTWARE | 0x80);
    assert_int_equal(work->vmcb->rip, MODEL_CODE); /* nRIP is what the CPU pushes */
    assert_int_equal(work->vmcb->nrip, MODEL_CODE + 2);
    assert_steps(SVM_EXIT_INVLPG, 4, ADDRESS);
    insn = exits_fetch(work);
    assert_int_equal(exits_linear(work, &insn), ADDRESS);
}

/* A fault at its delivery shows the instruction; an exit there has it executed again. */
static void an_undelivered_software_interrupt_has_not_happened(void **state)
{
    (void)state;
    assert_true(leaves(SVM_EXIT_SWINT, 2, 0x80));
    work->vmcb->exitintinfo = SOFTWARE | 0x80;
    assert_true(vcpu_model_exit(work, SVM_EXIT_SMI, 0, 0));
    assert_int_equal(work->vmcb->eventinj, 0);
    assert_int_equal(work->vmcb->rip, MODEL_CODE);
}

static void icebp_has_no_next_rip(void **state)
{
    (void)state;
    vcpu_model_code(work, 0, "f1");
    work->vmcb->nrip = MODEL_CODE + 1;
    assert_true(vcpu_model_exit(work, SVM_EXIT_ICEBP, 0, 0));
    assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_DB));
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 1);
}

/* mov %ebx, (%rcx), of which memory knows nothing. */
static void bytes_of_a_page_fault_are_those_that_the_cpu_fetched(void **state)
{
    struct insn insn;

    (void)state;
    vcpu_model_code(work, 0, "90 90");
    work->vmcb->exitcode = SVM_EXIT_NPF;
    work->vmcb->nrip = 0;
    work->vmcb->fetched = 15;
    memcpy(work->vmcb->bytes, "\x89\x19\x90\x90", 4);
    insn = exits_fetch(work);
    assert_int_equal(insn.kind, INSN_STORE);
    assert_int_equal(insn.reg, RBX);
    assert_int_equal(insn.length, 2);
    work->vmcb->fetched = 1; /* cut off by the end of a page that can't be read */
    assert_int_equal(exits_fetch(work).kind, INSN_UNKNOWN);
    work->vmcb->fetched = 0; /* none: memory is looked at */
    vcpu_model_code(work, 0, "8b 01");
    assert_int_equal(exits_fetch(work).kind, INSN_LOAD);
    work->vmcb->fetched = 15; /* what another exit has left there */
    work->vmcb->exitcode = SVM_EXIT_HLT;
    assert_int_equal(exits_fetch(work).kind, INSN_LOAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_rip_is_the_cpus, start, end),
        cmocka_unit_test_setup_teardown(without_the_feature_nothing_is_believed, start, end),
        cmocka_unit_test_setup_teardown(a_next_rip_that_is_no_next_rip_is_not_believed, start, end),
        cmocka_unit_test_setup_teardown(registers_of_moves_are_told, start, end),
        cmocka_unit_test_setup_teardown(what_is_no_move_is_decoded, start, end),
        cmocka_unit_test_setup_teardown(vectors_and_addresses_are_told, start, end),
        cmocka_unit_test_setup_teardown(an_undelivered_software_interrupt_has_not_happened, start,
                                        end),
        cmocka_unit_test_setup_teardown(icebp_has_no_next_rip, start, end),
        cmocka_unit_test_setup_teardown(bytes_of_a_page_fault_are_those_that_the_cpu_fetched, start,
                                        end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
