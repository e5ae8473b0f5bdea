/* Doorbells that core injects by V_IRQ into a domain that owns its interrupts (15.21.4). */
#include "testing.h"

#include "bulkhead/abi.h"
#include "core/exits/handlers.h"
#include "models/vcpu_model.h"

#define CR8_WRITE (1u << 24)
#define VINTR     (1u << 4)
#define VECTOR    0x61
#define FIELDS \
    (VMCB_V_IRQ | (uint64_t)VECTOR << VMCB_V_INTR_VECTOR_SHIFT | 6ull << VMCB_V_INTR_PRIO_SHIFT)

static struct vcpu *work, *vault;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    work = vcpu_model_init(WORK);
    vault = vcpu_model_init(VAULT);
    vcpu_model_code(work, 0, "f4");
    return 0;
}

static int64_t call(struct vcpu *vcpu, enum bh_call number, uint64_t rdi, uint64_t rsi)
{
    vcpu_model_code(vcpu, 0, "0f 01 d9");
    vcpu->vmcb->rax = BH_CALL | number;
    vcpu->gpr[RDI] = rdi;
    vcpu->gpr[RSI] = rsi;
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_VMMCALL, 0, 0));
    return (int64_t)vcpu->vmcb->rax;
}

static void choose(enum bh_bell_way way)
{
    assert_int_equal(call(work, BH_CALL_BELL, VECTOR, way), BH_OK);
}

/* Another core rings; work's leaves the domain by the NMI. */
static void ring(void)
{
    exits_ring(work, work->shared->bell);
    assert_true(vcpu_model_attend(work));
}

static bool watches_cr8(void)
{
    return work->vmcb->intercepts[BH_INTERCEPT_CR] & CR8_WRITE;
}

/* Returns with the handler's first instruction as the next. */
static void take(void)
{
    assert_true(work->vmcb->v_intr & VMCB_V_IRQ);
    work->vmcb->v_intr &= ~VMCB_V_IRQ;
    assert_true(vcpu_model_exit(work, SVM_EXIT_NMI, 0, 0));
    assert_int_equal(work->vmcb->v_intr & (VMCB_V_IRQ | VMCB_V_IGN_TPR), 0);
    assert_ptr_equal(work->handler, exits_handle);
    assert_false(watches_cr8());
}

static void the_domain_chooses_whether_cr8_is_asked(void **state)
{
    (void)state;
    choose(BH_BELL_INJECTED);
    ring();
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_ICR_NMI | APIC_ICR_ASSERT);
    assert_int_equal(work->vmcb->v_intr, FIELDS);
    assert_true(watches_cr8());
    take();
    choose(BH_BELL_INJECTED_ANY);
    vcpu_model_code(work, 0, "f4");
    work->vmcb->interrupt_shadow = 1;
    ring();
    assert_int_equal(work->vmcb->v_intr, FIELDS | VMCB_V_IGN_TPR);
    take();
}

static void a_real_interrupt_is_sent_as_before(void **state)
{
    (void)state;
    choose(BH_BELL_APIC);
    ring();
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].value,
                     APIC_MODE_FIXED | APIC_ICR_ASSERT | VECTOR);
    assert_int_equal(work->vmcb->v_intr, 0);
    assert_true(vcpu_model_exit(work, SVM_EXIT_NMI, 0, 0));
    assert_ptr_equal(work->handler, exits_handle);
}

static void what_rang_before_is_told(void **state)
{
    (void)state;
    work->shared->doorbells = 1;
    choose(BH_BELL_INJECTED);
    assert_true(vcpu_model_attend(work));
    assert_int_equal(work->vmcb->v_intr, FIELDS);
}

static void who_has_chosen_otherwise_since_gets_none(void **state)
{
    (void)state;
    choose(BH_BELL_INJECTED);
    exits_ring(work, work->shared->bell);
    work->shared->bell = VECTOR;
    assert_true(vcpu_model_attend(work));
    assert_int_equal(work->vmcb->v_intr, 0);
}

static void only_direct_domains_have_it_injected(void **state)
{
    (void)state;
    assert_int_equal(call(vault, BH_CALL_BELL, VECTOR, BH_BELL_INJECTED), BH_E_ARG);
    assert_int_equal(call(vault, BH_CALL_BELL, VECTOR, BH_BELL_INJECTED_ANY), BH_E_ARG);
    assert_int_equal(call(work, BH_CALL_BELL, VECTOR, BH_BELL_WAYS), BH_E_ARG);
    assert_int_equal(call(work, BH_CALL_BELL, VECTOR, 1ull << 32), BH_E_ARG);
    assert_int_equal(vault->shared->bell | work->shared->bell, 0);
}

static void a_delivery_that_was_cut_off_goes_on(void **state)
{
    uint64_t event = VMCB_EVENT_VALID | VMCB_EVENT_INTR | VECTOR;

    (void)state;
    choose(BH_BELL_INJECTED);
    ring();
    work->vmcb->v_intr &= ~VMCB_V_IRQ;
    work->vmcb->exitintinfo = event;
    assert_true(vcpu_model_exit(work, SVM_EXIT_SMI, 0, 0));
    assert_int_equal(work->vmcb->eventinj, event);
    assert_false(work->vmcb->v_intr & VMCB_V_IRQ);
}

static void what_is_held_back_stays(void **state)
{
    (void)state;
    choose(BH_BELL_INJECTED);
    ring();
    vcpu_model_code(work, 0, "44 0f 22 c0"); /* mov %rax, %cr8 */
    work->vmcb->rax = 7;
    assert_true(vcpu_model_exit(work, SVM_EXIT_CR8_WRITE, 0, 0));
    assert_int_equal(work->vmcb->v_intr, FIELDS | 7);
    assert_int_equal(cpu_model.apic_log.write[0].value, 0x70); /* TPR */
    assert_true(watches_cr8());
}

/* A HLT that it would end at once; QEMU would deliver it before that. */
static void a_halt_in_the_shadow_is_over(void **state)
{
    (void)state;
    choose(BH_BELL_INJECTED);
    vcpu_model_code(work, 0, "f4");
    work->vmcb->interrupt_shadow = 1;
    work->vmcb->rflags |= RFLAGS_IF;
    ring();
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 1);
    assert_int_equal(work->vmcb->interrupt_shadow, 0);
    take();
    vcpu_model_code(work, 0, "f4"); /* no shadow: the interrupt comes before it, as it would */
    ring();
    assert_int_equal(work->vmcb->rip, MODEL_CODE);
    take();
    vcpu_model_code(work, 0, "f4"); /* CR8 holds the interrupt back: the HLT goes on */
    work->vmcb->interrupt_shadow = 1;
    work->vmcb->v_intr |= VECTOR >> 4;
    ring();
    assert_int_equal(work->vmcb->rip, MODEL_CODE);
    take();
    choose(BH_BELL_INJECTED_ANY);
    vcpu_model_code(work, 0, "f4");
    work->vmcb->interrupt_shadow = 1;
    ring();
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 1);
    take();
    vcpu_model_code(work, 0, "90");
    work->vmcb->interrupt_shadow = 1;
    ring();
    assert_int_equal(work->vmcb->rip, MODEL_CODE);
    assert_int_equal(work->vmcb->interrupt_shadow, 1);
}

/* It comes once, and the next one is seen again; without core's help it would never come in. */
static void each_is_seen_before_it_is_taken_if_a_policy_wants_it(void **state)
{
    uint32_t *word = &work->vmcb->intercepts[BH_INTERCEPT_MISC1];

    (void)state;
    *word |= VINTR;
    image_model.domain[WORK].intercepts[BH_INTERCEPT_MISC1] |= VINTR;
    choose(BH_BELL_INJECTED);
    for (unsigned i = 0; i < 2; i++) {
        ring();
        assert_true(*word & VINTR);
        assert_true(vcpu_model_exit(work, SVM_EXIT_VINTR, 0, 0));
        assert_true(work->vmcb->v_intr & VMCB_V_IRQ);
        assert_false(*word & VINTR);
        take();
        assert_true(*word & VINTR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_domain_chooses_whether_cr8_is_asked, start),
        cmocka_unit_test_setup(a_real_interrupt_is_sent_as_before, start),
        cmocka_unit_test_setup(what_rang_before_is_told, start),
        cmocka_unit_test_setup(who_has_chosen_otherwise_since_gets_none, start),
        cmocka_unit_test_setup(only_direct_domains_have_it_injected, start),
        cmocka_unit_test_setup(a_delivery_that_was_cut_off_goes_on, start),
        cmocka_unit_test_setup(what_is_held_back_stays, start),
        cmocka_unit_test_setup(a_halt_in_the_shadow_is_over, start),
        cmocka_unit_test_setup(each_is_seen_before_it_is_taken_if_a_policy_wants_it, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
