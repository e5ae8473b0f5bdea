/*
 * Stepping over the instruction that exited: its length where it lies by now, single steps,
 * interrupt shadows, and code that isn't what it was.
 */
#include <string.h>

#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define OTHER 0x40000ull /* another place for code */

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    vcpu = vcpu_model_init(WORK);
    return 0;
}

static bool cpuid_exit(void)
{
    vcpu->vmcb->rax = 0;
    return vcpu_model_exit(vcpu, SVM_EXIT_CPUID, 0, 0);
}

static void assert_steps(uint64_t offset, const char *code)
{
    unsigned length = vcpu_model_code(vcpu, offset, code);
    uint64_t rip = vcpu->vmcb->rip;

    assert_true(cpuid_exit());
    assert_int_equal(vcpu->vmcb->rip, rip + length);
}

/* Where two bytes are in one page, a third may not be. */
static void calls_are_stepped_over_in_each_mode(void **state)
{
    static const uint64_t offsets[] = {0, 0, 1, 0xffd, 0xffe, 0xfff, 0x1ffd, 0x1ffd};

    (void)state;
    for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
        start(NULL);
        vcpu_model_mode(vcpu, mode);
        for (unsigned i = 0; i < 2 * sizeof(offsets) / sizeof(offsets[0]); i++) {
            uint64_t offset = offsets[i / 2];
            unsigned length = vcpu_model_code(vcpu, offset, i == 1 ? "66 0f 01 d9" : "0f 01 d9");
            uint64_t rip = vcpu->vmcb->rip;

            vcpu->vmcb->interrupt_shadow = 1;
            assert_true(vcpu_model_exit(vcpu, SVM_EXIT_VMMCALL, 0, 0));
            assert_int_equal(vcpu->vmcb->rip, rip + length);
            assert_int_equal(vcpu->vmcb->interrupt_shadow, 0);
        }
    }
}

static void a_call_that_became_another_instruction_stops_the_domain(void **state)
{
    static const char *const code[] = {"0f 01 d8", "0f 00 d9", "0f a2 d9", "0f 01 59"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(NULL);
        vcpu_model_code(vcpu, 0, "0f 01 d9");
        assert_true(vcpu_model_exit(vcpu, SVM_EXIT_VMMCALL, 0, 0));
        vcpu_model_code(vcpu, 0, code[i]);
        assert_false(vcpu_model_exit(vcpu, SVM_EXIT_VMMCALL, 0, 0));
    }
}

/* More of them than are remembered, some with the same low bits of RIP. */
static void many_places_take_turns(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 24; i++)
            assert_steps(5 * i, i % 3 ? "0f a2" : "66 0f a2");
}

static void code_is_stepped_over_in_each_mode(void **state)
{
    (void)state;
    for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
        start(NULL);
        vcpu_model_mode(vcpu, mode);
        assert_steps(0, "0f a2");
        assert_steps(0, "0f a2");
        assert_steps(1, "0f a2");
        assert_steps(1, "66 0f a2");
        assert_steps(0xfff, "0f a2"); /* in two pages */
        assert_steps(0xfff, "0f a2");
        assert_steps(0x1ffe, "0f a2"); /* nothing behind it */
    }
}

/* A REX prefix is part of the instruction in 64-bit code, an instruction of its own elsewhere. */
static void the_mode_decides_what_stands_there(void **state)
{
    (void)state;
    assert_steps(0, "48 0f a2");
    assert_steps(0, "48 66 0f a2"); /* any program can run that: it mustn't stop its domain */
    start(NULL);
    vcpu_model_mode(vcpu, INSN_32);
    vcpu_model_code(vcpu, 0, "48 0f a2");
    assert_false(cpuid_exit());
    start(NULL);
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->vmcb->cs.attributes |= VMCB_SEG_L; /* no long mode, no 64-bit code */
    vcpu_model_code(vcpu, 0, "48 0f a2");
    assert_false(cpuid_exit());
}

static void segment_bases_count_outside_of_64_bit_code(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_16);
    vcpu->vmcb->cs.base = MODEL_CODE - 0x100;
    assert_steps(0, "0f a2");
    assert_int_equal(vcpu->vmcb->rip, 0x102);
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->vmcb->cs.base = 0xfffff000; /* wraps */
    vcpu_model_code(vcpu, 0, "0f a2");
    vcpu->vmcb->rip = MODEL_CODE + 0x1000;
    assert_true(cpuid_exit());
    vcpu_model_mode(vcpu, INSN_64);
    vcpu->vmcb->cs.base = 0x1000; /* means nothing there */
    vcpu_model_code(vcpu, 0, "0f a2");
    vcpu->vmcb->rip = MODEL_CODE;
    assert_true(cpuid_exit());
}

static void shadows_end_with_the_instruction(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        vcpu_model_code(vcpu, 0, "0f a2");
        vcpu->vmcb->interrupt_shadow = 1;
        assert_true(cpuid_exit());
        assert_int_equal(vcpu->vmcb->interrupt_shadow, 0);
    }
}

static void single_steps_trap_behind_the_instruction(void **state)
{
    (void)state;
    assert_steps(0, "0f a2"); /* so that it is remembered */
    vcpu->vmcb->rflags |= RFLAGS_TF;
    vcpu->vmcb->dr6 = 0xffff0ff0;
    assert_steps(0, "0f a2");
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_DB));
    assert_int_equal(vcpu->vmcb->dr6, 0xffff0ff0 | DR6_BS);
    vcpu->vmcb->rflags &= ~(uint64_t)RFLAGS_TF;
    assert_steps(0, "0f a2");
    assert_int_equal(vcpu->vmcb->eventinj, 0);
}

static void a_fault_is_no_step(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "0f 32");
    vcpu->vmcb->rflags |= RFLAGS_TF;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_MSR, 0, 0));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    assert_int_equal(vcpu->vmcb->dr6 & DR6_BS, 0);
}

static void changed_code_stops_the_domain(void **state)
{
    static const char *const code[] = {"0f 30", "90 90", "0f", "8b 07", "f0 0f a2"};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        start(NULL);
        assert_steps(0, "0f a2");
        vcpu_model_code(vcpu, 0, code[i]);
        if (i == 2)
            memset(memory_model_at(MODEL_CODE + 1), 0x90, 1);
        assert_false(cpuid_exit());
        assert_non_null(strstr(console_text, "its code changed while core was answering it"));
    }
}

static void code_that_cannot_be_read_stops_the_domain(void **state)
{
    (void)state;
    vcpu->vmcb->rip = 0x5000;
    assert_false(cpuid_exit());
    start(NULL);
    vcpu_model_code(vcpu, MODEL_CODE_SIZE - 1, "0f");
    assert_false(cpuid_exit());
    start(NULL);
    vcpu_model_code(vcpu, 0, "0f a2");
    vcpu->vmcb->cr3 = 0x7000000; /* no tables there */
    assert_false(cpuid_exit());
}

/* What is remembered of one place isn't taken for another. */
static void remembered_code_is_keyed_by_rip_and_cr3(void **state)
{
    (void)state;
    memory_model_map(OTHER, 0x1000, MODEL_RAM);
    memcpy(memory_model_at(OTHER), "\x66\x0f\xa2", 3);
    assert_steps(0, "0f a2");
    assert_steps(0, "0f a2");
    vcpu->vmcb->rip = OTHER;
    assert_true(cpuid_exit());
    assert_int_equal(vcpu->vmcb->rip, OTHER + 3);
    /* The same RIP under another CR3: paging off makes it another linear address. */
    assert_steps(0, "0f a2");
    vcpu->vmcb->rip = MODEL_CODE;
    vcpu->vmcb->cr3 = 0x7000000;
    assert_false(cpuid_exit());
}

/* APM vol. 2, 15.7.1 leaves RIP's upper half to whoever resumes: there are 32 bits of it. */
static void rip_wraps_at_4_gib(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    memory_model_map(0xfffff000, 0x1000, MODEL_RAM);
    memcpy(memory_model_at(0xfffffffe), "\x0f\xa2", 2);
    for (int i = 0; i < 2; i++) {
        vcpu->vmcb->rip = 0xfffffffe;
        assert_true(cpuid_exit());
        assert_int_equal(vcpu->vmcb->rip, 0);
    }
}

/* In compatibility mode there is memory beyond 4 GiB, but no code of this domain's. */
static void code_ends_at_4_gib_in_compatibility_mode(void **state)
{
    uint64_t *pdpt = memory_model_at(0x2000);

    (void)state;
    vcpu->vmcb->cs.attributes = VMCB_SEG_CODE32;
    memory_model_map(0xfffff000, 0x1000, MODEL_RAM);
    memset(memory_model_at(0xfffffff0), 0x66, 15);
    memcpy(memory_model_at(0xffffffff), "\x0f", 1);
    pdpt[4] = pdpt[0];
    memory_model_map(0, 0x1000, MODEL_RAM);
    memcpy(memory_model_at(0), "\xa2", 1);
    for (uint64_t rip = 0xfffffff2; rip <= 0xffffffff; rip++) {
        vcpu->vmcb->rip = rip;
        assert_false(cpuid_exit());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(code_is_stepped_over_in_each_mode, start),
        cmocka_unit_test_setup(calls_are_stepped_over_in_each_mode, start),
        cmocka_unit_test_setup(a_call_that_became_another_instruction_stops_the_domain, start),
        cmocka_unit_test_setup(many_places_take_turns, start),
        cmocka_unit_test_setup(the_mode_decides_what_stands_there, start),
        cmocka_unit_test_setup(segment_bases_count_outside_of_64_bit_code, start),
        cmocka_unit_test_setup(shadows_end_with_the_instruction, start),
        cmocka_unit_test_setup(single_steps_trap_behind_the_instruction, start),
        cmocka_unit_test_setup(a_fault_is_no_step, start),
        cmocka_unit_test_setup(changed_code_stops_the_domain, start),
        cmocka_unit_test_setup(code_that_cannot_be_read_stops_the_domain, start),
        cmocka_unit_test_setup(remembered_code_is_keyed_by_rip_and_cr3, start),
        cmocka_unit_test_setup(rip_wraps_at_4_gib, start),
        cmocka_unit_test_setup(code_ends_at_4_gib_in_compatibility_mode, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
