/*
 * Page faults with shadow tables: what each outcome of core/mm/shadow.h comes to, and what becomes
 * of an event that was being delivered (APM vol. 2, 8.2.9 and 15.20).
 */
#include <string.h>

#include "hw/x86.h"
#include "models/console_model.h"
#include "models/shadow_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define LINEAR            0x00007ffff0010123ull
#define GPA               0xfec00010ull
#define OLD               0x1122334455667788ull
#define ERROR             0x17u /* the CPU's */
#define INT_N             (1u << 21)
#define ERROR_CODE(error) ((uint64_t)(error) << 32 | VMCB_EVENT_HAS_ERROR)

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    memset(&shadow_model, 0, sizeof(shadow_model));
    image_model.domain[WORK].paging = BH_PAGING_SHADOW;
    vcpu = vcpu_model_init(WORK);
    for (unsigned reg = 0; reg < GPRS; reg++)
        svm_set_gpr(vcpu, reg, OLD + reg);
    vcpu->vmcb->cr2 = 0x5555;
    vcpu_model_code(vcpu, 0, "8b 07");
    return 0;
}

static bool fault(enum shadow_outcome outcome, uint32_t error)
{
    shadow_model.faults = 0;
    shadow_model.result[0] = (struct shadow_result){outcome, error, GPA};
    return vcpu_model_exit(vcpu, SVM_EXIT_EXCEPTION_PF, ERROR, LINEAR);
}

static void the_engine_is_asked_with_the_domains_registers(void **state)
{
    (void)state;
    vcpu->vmcb->cpl = 3;
    vcpu->vmcb->rflags |= RFLAGS_AC;
    assert_true(fault(SHADOW_RETRY, 0));
    assert_int_equal(shadow_model.linear, LINEAR);
    assert_int_equal(shadow_model.error, ERROR);
    assert_int_equal(shadow_model.guest.cr0, CR0_PG | CR0_PE | CR0_ET);
    assert_int_equal(shadow_model.guest.cr3, vcpu->cr3);
    assert_int_not_equal(shadow_model.guest.cr3, vcpu->vmcb->cr3);
    assert_int_equal(shadow_model.guest.cr4, CR4_PAE);
    assert_int_equal(shadow_model.guest.efer, EFER_LME | EFER_LMA);
    assert_int_equal(shadow_model.guest.pat, PAT_DEFAULT);
    assert_false(shadow_model.guest.ac); /* user code has no access that AC would let pass */
    vcpu->vmcb->cpl = 0;
    assert_true(fault(SHADOW_RETRY, 0));
    assert_true(shadow_model.guest.ac);
    vcpu->vmcb->rflags &= ~(uint64_t)RFLAGS_AC;
    assert_true(fault(SHADOW_RETRY, 0));
    assert_false(shadow_model.guest.ac);
}

static void what_is_in_step_again_is_tried_again(void **state)
{
    (void)state;
    vcpu->vmcb->interrupt_shadow = 1;
    assert_true(fault(SHADOW_RETRY, 0));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
    assert_int_equal(vcpu->vmcb->interrupt_shadow, 1);
    assert_int_equal(vcpu->vmcb->eventinj, 0);
    assert_int_equal(vcpu->vmcb->cr2, 0x5555);
    assert_int_equal(svm_get_gpr(vcpu, RAX), OLD);
    assert_string_equal(console_text, "");
}

static void the_domains_own_fault_is_its_own(void **state)
{
    (void)state;
    assert_true(fault(SHADOW_PAGE_FAULT, 0x4));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(4));
    assert_int_equal(vcpu->vmcb->cr2, LINEAR);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
    assert_string_equal(console_text, "");
}

/* The same as for a nested page fault: test_npf. */
static void denied_memory_is_as_with_nested_paging(void **state)
{
    (void)state;
    assert_true(fault(SHADOW_DENIED, 0));
    assert_int_equal(svm_get_gpr(vcpu, RAX), 0xffffffff);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 2);
    vcpu_model_code(vcpu, 0, "89 07");
    assert_true(fault(SHADOW_DENIED, VMCB_NPF_WRITE));
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 2);
    assert_true(fault(SHADOW_DENIED, VMCB_NPF_FETCH));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_UD));
    assert_string_equal(console_text, "work: denied memory-read at 0xfec00010 (0x4)\n"
                                      "work: denied memory-write at 0xfec00010 (0xffffffff)\n"
                                      "work: denied memory-execute at 0xfec00010 (0x10002)\n");
    vdev_model.answers = true;
    vdev_model.reads_as = 0x12345678;
    vcpu_model_code(vcpu, 0, "8b 07");
    assert_true(fault(SHADOW_DENIED, 0));
    assert_int_equal(svm_get_gpr(vcpu, RAX), 0x12345678);
    assert_int_equal(vdev_model.address, GPA);
    vcpu_model_code(vcpu, 0, "87 07");
    assert_false(fault(SHADOW_DENIED, VMCB_NPF_WRITE));
    assert_non_null(strstr(console_text, "not by a plain move"));
}

/* What isn't there reads as ones, whose reserved bits are a fault: test_tables. */
static void tables_out_of_reach_are_the_domains_fault(void **state)
{
    (void)state;
    assert_true(fault(SHADOW_WALK_DENIED, 0x16));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(0xf));
    assert_int_equal(vcpu->vmcb->cr2, LINEAR);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
    assert_string_equal(console_text, "work: denied memory-read at 0xfec00010 (0x16)\n");
    vcpu->efer |= EFER_NXE;
    assert_true(fault(SHADOW_WALK_DENIED, 0x10));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(0x19));
}

static void tables_out_of_reach_at_a_delivery_stop_the_domain(void **state)
{
    (void)state;
    vcpu->vmcb->exitintinfo = MODEL_EXCEPTION(VECTOR_PF);
    assert_false(fault(SHADOW_WALK_DENIED, 0));
    assert_non_null(strstr(console_text, "work: denied memory-read at 0xfec00010"));
    assert_non_null(strstr(console_text, "its page tables lie in memory that it may not reach"));
}

static void an_interrupted_event_is_delivered_again(void **state)
{
    static const uint64_t events[] = {
        VMCB_EVENT_VALID | VMCB_EVENT_INTR | 0x30,      VMCB_EVENT_VALID | VMCB_EVENT_INTR | 8,
        VMCB_EVENT_VALID | VMCB_EVENT_NMI | VECTOR_NMI, MODEL_EXCEPTION(VECTOR_UD),
        MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(6),     MODEL_EXCEPTION(VECTOR_DF) | ERROR_CODE(0),
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        vcpu->vmcb->exitintinfo = events[i];
        assert_true(fault(SHADOW_RETRY, 0));
        assert_int_equal(vcpu->vmcb->eventinj, events[i]);
    }
    vcpu->vmcb->exitintinfo = 0x30; /* not valid: left over */
    assert_true(fault(SHADOW_RETRY, 0));
    assert_int_equal(vcpu->vmcb->eventinj, 0);
}

/* QEMU 7.2 reports a maskable interrupt so; VMRUN would refuse such an exception (15.20). */
static void an_exception_with_an_interrupts_vector_is_an_interrupt(void **state)
{
    (void)state;
    vcpu->vmcb->exitintinfo = MODEL_EXCEPTION(0x20);
    assert_true(fault(SHADOW_RETRY, 0));
    assert_int_equal(vcpu->vmcb->eventinj, VMCB_EVENT_VALID | VMCB_EVENT_INTR | 0x20);
}

/* Table 8-7: #PF after #PF is #DF, after #DF the end; after all others it comes by itself. */
static void faults_add_up_to_double_faults(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 32; first++) {
        start(NULL);
        vcpu->vmcb->exitintinfo = MODEL_EXCEPTION(first);
        if (first == VECTOR_DF) {
            assert_false(fault(SHADOW_PAGE_FAULT, 6));
            assert_non_null(strstr(console_text, "stopped: shutdown (triple fault)"));
            continue;
        }
        assert_true(fault(SHADOW_PAGE_FAULT, 6));
        assert_int_equal(vcpu->vmcb->eventinj, first == VECTOR_PF
                                                   ? MODEL_EXCEPTION(VECTOR_DF) | ERROR_CODE(0)
                                                   : MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(6));
        assert_int_equal(vcpu->vmcb->cr2, LINEAR);
    }
    for (unsigned type = 0; type < 8; type++) { /* interrupts, NMI, INTn: whatever the vector */
        if (type << VMCB_EVENT_TYPE_SHIFT == VMCB_EVENT_EXCEPTION)
            continue;
        vcpu->vmcb->exitintinfo = VMCB_EVENT_VALID | type << VMCB_EVENT_TYPE_SHIFT | VECTOR_PF;
        assert_true(fault(SHADOW_PAGE_FAULT, 6));
        assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(6));
    }
}

/* Any other fault of core's making while an exception is delivered: code that isn't there. */
static void benign_faults_never_double(void **state)
{
    (void)state;
    vcpu->vmcb->exitintinfo = MODEL_EXCEPTION(VECTOR_PF);
    assert_true(fault(SHADOW_DENIED, VMCB_NPF_FETCH));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_UD));
}

/* A policy that intercepts #PF with nested paging: the fault is the domain's. */
static void with_nested_paging_the_fault_is_the_domains(void **state)
{
    (void)state;
    image_model.domain[WORK].paging = BH_PAGING_NESTED;
    vcpu = vcpu_model_init(WORK);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_EXCEPTION_PF, 7, LINEAR));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(7));
    assert_int_equal(vcpu->vmcb->cr2, LINEAR);
    assert_int_equal(shadow_model.faults, 0);
}

static void invlpg_forgets_its_operand(void **state)
{
    (void)state;
    vcpu->gpr[RDI] = LINEAR;
    vcpu->vmcb->gs.base = 0x1000;
    vcpu_model_code(vcpu, 0, "0f 01 3f");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_INVLPG, 0, 0));
    assert_int_equal(shadow_model.invlpgs, 1);
    assert_int_equal(shadow_model.linear, LINEAR);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    assert_true(vcpu_model_flushed(vcpu));
    vcpu_model_code(vcpu, 0, "65 0f 01 7f 10");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_INVLPG, 0, 0));
    assert_int_equal(shadow_model.linear, LINEAR + 0x1010);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 5);
    vcpu_model_code(vcpu, 0, "0f a2");
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_INVLPG, 0, 0));
    assert_non_null(strstr(console_text, "its code changed"));
    image_model.domain[WORK].paging = BH_PAGING_NESTED;
    vcpu = vcpu_model_init(WORK);
    vcpu_model_code(vcpu, 0, "0f 01 3f");
    vcpu_model_flushed(vcpu);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_INVLPG, 0, 0));
    assert_int_equal(shadow_model.invlpgs, 2);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    assert_true(vcpu_model_flushed(vcpu));
}

#define OPERAND (MODEL_CODE + 0x1ffull)

static void smsw_and_lmsw_may_have_operands_in_memory(void **state)
{
    uint8_t *operand = (uint8_t *)memory_model_at(MODEL_CODE) + 0x1ff;

    (void)state;
    vcpu->gpr[RDI] = OPERAND;
    memset(operand - 1, 0xee, 4);
    vcpu_model_code(vcpu, 0, "0f 01 27"); /* SMSW */
    vcpu->vmcb->cpl = 3;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_CR0_READ, 0, 0));
    assert_memory_equal(operand - 1, ((uint8_t[]){0xee, CR0_PE | CR0_ET, 0, 0xee}), 4);
    assert_int_equal(shadow_model.faults, 2);
    assert_int_equal(shadow_model.error, 6); /* a write, by user code */
    assert_int_equal(shadow_model.linear, OPERAND + 1);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE + 3);
    vcpu->vmcb->cpl = 0;
    operand[0] = CR0_PE | CR0_TS;
    vcpu_model_code(vcpu, 0, "0f 01 37"); /* LMSW */
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_CR0_WRITE, 0, 0));
    assert_int_equal(vcpu->cr0, CR0_PG | CR0_PE | CR0_TS | CR0_ET);
    assert_int_equal(shadow_model.error, 0);
}

/* The second byte lies in another page. */
static void an_operand_that_faults_changes_nothing(void **state)
{
    uint8_t *operand = (uint8_t *)memory_model_at(MODEL_CODE) + 0x1ff;

    (void)state;
    vcpu->gpr[RDI] = OPERAND;
    operand[0] = 0xee;
    shadow_model.result[1] = (struct shadow_result){SHADOW_PAGE_FAULT, 2, 0};
    vcpu_model_code(vcpu, 0, "0f 01 27");
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_CR0_READ, 0, 0));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_PF) | ERROR_CODE(2));
    assert_int_equal(vcpu->vmcb->cr2, OPERAND + 1);
    assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
    assert_int_equal(operand[0], 0xee);
    vcpu->gpr[RDI] = 0x0000900000000000; /* not canonical */
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_CR0_READ, 0, 0));
    assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
    vcpu->gpr[RDI] = OPERAND;
    shadow_model.result[1] = (struct shadow_result){SHADOW_DENIED, 2, 0};
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_CR0_READ, 0, 0));
    assert_int_equal(operand[0], 0xee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_engine_is_asked_with_the_domains_registers, start),
        cmocka_unit_test_setup(what_is_in_step_again_is_tried_again, start),
        cmocka_unit_test_setup(the_domains_own_fault_is_its_own, start),
        cmocka_unit_test_setup(denied_memory_is_as_with_nested_paging, start),
        cmocka_unit_test_setup(tables_out_of_reach_are_the_domains_fault, start),
        cmocka_unit_test_setup(tables_out_of_reach_at_a_delivery_stop_the_domain, start),
        cmocka_unit_test_setup(an_interrupted_event_is_delivered_again, start),
        cmocka_unit_test_setup(an_exception_with_an_interrupts_vector_is_an_interrupt, start),
        cmocka_unit_test_setup(faults_add_up_to_double_faults, start),
        cmocka_unit_test_setup(benign_faults_never_double, start),
        cmocka_unit_test_setup(with_nested_paging_the_fault_is_the_domains, start),
        cmocka_unit_test_setup(invlpg_forgets_its_operand, start),
        cmocka_unit_test_setup(smsw_and_lmsw_may_have_operands_in_memory, start),
        cmocka_unit_test_setup(an_operand_that_faults_changes_nothing, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
