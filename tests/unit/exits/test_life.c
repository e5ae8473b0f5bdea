/* A domain's second vCPU: it waits for INIT and SIPI, takes what others ask, and ends with them. */
#include <string.h>

#include "core/audit/audit.h"
#include "core/exits/exits.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define NMI (VMCB_EVENT_VALID | VMCB_EVENT_NMI)

static struct vcpu *first, *second;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    image_model.domain[WORK].ncores = 2;
    image_model.domain[WORK].core[1] = 2;
    first = vcpu_model_init(WORK);
    second = vcpu_model_init_id(WORK, 1);
    return 0;
}

static void ask_for_sipi(struct vcpu *vcpu, uint32_t vector)
{
    vcpu->sipi_vector = vector;
    assert_true(svm_request(vcpu, SVM_REQUEST_SIPI));
}

static void send_sipi(struct vcpu *vcpu)
{
    if (model_sleeps == 2)
        ask_for_sipi(vcpu, 0x9a);
}

static void assert_real_segment(const struct vmcb_segment *segment, unsigned selector,
                                uint64_t base)
{
    assert_int_equal(segment->selector, selector);
    assert_int_equal(segment->base, base);
    assert_int_equal(segment->limit, 0xffff);
}

/* What the vCPU was before doesn't matter. */
static void dirty(struct vcpu *vcpu)
{
    struct vmcb kept = *vcpu->vmcb;

    memset(vcpu->gpr, 0xa5, sizeof(vcpu->gpr));
    memset(&vcpu->vmcb->es, 0xa5, sizeof(struct vmcb) - offsetof(struct vmcb, es));
    vcpu->vmcb->g_pat = kept.g_pat;
    vcpu->vmcb->eventinj = NMI;
    vcpu->vmcb->interrupt_shadow = 1;
    vcpu->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
}

/* APM vol. 2, 14.1.3, tables 14-1 and 14-2. */
static void init_leaves_the_architectures_state(void **state)
{
    const struct vmcb *v = second->vmcb;
    const struct vmcb_segment *data[] = {&v->ds, &v->es, &v->ss, &v->fs, &v->gs};

    (void)state;
    dirty(second);
    model_on_sleep = send_sipi;
    assert_true(vcpu_model_attend(second));
    assert_int_equal(v->cr0, 0x60000010);
    assert_int_equal(v->cr2 | v->cr3 | v->cr4, 0);
    assert_int_equal(second->efer, 0);
    assert_int_equal(v->efer, EFER_SVME);
    assert_int_equal(v->rflags, 2);
    assert_int_equal(v->dr6, 0xffff0ff0);
    assert_int_equal(v->dr7, 0x400);
    for (unsigned i = 0; i < 5; i++)
        assert_real_segment(data[i], 0, 0);
    assert_real_segment(&v->ldtr, 0, 0);
    assert_real_segment(&v->tr, 0, 0);
    assert_int_equal(v->gdtr.base | v->idtr.base, 0);
    assert_int_equal(v->gdtr.limit, 0xffff);
    assert_int_equal(v->idtr.limit, 0xffff);
    assert_int_equal(v->cpl, 0);
    assert_int_equal(v->eventinj, 0);
    assert_int_equal(v->interrupt_shadow, 0);
    for (unsigned reg = 0; reg < GPRS; reg++)
        assert_int_equal(svm_get_gpr(second, reg),
                         reg == RDX ? cpu_model_cpuid(CPUID_FEATURES, 0).eax : 0);
    assert_int_equal(v->g_pat, PAT_DEFAULT); /* no INIT changes it */
    assert_int_equal(vdev_model.resets, 1);
}

static void a_second_vcpu_waits_for_its_sipi(void **state)
{
    (void)state;
    model_on_sleep = send_sipi;
    assert_true(vcpu_model_attend(second));
    assert_int_equal(model_sleeps, 2);
    assert_real_segment(&second->vmcb->cs, 0x9a00, 0x9a000);
    assert_int_equal(second->vmcb->rip, 0);
    assert_string_equal(console_text, "work: CPU 1 starts on core 2\n");
}

static void a_first_vcpu_runs_at_once(void **state)
{
    (void)state;
    assert_int_equal(first->requests & SVM_REQUESTS_TOLD, 0);
    assert_false(first->waits);
}

static void a_running_vcpu_ignores_sipis(void **state)
{
    (void)state;
    first->vmcb->rip = 0x1234;
    ask_for_sipi(first, 0x9a);
    assert_true(vcpu_model_attend(first));
    assert_int_equal(first->vmcb->rip, 0x1234);
    assert_int_equal(first->requests, 0);
    assert_int_equal(model_sleeps, 0);
}

/* Who can send INIT again and again has it wait again and again, and core print nothing. */
static void init_stops_a_running_vcpu(void **state)
{
    (void)state;
    model_on_sleep = send_sipi;
    assert_true(vcpu_model_attend(second));
    for (unsigned i = 0; i < 100; i++) {
        console_clear();
        model_sleeps = 0;
        cpu_model.apic_sent.count = 0;
        second->vmcb->rip = 0x1234;
        assert_true(svm_request(second, SVM_REQUEST_INIT));
        assert_true(vcpu_model_attend(second));
        assert_int_equal(model_sleeps, 2);
        assert_int_equal(second->vmcb->rip, 0);
        assert_string_equal(console_text, "");
    }
}

static void a_sipi_before_an_init_is_lost(void **state)
{
    (void)state;
    ask_for_sipi(second, 0x55);
    assert_true(svm_request(second, SVM_REQUEST_INIT));
    model_on_sleep = send_sipi;
    assert_true(vcpu_model_attend(second));
    assert_int_equal(model_sleeps, 2);
    assert_int_equal(second->vmcb->cs.selector, 0x9a00);
}

/* Else what stands at address 0 of its memory would be the handler. */
static void an_nmi_that_comes_with_init_is_lost(void **state)
{
    (void)state;
    assert_true(svm_request(second, SVM_REQUEST_NMI));
    ask_for_sipi(second, 0x9a);
    assert_true(vcpu_model_attend(second));
    assert_int_equal(second->vmcb->eventinj, 0);
}

static void an_nmi_is_taken(void **state)
{
    (void)state;
    assert_true(svm_request(first, SVM_REQUEST_NMI));
    assert_true(vcpu_model_attend(first));
    assert_int_equal(first->vmcb->eventinj, NMI);
    assert_int_equal(first->requests, 0);
}

/* Who owns its interrupts is kicked by NMI, others by the interrupt that core takes for them. */
static void requests_kick(void **state)
{
    struct vcpu *vault = vcpu_model_init(VAULT);

    (void)state;
    svm_request(second, SVM_REQUEST_STOP);
    svm_request(vault, SVM_REQUEST_STOP);
    assert_int_equal(cpu_model.apic_sent.count, 2);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, 2);
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_ICR_NMI | APIC_ICR_ASSERT);
    assert_int_equal(cpu_model.apic_sent.write[1].reg, 1);
    assert_int_equal(cpu_model.apic_sent.write[1].value, VECTOR_WAKE);
}

/* The other one has left the domain by the time its devices are cut off. */
static void the_end_of_one_is_the_end_of_all(void **state)
{
    (void)state;
    second->requests = 0;
    second->parked = true; /* it is fast */
    assert_false(vcpu_model_exit(first, SVM_EXIT_SHUTDOWN, 0, 0));
    assert_int_equal(second->requests, SVM_REQUESTED | SVM_REQUEST_STOP);
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, 2);
    assert_int_equal(vdev_model.stops, 1);
    assert_true(first->parked);
    console_clear();
    second->parked = false;
    assert_false(vcpu_model_attend(second));
    assert_true(second->parked);
    assert_string_equal(console_text, "");
    assert_int_equal(vdev_model.stops, 1);
}

/* Another domain has the core meanwhile, and may be waiting for this one's other core likewise. */
static void one_that_waits_for_its_turn_is_off(void **state)
{
    (void)state;
    vcpu_model_reset();
    image_model.domain[WORK].ncores = 2;
    image_model.domain[WORK].interrupts = BH_VIRTUAL;
    image_model.domain[WORK].core[1] = image_model.domain[VAULT].core[0] = 2;
    vcpu_model_init(VAULT);
    first = vcpu_model_init(WORK);
    second = vcpu_model_init_id(WORK, 1);
    second->requests = 0;
    assert_false(vcpu_model_exit(first, SVM_EXIT_SHUTDOWN, 0, 0));
    assert_int_equal(second->requests, SVM_REQUEST_STOP | SVM_REQUESTED);
    assert_false(second->parked);
    assert_int_equal(cpu_model.apic_sent.count, 0);
    assert_int_equal(vdev_model.stops, 1);
}

/* It has been stopped in the meantime, and goes the same way, without a line. */
static void two_ends_are_told_once(void **state)
{
    (void)state;
    first->shared->stopped = true;
    assert_false(vcpu_model_exit(second, SVM_EXIT_SHUTDOWN, 0, 0));
    assert_string_equal(console_text, "");
    assert_int_equal(vdev_model.stops, 0);
    assert_true(second->parked);
}

static void a_vcpu_that_waits_ends_too(void **state)
{
    (void)state;
    first->shared->stopped = true;
    assert_false(vcpu_model_attend(second));
    assert_true(second->parked);
}

static void stop_domain(struct vcpu *vcpu)
{
    vcpu->shared->stopped = true;
    svm_request(vcpu, SVM_REQUEST_STOP);
}

static void a_sleep_for_a_doorbell_ends_for_requests(void **state)
{
    struct vcpu *vault = vcpu_model_init(VAULT);

    (void)state;
    vcpu_model_code(vault, 0, "f4");
    model_on_sleep = stop_domain;
    assert_false(vcpu_model_exit(vault, SVM_EXIT_HLT, 0, 0));
    assert_true(vault->parked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(init_leaves_the_architectures_state, start),
        cmocka_unit_test_setup(a_second_vcpu_waits_for_its_sipi, start),
        cmocka_unit_test_setup(a_first_vcpu_runs_at_once, start),
        cmocka_unit_test_setup(a_running_vcpu_ignores_sipis, start),
        cmocka_unit_test_setup(init_stops_a_running_vcpu, start),
        cmocka_unit_test_setup(a_sipi_before_an_init_is_lost, start),
        cmocka_unit_test_setup(an_nmi_that_comes_with_init_is_lost, start),
        cmocka_unit_test_setup(an_nmi_is_taken, start),
        cmocka_unit_test_setup(requests_kick, start),
        cmocka_unit_test_setup(the_end_of_one_is_the_end_of_all, start),
        cmocka_unit_test_setup(one_that_waits_for_its_turn_is_off, start),
        cmocka_unit_test_setup(two_ends_are_told_once, start),
        cmocka_unit_test_setup(a_vcpu_that_waits_ends_too, start),
        cmocka_unit_test_setup(a_sleep_for_a_doorbell_ends_for_requests, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
