/*
 * Moves that core remembers, so that one in a loop is neither walked to nor decoded again: each
 * thing that such a move hangs on changes here behind core's back, at the same RIP.
 */
#include <string.h>

#include "core/exits/mode.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define WRITE (1ull << 32 | 4 | VMCB_NPF_WRITE)
#define READ  (1ull << 32 | 4)
#define GPA   0xfee000b0ull
#define OLD   0x1122334455667788ull
#define PDPT  0x2000ull                   /* vcpu_model.c's, 1-GiB pages */
#define OTHER (MODEL_CODE + (1ull << 30)) /* RAM that the same addresses may come to mean */

#define STORE_EAX "89 07"
#define STORE_ECX "89 0f"

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    vcpu = vcpu_model_init(WORK);
    vdev_model.answers = true;
    memory_model_map(OTHER, 0x1000, MODEL_RAM);
    for (unsigned reg = 0; reg < GPRS; reg++)
        svm_set_gpr(vcpu, reg, OLD + reg);
    return 0;
}

static void put(uint64_t gpa, const char *code, size_t size)
{
    memcpy(memory_model_at(gpa), code, size);
}

/* Has the instruction at MODEL_CODE + offset store to the device; expects that value and size. */
static void assert_stores(uint64_t offset, uint64_t value, unsigned size, unsigned length)
{
    uint64_t rip = MODEL_CODE - vcpu->vmcb->cs.base + offset;

    vcpu->vmcb->rip = rip;
    vdev_model.written = ~value;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
    assert_int_equal(vdev_model.written, value);
    assert_int_equal(vdev_model.size, size);
    assert_int_equal(vcpu->vmcb->rip, rip + length);
}

#define EAX (uint32_t) OLD
#define ECX (uint32_t)(OLD + 1)

static void the_same_move_stores_what_is_in_its_register_now(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    assert_stores(0, EAX, 4, 2);
    vcpu->vmcb->rax = 7;
    assert_stores(0, 7, 4, 2);
    vcpu->vmcb->rax = 8;
    assert_stores(0, 8, 4, 2);
}

static void changed_code_is_seen(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    assert_stores(0, EAX, 4, 2);
    vcpu_model_code(vcpu, 0, STORE_ECX);
    assert_stores(0, ECX, 4, 2);
    vcpu_model_code(vcpu, 0, "8b 07"); /* a load: no answer to a write */
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
}

/* Of 15 bytes, the longest there are; the last four are the value. */
static void each_byte_of_a_long_move_counts(void **state)
{
    static const char text[] = "66 67 2e c7 84 88 01 02 03 04 21 43"; /* 12 of them */
    unsigned length = vcpu_model_code(vcpu, 0, text);
    uint8_t *code = memory_model_at(MODEL_CODE);

    (void)state;
    assert_stores(0, 0x4321, 2, length);
    assert_stores(0, 0x4321, 2, length);
    code[length - 1] = 0x65;
    assert_stores(0, 0x6521, 2, length);
    code[length - 2] = 0x87;
    assert_stores(0, 0x6587, 2, length);
    code[0] = 0x3e; /* not 16 bits wide any more: two bytes more */
    assert_stores(0, 0x6587, 4, length + 2);
    code[length] = 0xcc; /* these are the value's upper half now */
    assert_stores(0, 0xcc6587, 4, length + 2);
}

static void what_stands_behind_a_move_is_not_of_it(void **state)
{
    uint8_t *code = memory_model_at(MODEL_CODE);

    (void)state;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    for (unsigned i = 0; i < 256; i++) {
        memset(code + 2, (int)i, 16);
        assert_stores(0, EAX, 4, 2);
    }
}

static void code_may_lie_in_two_pages(void **state)
{
    (void)state;
    for (uint64_t offset = 0xff0; offset < 0x1000; offset++) {
        start(NULL);
        vcpu_model_code(vcpu, offset, "c7 04 25 b0 00 e0 fe 78 56 34 12");
        assert_stores(offset, 0x12345678, 4, 11);
        *(uint8_t *)memory_model_at(MODEL_CODE + offset + 10) = 0x22;
        assert_stores(offset, 0x22345678, 4, 11);
    }
}

static void code_may_end_with_the_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        vcpu_model_code(vcpu, MODEL_CODE_SIZE - 2, STORE_EAX);
        assert_stores(MODEL_CODE_SIZE - 2, EAX, 4, 2);
    }
}

/* The code that was there before lies where it lay, but nothing leads there. */
static void remapped_code_is_seen(void **state)
{
    uint64_t *pdpt = memory_model_at(PDPT);

    (void)state;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    put(OTHER, "\x89\x0f", 2);
    assert_stores(0, EAX, 4, 2);
    pdpt[0] |= 1ull << 30;
    assert_stores(0, ECX, 4, 2);
    pdpt[0] &= ~(1ull << 30);
    assert_stores(0, EAX, 4, 2);
    pdpt[0] = 0;
    vcpu->vmcb->rip = MODEL_CODE;
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
}

static void another_cr3_is_another_address(void **state)
{
    uint64_t *pml4 = memory_model_map(0x4000, 0x1000, MODEL_RAM);
    uint64_t *pdpt = memory_model_map(0x5000, 0x1000, MODEL_RAM);

    (void)state;
    pml4[0] = 0x5000 | PTE_P | PTE_RW;
    pdpt[0] = 1ull << 30 | PTE_P | PTE_RW | PTE_PS;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    put(OTHER, "\x89\x0f", 2);
    assert_stores(0, EAX, 4, 2);
    vcpu->vmcb->cr3 = 0x4000;
    assert_stores(0, ECX, 4, 2);
    vcpu->vmcb->cr3 = 0x1000;
    assert_stores(0, EAX, 4, 2);
}

/* 66h makes 16 bits of 32 and 32 of 16; REX.W is a DEC outside of 64-bit code. */
static void the_mode_counts_at_the_same_rip_and_cr3(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    vcpu_model_code(vcpu, 0, "66 89 07");
    assert_stores(0, (uint16_t)OLD, 2, 3);
    vcpu->vmcb->cs.attributes &= (uint16_t)~VMCB_SEG_D;
    vcpu_model_code(vcpu, 0, "66 89 07");
    assert_stores(0, EAX, 4, 3);
    vcpu->vmcb->cs.attributes |= VMCB_SEG_D;
    assert_stores(0, (uint16_t)OLD, 2, 3);

    vcpu_model_mode(vcpu, INSN_64);
    vcpu_model_code(vcpu, 0, "48 89 07");
    assert_stores(0, OLD, 8, 3);
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->vmcb->cs.attributes = VMCB_SEG_CODE64; /* 64-bit code in long mode alone */
    vcpu->vmcb->rip = MODEL_CODE;
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
}

static void paging_counts_at_the_same_rip_and_cr3(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    memset(memory_model_at(0x1000), 0, 0x1000);
    vcpu_model_code(vcpu, 0, STORE_EAX);
    assert_stores(0, EAX, 4, 2);
    assert_true(mode_write_cr0(vcpu, CR0_PE | CR0_PG)); /* no tables there: it isn't the same */
    vcpu->vmcb->rip = MODEL_CODE;
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
}

/* One table read in two ways: as PAE's and as that of 32-bit paging with its pages of 4 MiB. */
static void cr4_counts_at_the_same_rip_and_cr3(void **state)
{
    uint64_t *table = memory_model_at(0x1000);

    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->vmcb->cr0 |= CR0_PG;
    vcpu->vmcb->cr4 = CR4_PSE;
    table[0] = PTE_P | PTE_RW | PTE_PS;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    assert_stores(0, EAX, 4, 2);
    *(uint32_t *)memory_model_at(0x1004) = 0x12345; /* its neighbour is none of its business */
    assert_stores(0, EAX, 4, 2);
    table[0] |= 1u << 30;
    put(OTHER, "\x89\x0f", 2);
    assert_stores(0, ECX, 4, 2);
    vcpu->vmcb->cr4 = CR4_PAE;
    vcpu->vmcb->rip = MODEL_CODE;
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
}

static void the_segments_base_counts_at_the_same_rip(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_16);
    put(MODEL_CODE + 0x100, "\x89\x07", 2);
    put(MODEL_CODE + 0x200, "\x89\x0f", 2);
    vcpu->vmcb->cs.base = MODEL_CODE;
    vcpu->vmcb->rip = 0x100;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
    assert_int_equal(vdev_model.written, (uint16_t)OLD);
    vcpu->vmcb->cs.base = MODEL_CODE + 0x100;
    vcpu->vmcb->rip = 0x100;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WRITE, GPA));
    assert_int_equal(vdev_model.written, (uint16_t)(OLD + 1));
}

static void steps_trap_and_shadows_end_behind_a_remembered_move(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, STORE_EAX);
    for (unsigned i = 0; i < 3; i++) {
        vcpu->vmcb->interrupt_shadow = 1;
        vcpu->vmcb->rflags = i == 1 ? RFLAGS_TF : 0;
        assert_stores(0, EAX, 4, 2);
        assert_int_equal(vcpu->vmcb->interrupt_shadow, 0);
        assert_int_equal(vcpu->vmcb->eventinj, i == 1 ? MODEL_EXCEPTION(VECTOR_DB) : 0);
    }
}

/* More places than are remembered, loads and stores in turns, some with the same low bits. */
static void many_moves_take_turns(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 32; i++)
        vcpu_model_code(vcpu, 3 * i, i % 3 == 0 ? "8b 0f" : i % 3 == 1 ? STORE_ECX : STORE_EAX);
    vdev_model.reads_as = 0x5555;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 32; i++) {
            vcpu->gpr[RCX] = i;
            vcpu->vmcb->rip = MODEL_CODE + 3 * i;
            assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, i % 3 ? WRITE : READ, GPA));
            assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3 * i + 2);
            if (i % 3 == 0)
                assert_int_equal(vcpu->gpr[RCX], 0x5555);
            else
                assert_int_equal(vdev_model.written, i % 3 == 1 ? i : EAX);
        }
    }
}

/* Another domain's vCPU, with the same registers. */
static void each_vcpu_remembers_for_itself(void **state)
{
    struct vcpu *other = vcpu_model_init(VAULT);

    (void)state;
    vdev_model.answers = true;
    svm_set_gpr(other, RAX, 3);
    vcpu_model_code(other, 0, STORE_EAX);
    vcpu_model_code(vcpu, 0, STORE_EAX);
    assert_stores(0, EAX, 4, 2);
    assert_true(vcpu_model_exit(other, SVM_EXIT_NPF, WRITE, GPA));
    assert_int_equal(vdev_model.written, 3);
    assert_stores(0, EAX, 4, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_same_move_stores_what_is_in_its_register_now, start),
        cmocka_unit_test_setup(changed_code_is_seen, start),
        cmocka_unit_test_setup(each_byte_of_a_long_move_counts, start),
        cmocka_unit_test_setup(what_stands_behind_a_move_is_not_of_it, start),
        cmocka_unit_test_setup(code_may_lie_in_two_pages, start),
        cmocka_unit_test_setup(code_may_end_with_the_memory, start),
        cmocka_unit_test_setup(remapped_code_is_seen, start),
        cmocka_unit_test_setup(another_cr3_is_another_address, start),
        cmocka_unit_test_setup(the_mode_counts_at_the_same_rip_and_cr3, start),
        cmocka_unit_test_setup(paging_counts_at_the_same_rip_and_cr3, start),
        cmocka_unit_test_setup(cr4_counts_at_the_same_rip_and_cr3, start),
        cmocka_unit_test_setup(the_segments_base_counts_at_the_same_rip, start),
        cmocka_unit_test_setup(steps_trap_and_shadows_end_behind_a_remembered_move, start),
        cmocka_unit_test_setup(many_moves_take_turns, start),
        cmocka_unit_test_setup(each_vcpu_remembers_for_itself, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
