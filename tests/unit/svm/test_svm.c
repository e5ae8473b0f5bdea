/* What the world switch is given: a vCPU's first state, and the events that it takes. */
#include <string.h>

#include "hw/x86.h"
#include "models/vcpu_model.h"
#include "testing.h"

static struct vcpu *work, *vault;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    for (uint32_t i = 0; i < 2; i++) {
        image_model.domain[i].iopm = 0x12345000 + i;
        image_model.domain[i].msrpm = 0x23456000 + i;
        for (uint32_t word = 0; word < BH_INTERCEPT_WORDS; word++)
            image_model.domain[i].intercepts[word] = 0x01010101 * (word + 1) + i;
    }
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    return 0;
}

static void a_vcpu_has_the_rights_of_its_domain(void **state)
{
    const struct vcpu *vcpus[] = {[WORK] = work, [VAULT] = vault};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct vmcb *vmcb = vcpus[i]->vmcb;

        assert_memory_equal(vmcb->intercepts, image_model.domain[i].intercepts,
                            sizeof(vmcb->intercepts));
        assert_int_equal(vmcb->iopm_base_pa, 0x12345000 + i);
        assert_int_equal(vmcb->msrpm_base_pa, 0x23456000 + i);
        assert_int_equal(vmcb->np_enable, 1);
        assert_int_equal(vmcb->n_cr3, memory_model_root());
        assert_int_equal(vmcb->clean, 0);
        assert_int_equal(vmcb->lbr_virt, 0);
        assert_true(vmcb->efer & EFER_SVME);
        assert_ptr_equal(svm_vcpu_of(i, 0), vcpus[i]);
    }
    assert_ptr_not_equal(work->vmcb, vault->vmcb);
    assert_ptr_not_equal(work->host, vault->host);
    assert_null(svm_vcpu_of(2, 0));
    assert_null(svm_vcpu_of(WORK, 1));
    assert_null(svm_vcpu_of(BH_MAX_DOMAINS, 0));
    assert_null(svm_vcpu_of(WORK, BH_MAX_CORES));
    assert_null(svm_vcpu_of(UINT32_MAX, UINT32_MAX));
}

static void vcpus_of_a_domain_share_its_state_and_nothing_else(void **state)
{
    struct vcpu *second;
    const struct vcpu *after;

    (void)state;
    image_model.domain[WORK].ncores = 2;
    second = svm_init_vcpu(&image_model.header, WORK, 1, 2);
    after = svm_init_vcpu(&image_model.header, VAULT, 0, 1);
    assert_ptr_equal(svm_vcpu_of(WORK, 0), work);
    assert_ptr_equal(svm_vcpu_of(WORK, 1), second);
    assert_ptr_equal(svm_vcpu_of(VAULT, 0), after);
    assert_int_equal(work->slot, 0);
    assert_int_equal(second->slot, 1);
    assert_int_equal(after->slot, 2);
    assert_ptr_equal(second->shared, work->shared);
    assert_ptr_not_equal(after->shared, work->shared);
    assert_ptr_not_equal(second->vmcb, work->vmcb);
    assert_ptr_not_equal(second->vmcb, after->vmcb);
    assert_ptr_not_equal(second->host, work->host);
    assert_int_equal(second->vmcb->n_cr3, work->vmcb->n_cr3);
    assert_int_equal(second->cpu, 2);
}

/* V_INTR_MASKING (APM vol. 2, 15.21.1): the domain's IF and TPR don't hold the host's back. */
static void interrupts_are_the_hosts_where_they_are_virtual(void **state)
{
    (void)state;
    assert_int_equal(work->vmcb->v_intr, 0);
    assert_int_equal(work->take_interrupts, 0);
    assert_int_equal(vault->vmcb->v_intr, 1ull << 24);
    assert_int_equal(vault->take_interrupts, 1);
}

/* APM vol. 2, 8.2: #DF, #TS, #NP, #SS, #GP, #PF and #AC push an error code. */
static void exceptions_bring_the_error_codes_that_they_have(void **state)
{
    static const unsigned with_error[] = {8, 10, 11, 12, 13, 14, 17};

    (void)state;
    for (unsigned vector = 0; vector < 20; vector++) {
        uint64_t expected = MODEL_EXCEPTION(vector);

        for (unsigned i = 0; i < sizeof(with_error) / sizeof(with_error[0]); i++)
            if (vector == with_error[i])
                expected |= VMCB_EVENT_HAS_ERROR | 0x89abcdefull << 32;
        svm_inject_exception(work, vector, 0x89abcdef);
        assert_int_equal(work->vmcb->eventinj, expected);
    }
}

/* APM vol. 2, 8.6: real mode pushes FLAGS, CS and IP. An error code on top would be IP. */
static void real_mode_has_no_error_codes(void **state)
{
    (void)state;
    vcpu_model_mode(work, INSN_16);
    for (unsigned vector = 0; vector < 20; vector++) {
        svm_inject_exception(work, vector, 0x89abcdef);
        assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(vector));
    }
}

static void registers_are_found_by_their_encoding(void **state)
{
    (void)state;
    for (unsigned reg = 0; reg < GPRS; reg++)
        svm_set_gpr(work, reg, 0x1000 + reg);
    for (unsigned reg = 0; reg < GPRS; reg++)
        assert_int_equal(svm_get_gpr(work, reg), 0x1000 + reg);
    assert_int_equal(work->vmcb->rax, 0x1000);
    assert_int_equal(work->vmcb->rsp, 0x1004);
    assert_int_equal(work->gpr[RBP], 0x1005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_vcpu_has_the_rights_of_its_domain, start),
        cmocka_unit_test_setup(vcpus_of_a_domain_share_its_state_and_nothing_else, start),
        cmocka_unit_test_setup(interrupts_are_the_hosts_where_they_are_virtual, start),
        cmocka_unit_test_setup(exceptions_bring_the_error_codes_that_they_have, start),
        cmocka_unit_test_setup(real_mode_has_no_error_codes, start),
        cmocka_unit_test_setup(registers_are_found_by_their_encoding, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
