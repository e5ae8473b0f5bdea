/*
 * A domain's own page tables in memory that it may not reach, found by a nested page fault: which
 * access of its instruction went over them, and the page fault that this is.
 */
#include <string.h>

#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define WALK   (VMCB_NPF_WALK | 7) /* EXITINFO1 as CPUs say it, whatever the access was */
#define AWAY   0x12345000ull       /* where nothing is; a table there is a PDPT's for HALF */
#define HALF   (1ull << 39)        /* linear: PML4 entry 1 */
#define TABLES 0x00200000ull
#define ENTRY  8 /* of AWAY, by an address just above HALF */
#define P_RSVD 9u
#define W      2u
#define U      4u
#define ID     16u

static struct vcpu *vcpu;
static uint64_t *pml4;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    vcpu = vcpu_model_init(WORK);
    pml4 = memory_model_map(TABLES, 0x1000, MODEL_RAM);
    pml4[0] = *(uint64_t *)memory_model_at(vcpu->vmcb->cr3);
    pml4[1] = AWAY | PTE_P | PTE_RW;
    vcpu->vmcb->cr3 = TABLES;
    return 0;
}

static void assert_faults(const char *code, uint64_t linear, uint32_t error)
{
    uint64_t rip, rax = svm_get_gpr(vcpu, RAX);

    console_text[0] = '\0';
    vcpu->vmcb->cr2 = 0;
    if (code)
        vcpu_model_code(vcpu, 0, code);
    rip = vcpu->vmcb->rip;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WALK, AWAY + ENTRY));
    assert_int_equal(vcpu->vmcb->eventinj,
                     MODEL_EXCEPTION(VECTOR_PF) | VMCB_EVENT_HAS_ERROR | (uint64_t)error << 32);
    assert_int_equal(vcpu->vmcb->cr2, linear);
    assert_int_equal(vcpu->vmcb->rip, rip);
    assert_int_equal(svm_get_gpr(vcpu, RAX), rax);
    assert_int_equal(vdev_model.accesses, 0);
    assert_non_null(strstr(console_text, "work: denied memory-read at 0x12345008"));
}

static void assert_stops(const char *code)
{
    start(NULL);
    svm_set_gpr(vcpu, RDI, HALF + 0x123);
    vcpu_model_code(vcpu, 0, code);
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WALK, AWAY));
    assert_non_null(strstr(console_text, "work: denied memory-read at 0x12345000"));
    assert_non_null(strstr(console_text, "its page tables lie in memory that it may not reach"));
}

static void a_moves_operand_is_a_page_fault(void **state)
{
    (void)state;
    svm_set_gpr(vcpu, RDI, HALF + 0x123);
    assert_faults("8b 07", HALF + 0x123, P_RSVD);
    assert_faults("89 07", HALF + 0x123, P_RSVD | W);
    assert_faults("c6 47 01 05", HALF + 0x124, P_RSVD | W);
    vcpu->vmcb->cpl = 3;
    assert_faults("8b 07", HALF + 0x123, P_RSVD | U);
    assert_faults("48 a3 00 00 00 00 80 00 00 00", HALF, P_RSVD | U | W);
}

static void an_operand_that_begins_before_faults_where_it_comes_there(void **state)
{
    (void)state;
    svm_set_gpr(vcpu, RDI, HALF - 3);
    assert_faults("8b 07", HALF, P_RSVD);
}

static void code_is_a_page_fault_at_rip(void **state)
{
    (void)state;
    vcpu->vmcb->rip = HALF + 0x10;
    assert_faults(NULL, HALF + 0x10, P_RSVD);
    vcpu->efer |= EFER_NXE; /* now a fetch is told of */
    assert_faults(NULL, HALF + 0x10, P_RSVD | ID);
    vcpu->efer &= ~(uint64_t)EFER_NXE;
    vcpu->vmcb->cr4 |= CR4_SMEP;
    assert_faults(NULL, HALF + 0x10, P_RSVD | ID);
}

static void tables_of_each_level_are_found(void **state)
{
    uint64_t *pdpt = memory_model_map(TABLES + 0x1000, 0x1000, MODEL_RAM);
    uint64_t *directory = memory_model_map(TABLES + 0x2000, 0x1000, MODEL_RAM);

    (void)state;
    svm_set_gpr(vcpu, RDI, HALF);
    pml4[1] = (TABLES + 0x1000) | PTE_P;
    pdpt[0] = AWAY | PTE_P;
    assert_faults("8b 07", HALF, P_RSVD);
    pdpt[0] = (TABLES + 0x2000) | PTE_P;
    directory[0] = AWAY | PTE_P;
    assert_faults("8b 07", HALF, P_RSVD);
    directory[0] = (TABLES + 0x2000) | PTE_P;
    directory[1] = AWAY | PTE_P | PTE_PS; /* a page is no table */
    svm_set_gpr(vcpu, RDI, HALF + LARGE_PAGE_SIZE);
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WALK, AWAY));
}

static void the_root_itself_is_found(void **state)
{
    (void)state;
    vcpu->vmcb->cr3 = AWAY;
    assert_faults("8b 07", MODEL_CODE, P_RSVD);
}

static void what_core_does_not_see_stops_the_domain(void **state)
{
    (void)state;
    assert_stops("01 07");
    assert_stops("87 07");
    assert_stops("8b 06"); /* another address */
    assert_stops("f3 a5");
    start(NULL);
    svm_set_gpr(vcpu, RDI, HALF);
    vcpu_model_code(vcpu, 0, "8b 07");
    vcpu->vmcb->exitintinfo = MODEL_EXCEPTION(VECTOR_PF); /* a stack, or its tables */
    assert_false(vcpu_model_exit(vcpu, SVM_EXIT_NPF, WALK, AWAY));
    assert_non_null(strstr(console_text, "its page tables lie in memory that it may not reach"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_moves_operand_is_a_page_fault, start),
        cmocka_unit_test_setup(an_operand_that_begins_before_faults_where_it_comes_there, start),
        cmocka_unit_test_setup(code_is_a_page_fault_at_rip, start),
        cmocka_unit_test_setup(tables_of_each_level_are_found, start),
        cmocka_unit_test_setup(the_root_itself_is_found, start),
        cmocka_unit_test_setup(what_core_does_not_see_stops_the_domain, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
