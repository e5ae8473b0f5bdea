/*
 * Stores to the local APIC by which a domain comes again and again: core carries them out straight
 * away while all that they hang on is what it was. test_moves shows that what has changed is done
 * as it stands there now; here, that each such thing is looked at, and that the straight way is
 * taken at all.
 */
#include <stdio.h>
#include <string.h>

#include "core/exits/handlers.h"
#include "core/exits/moves.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/shadow_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define WRITE    (1ull << 32 | 4 | VMCB_NPF_WRITE)
#define APIC     0xfee00000ull
#define EOI      (APIC + 0xb0)
#define OLD      0x1122334455667788ull
#define PDPT     0x2000ull /* vcpu_model.c's, 1-GiB pages */
#define PF_WRITE 2u
#define LINEAR   (EOI + (1ull << 32)) /* with shadow tables: what leads to the EOI register */

static struct vcpu *vcpu;

static void make(enum bh_paging paging)
{
    uint64_t *pdpt;

    vcpu_model_reset();
    memset(&shadow_model, 0, sizeof(shadow_model));
    image_model.domain[WORK].paging = (uint8_t)paging;
    vcpu = vcpu_model_init(WORK);
    vdev_model.answers = true;
    for (unsigned reg = 0; reg < GPRS; reg++)
        svm_set_gpr(vcpu, reg, OLD + reg);
    pdpt = memory_model_at(PDPT);
    pdpt[7] = 3ull << 30 | PTE_P | PTE_RW | PTE_PS;
    cpu_model.cpuid[0].leaf = CPUID_FEATURES;
    cpu_model.cpuid[0].answer.edx = ~0u; /* what CR4 may have */
}

static int start(void **state)
{
    (void)state;
    make(BH_PAGING_NESTED);
    return 0;
}

static int start_shadowed(void **state)
{
    (void)state;
    make(BH_PAGING_SHADOW);
    return 0;
}

/* The store at MODEL_CODE; returns whether core went straight. */
static bool store(uint64_t code, uint64_t info, uint64_t address)
{
    unsigned before = vdev_model.straight;

    vcpu->vmcb->rip = MODEL_CODE - vcpu->vmcb->cs.base;
    shadow_model.faults = 0;
    shadow_model.result[0] = (struct shadow_result){SHADOW_DENIED, VMCB_NPF_WRITE, EOI};
    assert_true(vcpu_model_exit(vcpu, code, info, address));
    return vdev_model.straight == before + 1;
}

static bool store_nested(void)
{
    return store(SVM_EXIT_NPF, WRITE, EOI);
}

static bool store_shadowed(void)
{
    return store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, LINEAR);
}

static void each_register_is_stored_as_it_is_now(void **state)
{
    char code[16];

    (void)state;
    for (unsigned reg = 0; reg < GPRS; reg++) {
        start(NULL);
        snprintf(code, sizeof(code), "%02x 89 %02x", 0x40 | reg >> 3 << 2, 7 | (reg & 7) << 3);
        vcpu_model_code(vcpu, 0, code);
        assert_false(store_nested());
        assert_int_equal(vdev_model.written, (uint32_t)(OLD + reg));
        svm_set_gpr(vcpu, reg, reg * 0x0101010101010101ull);
        vcpu->vmcb->interrupt_shadow = 1;
        assert_true(store_nested());
        assert_int_equal(vdev_model.written, (uint32_t)(reg * 0x0101010101010101ull));
        assert_int_equal(vdev_model.address, EOI);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
        assert_int_equal(vcpu->vmcb->interrupt_shadow, 0);
    }
}

static void other_registers_of_the_apic_go_straight_too(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_nested());
    for (uint64_t offset = 0; offset < 0x1000; offset++) {
        assert_true(store(SVM_EXIT_NPF, WRITE, APIC + offset));
        assert_int_equal(vdev_model.address, APIC + offset);
    }
}

static void immediates_go_straight_in_all_modes(void **state)
{
    static const struct {
        enum insn_mode mode;
        const char *code;
        unsigned length;
    } cases[] = {
        {INSN_64, "c7 07 78 56 34 92", 6},
        {INSN_32, "c7 07 78 56 34 92", 6},
        {INSN_16, "66 c7 05 78 56 34 92", 7},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(state);
        vcpu_model_mode(vcpu, cases[i].mode);
        vcpu_model_code(vcpu, 0, cases[i].code);
        assert_false(store_nested());
        assert_true(store_nested());
        assert_int_equal(vdev_model.written, 0x92345678);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + cases[i].length);
    }
}

/* A segment that begins far behind its code: the sum wraps, RIP doesn't. */
static void code_may_lie_before_its_segment(void **state)
{
    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    vcpu->vmcb->cs.base = MODEL_CODE - 0xffffff00ull;
    vcpu_model_code(vcpu, 0, "89 07");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(store_nested(), i != 0);
        assert_int_equal(vcpu->vmcb->rip, 0xffffff02);
    }
}

static void other_stores_go_the_long_way(void **state)
{
    static const char *const codes[] = {"88 07", "66 89 07", "48 89 07",
                                        "c7 04 25 b0 00 e0 fe 78 56 34 12"};

    (void)state;
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        vcpu_model_code(vcpu, 0, codes[i]);
        for (unsigned round = 0; round < 3; round++)
            assert_false(store_nested());
    }
    vcpu_model_code(vcpu, 0, "89 07");
    for (unsigned round = 0; round < 3; round++)
        assert_false(store(SVM_EXIT_NPF, WRITE, 0xfec00010));
    vcpu = vcpu_model_init(VAULT); /* its interrupts are core's */
    vdev_model.answers = true;
    vcpu_model_code(vcpu, 0, "89 07");
    for (unsigned round = 0; round < 3; round++)
        assert_false(store_nested());
}

/* CR4 decides there how tables are read, and core doesn't see each change of it. */
static void paging_of_32_bits_goes_the_long_way(void **state)
{
    uint64_t *table = memory_model_at(0x1000);

    (void)state;
    vcpu_model_mode(vcpu, INSN_32);
    table[0] = PTE_P | PTE_RW | PTE_PS;
    vcpu->vmcb->cr4 = CR4_PSE;
    assert_true(mode_write_cr0(vcpu, CR0_PE | CR0_PG));
    vcpu_model_code(vcpu, 0, "89 07");
    for (unsigned round = 0; round < 3; round++)
        assert_false(store_nested());
}

/* What one change does: all is as it was again afterwards. */
static void change(unsigned number)
{
    struct vmcb *vmcb = vcpu->vmcb;
    uint64_t *pdpt = memory_model_at(PDPT), *entry[] = {memory_model_at(0x1000), pdpt, pdpt + 7};

    switch (number) {
    case 0:
        vmcb->cs.attributes ^= 0x80; /* none that means something to a decoder */
        return;
    case 1:
        vmcb->rflags ^= RFLAGS_TF;
        return;
    case 2:
        vmcb->exitintinfo ^= VMCB_EVENT_VALID | VMCB_EVENT_INTR | 0x30;
        return;
    case 3:
        vdev_model.news ^= 1;
        return;
    case 4:
    case 5:
    case 6:
        *entry[number - 4] ^= PTE_A;
        return;
    case 7:
        vmcb->rflags ^= RFLAGS_AC;
        return;
    default:
        fail_msg("no such change: %u", number);
    }
}

static void assert_looked_at(unsigned number, bool (*do_store)(void))
{
    uint64_t code = vcpu->shadow ? SVM_EXIT_EXCEPTION_PF : SVM_EXIT_NPF;

    assert_true(do_store());
    change(number);
    if (number == 2) { /* core answers no store while an event is on its way */
        vcpu->vmcb->rip = MODEL_CODE;
        assert_false(vcpu_model_exit(vcpu, code, vcpu->shadow ? PF_WRITE : WRITE,
                                     vcpu->shadow ? LINEAR : EOI));
        return;
    }
    assert_false(do_store());
    change(number);
    vcpu->vmcb->eventinj = 0;
    do_store();
}

static void all_that_a_store_hangs_on_is_looked_at(void **state)
{
    static const unsigned order[] = {0, 1, 3, 4, 5, 2};

    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_nested());
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        assert_looked_at(order[i], store_nested);
}

static void another_kind_of_access_is_looked_at(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_nested());
    assert_false(store(SVM_EXIT_NPF, WRITE ^ 1, EOI));
    assert_true(store(SVM_EXIT_NPF, WRITE ^ 1, EOI));
    assert_false(store(SVM_EXIT_NPF, WRITE ^ 1, EOI + 0x1000));
    assert_false(store(SVM_EXIT_NPF, WRITE ^ 1, EOI - 0x1000));
    assert_true(store(SVM_EXIT_NPF, WRITE ^ 1, EOI));
}

/* Modes change in core's hands: the same RIP and CR3 may lead elsewhere then. */
static void a_change_of_mode_forgets(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_nested());
    assert_true(store_nested());
    assert_true(mode_write_cr0(vcpu, vcpu->vmcb->cr0 ^ CR0_WP));
    assert_false(store_nested());
    assert_true(store_nested());
    assert_true(mode_write_efer(vcpu, vcpu->efer ^ EFER_NXE));
    assert_false(store_nested());
    assert_true(store_nested());
    assert_true(mode_write_cr4(vcpu, vcpu->vmcb->cr4 ^ CR4_PGE));
    assert_false(store_nested());
    assert_true(store_nested());
    assert_true(mode_write_cr0(vcpu, vcpu->vmcb->cr0 ^ CR0_TS));
    assert_true(store_nested());
}

static void shadow_tables_need_no_walk_again(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_shadowed());
    assert_int_equal(shadow_model.faults, 1);
    for (uint64_t i = 0; i < 3; i++) {
        vcpu->vmcb->rax = i;
        assert_true(store_shadowed());
        assert_int_equal(shadow_model.faults, 0);
        assert_int_equal(vdev_model.written, i);
        assert_int_equal(vdev_model.address, EOI);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 2);
    }
    assert_string_equal(console_text, "");
}

static void all_that_shadow_tables_answer_by_is_looked_at(void **state)
{
    static const unsigned order[] = {0, 1, 3, 4, 5, 6, 7, 2};

    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_shadowed());
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        assert_looked_at(order[i], store_shadowed);
}

/* Another linear address that leads there, by another entry, or somewhere else. */
static void another_linear_address_is_another_operand(void **state)
{
    uint64_t *pdpt = memory_model_at(PDPT);

    (void)state;
    pdpt[3] = pdpt[7];
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_shadowed());
    assert_true(store_shadowed());
    assert_false(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, EOI));
    assert_true(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, EOI));
    assert_false(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE | 4, EOI)); /* by a user */
    pdpt[3] = 0; /* what the engine says doesn't matter: core looks itself */
    assert_false(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE | 4, EOI));
    assert_false(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE | 4, EOI));
}

/* Another process: its topmost table is another one, but the kernel's entry there is the same. */
static void assert_another_process(bool (*do_store)(void))
{
    uint64_t *pml4 = memory_model_map(0x4000, 0x1000, MODEL_RAM);

    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(do_store());
    memcpy(pml4, memory_model_at(0x1000), 0x1000);
    for (unsigned i = 0; i < 4; i++) {
        vcpu->cr3 = i % 2 ? 0x1000 : 0x4000;
        if (!vcpu->shadow)
            vcpu->vmcb->cr3 = vcpu->cr3;
        vcpu->vmcb->rax = i;
        assert_true(do_store());
        assert_int_equal(vdev_model.written, i);
        assert_int_equal(shadow_model.faults, 0);
    }
    pml4[0] ^= PTE_A;
    vcpu->cr3 = 0x4000;
    if (!vcpu->shadow)
        vcpu->vmcb->cr3 = vcpu->cr3;
    assert_false(do_store());
    assert_true(do_store());
    vcpu->cr3 = 0x5000; /* nothing is there */
    if (!vcpu->shadow)
        vcpu->vmcb->cr3 = vcpu->cr3;
    assert_true(exits_adopt_store(vcpu) == NULL);
}

static void another_process_has_the_same_kernel(void **state)
{
    (void)state;
    assert_another_process(store_nested);
}

static void another_process_has_the_same_kernel_on_shadow_tables(void **state)
{
    (void)state;
    assert_another_process(store_shadowed);
}

/* Its code is the same, but not what lies where the store goes. */
static void another_process_has_another_operand(void **state)
{
    const uint64_t far = LINEAR + (1ull << 39); /* the second entry of the topmost table */
    uint64_t *pml4 = memory_model_at(0x1000);
    uint64_t *other = memory_model_map(0x4000, 0x1000, MODEL_RAM);

    (void)state;
    pml4[1] = pml4[0];
    memcpy(other, pml4, 0x1000);
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, far));
    assert_true(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, far));
    vcpu->cr3 = 0x4000;
    assert_true(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, far));
    other[1] = 0;
    assert_false(store(SVM_EXIT_EXCEPTION_PF, PF_WRITE, far));
}

static void a_domains_own_write_of_cr3_forgets_nothing(void **state)
{
    (void)state;
    vcpu_model_code(vcpu, 0, "89 07");
    assert_false(store_shadowed());
    assert_true(mode_write_cr3(vcpu, vcpu->cr3));
    assert_true(store_shadowed());
    assert_true(mode_write_cr4(vcpu, vcpu->cr4 ^ CR4_PGE));
    assert_false(store_shadowed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_register_is_stored_as_it_is_now, start),
        cmocka_unit_test_setup(other_registers_of_the_apic_go_straight_too, start),
        cmocka_unit_test_setup(immediates_go_straight_in_all_modes, start),
        cmocka_unit_test_setup(code_may_lie_before_its_segment, start),
        cmocka_unit_test_setup(other_stores_go_the_long_way, start),
        cmocka_unit_test_setup(paging_of_32_bits_goes_the_long_way, start),
        cmocka_unit_test_setup(all_that_a_store_hangs_on_is_looked_at, start),
        cmocka_unit_test_setup(another_kind_of_access_is_looked_at, start),
        cmocka_unit_test_setup(a_change_of_mode_forgets, start),
        cmocka_unit_test_setup(shadow_tables_need_no_walk_again, start_shadowed),
        cmocka_unit_test_setup(all_that_shadow_tables_answer_by_is_looked_at, start_shadowed),
        cmocka_unit_test_setup(another_linear_address_is_another_operand, start_shadowed),
        cmocka_unit_test_setup(another_process_has_the_same_kernel, start),
        cmocka_unit_test_setup(another_process_has_the_same_kernel_on_shadow_tables,
                               start_shadowed),
        cmocka_unit_test_setup(another_process_has_another_operand, start_shadowed),
        cmocka_unit_test_setup(a_domains_own_write_of_cr3_forgets_nothing, start_shadowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
