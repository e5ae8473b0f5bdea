/* A domain's writes to the page of its local APIC, by the moves that it makes them with. */
#include <string.h>

#include "core/audit/audit.h"
#include "core/vdev/vdev.h"
#include "hw/apic.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define WRITE     (1ull << 32 | 4 | VMCB_NPF_WRITE)
#define OWN_ID    2u
#define OTHER_ID  5u /* of the domain's second core */
#define STORE_EAX "89 07"

static struct vcpu *work, *second;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    cpu_areas[0].cpu.apic_id = OWN_ID;
    cpu_areas[2].cpu.apic_id = OTHER_ID;
    cpu_model.apic[APIC_LDR / 4] = 1u << 24;
    cpu_model.apic[APIC_DFR / 4] = 0xffffffff;
    image_model.domain[WORK].ncores = 2;
    image_model.domain[WORK].core[1] = 2;
    work = vcpu_model_init(WORK);
    second = vcpu_model_init_id(WORK, 1);
    second->requests = 0;
    return 0;
}

static void write_apic(uint32_t offset, uint32_t value)
{
    vcpu_model_code(work, 0, STORE_EAX);
    work->vmcb->rax = value;
    assert_true(vcpu_model_exit(work, SVM_EXIT_NPF, WRITE, APIC_BASE_DEFAULT + offset));
    assert_int_equal(work->vmcb->rip, MODEL_CODE + 2);
}

static void assert_written(unsigned n, uint32_t offset, uint32_t value)
{
    assert_true(n < cpu_model.apic_log.count);
    assert_int_equal(cpu_model.apic_log.write[n].reg, offset);
    assert_int_equal(cpu_model.apic_log.write[n].value, value);
}

static void ordinary_registers_are_written(void **state)
{
    (void)state;
    write_apic(APIC_EOI, 0);
    write_apic(APIC_TPR, 0xffffff20);
    write_apic(APIC_LVT_TIMER, 0x20031);
    write_apic(0x380, 0x12345678);
    assert_int_equal(cpu_model.apic_log.count, 4);
    assert_written(0, APIC_EOI, 0);
    assert_written(1, APIC_TPR, 0x20);
    assert_written(2, APIC_LVT_TIMER, 0x20031);
    assert_written(3, 0x380, 0x12345678);
    assert_string_equal(console_text, "");
}

static void forbidden_local_interrupts_are_written_masked(void **state)
{
    (void)state;
    write_apic(APIC_LVT_LINT0, 0x700); /* ExtINT */
    assert_written(0, APIC_LVT_LINT0, APIC_LVT_MASKED);
    assert_string_equal(console_text, "work: denied apic-write at 0x350 (0x700)\n");
}

static void other_registers_are_left_alone(void **state)
{
    (void)state;
    write_apic(0x030, 0);
    write_apic(0x400, 1); /* extended registers */
    write_apic(0x304, 0); /* between two registers */
    assert_int_equal(cpu_model.apic_log.count, 0);
    assert_non_null(strstr(console_text, "work: denied apic-write at 0x30 (0x0)\n"));
    write_apic(APIC_ID, 0);
    assert_non_null(strstr(console_text, "work: denied apic-write at 0x20 (0x0)\n"));
    write_apic(0x2f0, APIC_LVT_MASKED); /* quietly: systems write it before they know */
    assert_null(strstr(console_text, "at 0x2f0"));
    assert_int_equal(cpu_model.apic_log.count, 0);
}

static void accesses_of_other_sizes_are_denied(void **state)
{
    static const char *const code[] = {"88 07", "66 89 07", "48 89 07"};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        vcpu_model_code(work, 0, code[i]);
        assert_true(vcpu_model_exit(work, SVM_EXIT_NPF, WRITE, APIC_BASE_DEFAULT + APIC_ICR_LOW));
    }
    write_apic(APIC_ICR_LOW + 2, APIC_ICR_SELF | 0x31); /* and unaligned ones */
    assert_int_equal(cpu_model.apic_log.count, 0);
    assert_non_null(strstr(console_text, "work: denied memory-write at 0xfee00300"));
    assert_non_null(strstr(console_text, "work: denied memory-write at 0xfee00302"));
}

static void an_ipi_to_itself_is_sent_as_such(void **state)
{
    (void)state;
    write_apic(APIC_ICR_HIGH, OWN_ID << 24 | 0xffffff);
    assert_int_equal(cpu_model.apic_log.count, 0); /* core uses the real one */
    write_apic(APIC_ICR_LOW, APIC_ICR_LEVEL | APIC_ICR_ASSERT | 0x31);
    assert_int_equal(cpu_model.apic_log.count, 1);
    assert_written(0, APIC_ICR_LOW, APIC_ICR_SELF | 0x31);
    assert_string_equal(console_text, "");
}

static void an_ipi_to_others_is_denied(void **state)
{
    (void)state;
    write_apic(APIC_ICR_HIGH, 1u << 24);
    write_apic(APIC_ICR_LOW, 0x31);
    write_apic(APIC_ICR_LOW, APIC_ICR_NMI);
    write_apic(APIC_ICR_LOW, APIC_ICR_INIT | APIC_ICR_ASSERT);
    write_apic(APIC_ICR_LOW, APIC_ICR_STARTUP | 8);
    assert_int_equal(cpu_model.apic_log.count, 0);
    assert_int_equal(cpu_model.apic_sent.count, 0);
    assert_int_equal(work->vmcb->eventinj, 0);
    assert_string_equal(console_text, "work: denied ipi at 0x100000000000031 (0x0)\n"
                                      "work: denied ipi at 0x100000000000400 (0x0)\n"
                                      "work: denied ipi at 0x100000000004500 (0x0)\n"
                                      "work: denied ipi at 0x100000000000608 (0x0)\n");
}

/* One real IPI for each core, by its id: a real broadcast would reach all. */
static void a_broadcast_is_split(void **state)
{
    (void)state;
    write_apic(APIC_ICR_HIGH, 0xff000000);
    write_apic(APIC_ICR_LOW, 0x31);
    assert_int_equal(cpu_model.apic_log.count, 1);
    assert_written(0, APIC_ICR_LOW, APIC_ICR_SELF | 0x31);
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, OTHER_ID);
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_ICR_ASSERT | 0x31);
    write_apic(APIC_ICR_LOW, APIC_ICR_OTHERS | 0x32);
    assert_int_equal(cpu_model.apic_log.count, 1);
    assert_int_equal(cpu_model.apic_sent.count, 2);
    assert_int_equal(cpu_model.apic_sent.write[1].reg, OTHER_ID);
    assert_int_equal(cpu_model.apic_sent.write[1].value, APIC_ICR_ASSERT | 0x32);
    assert_string_equal(console_text, "");
}

static void assert_kicked(unsigned n)
{
    assert_int_equal(cpu_model.apic_sent.count, n);
    assert_int_equal(cpu_model.apic_sent.write[n - 1].reg, OTHER_ID);
    assert_int_equal(cpu_model.apic_sent.write[n - 1].value, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

/* No INIT, SIPI or NMI of the domain's ever leaves; the vCPU is asked and kicked. */
static void startup_and_nmi_are_requests(void **state)
{
    (void)state;
    write_apic(APIC_ICR_HIGH, OTHER_ID << 24);
    write_apic(APIC_ICR_LOW, APIC_ICR_NMI);
    assert_int_equal(second->requests, SVM_REQUESTED | SVM_REQUEST_NMI);
    assert_kicked(1);
    write_apic(APIC_ICR_LOW, APIC_ICR_STARTUP | 0x9a);
    assert_int_equal(second->requests, SVM_REQUESTED | SVM_REQUEST_NMI | SVM_REQUEST_SIPI);
    assert_int_equal(second->sipi_vector, 0x9a);
    write_apic(APIC_ICR_LOW, APIC_ICR_INIT | APIC_ICR_ASSERT);
    assert_int_equal(second->requests, SVM_REQUESTED | SVM_REQUEST_NMI | SVM_REQUEST_INIT);
    assert_kicked(3);
    assert_int_equal(cpu_model.apic_log.count, 0);
    assert_int_equal(work->requests, 0);
    assert_string_equal(console_text, "");
}

/* The destination is what the other core's LDR says now. */
static void logical_destinations_follow_each_cores_registers(void **state)
{
    (void)state;
    second->ldr = 4u << 24;
    write_apic(APIC_ICR_HIGH, 4u << 24);
    write_apic(APIC_ICR_LOW, APIC_ICR_LOGICAL | 0x31);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, OTHER_ID);
    write_apic(APIC_LDR, 0x04ffffff);
    assert_int_equal(work->ldr, 4u << 24);
    write_apic(APIC_ICR_LOW, APIC_ICR_LOGICAL | 0x32);
    assert_written(0, APIC_LDR, 4u << 24);
    assert_written(1, APIC_ICR_LOW, APIC_ICR_SELF | 0x32);
    assert_int_equal(cpu_model.apic_sent.count, 2);
    write_apic(APIC_DFR, 0x0fffffff);
    assert_int_equal(work->dfr, 0x0fffffff);
    assert_string_equal(console_text, "");
}

/* APM vol. 2, 16.3.2: what an INIT leaves. */
static void a_reset_silences_the_local_apic(void **state)
{
    (void)state;
    cpu_model.apic[(APIC_ISR + 0x20) / 4] = 0x80000001;
    cpu_model.apic[(APIC_ISR + 0x70) / 4] = 1;
    second->icr_high = 7u << 24;
    vdev_reset_vcpu(second);
    for (unsigned n = 0; n < 3; n++)
        assert_written(n, APIC_EOI, 0);
    assert_written(3, APIC_LVT_TIMER, APIC_LVT_MASKED);
    assert_written(4, APIC_LVT_THERMAL, APIC_LVT_MASKED);
    assert_written(5, APIC_LVT_PERF, APIC_LVT_MASKED);
    assert_written(6, APIC_LVT_LINT0, APIC_LVT_MASKED);
    assert_written(7, APIC_LVT_LINT1, APIC_LVT_MASKED);
    assert_written(8, APIC_LVT_ERROR, APIC_LVT_MASKED);
    assert_written(12, APIC_LDR, 0);
    assert_written(13, APIC_DFR, 0xffffffff);
    assert_written(14, APIC_SPURIOUS, 0xff);
    assert_int_equal(second->ldr, 0);
    assert_int_equal(second->dfr, 0xffffffff);
    assert_int_equal(second->icr_high, 0);
}

/* It stays pending at the APIC, as any other; an injected one would give way to a single step. */
static void an_nmi_to_itself_is_not_lost_beside_a_step(void **state)
{
    (void)state;
    work->vmcb->rflags |= RFLAGS_TF;
    write_apic(APIC_ICR_HIGH, OWN_ID << 24);
    write_apic(APIC_ICR_LOW, APIC_ICR_NMI);
    assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_DB));
    assert_true(vcpu_model_attend(work));
    assert_int_equal(work->vmcb->eventinj, MODEL_EXCEPTION(VECTOR_DB));
    assert_int_equal(work->requests, 0);
    assert_int_equal(cpu_model.apic_sent.count, 1);
    assert_int_equal(cpu_model.apic_sent.write[0].reg, OWN_ID);
    assert_int_equal(cpu_model.apic_sent.write[0].value, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

/* Who doesn't own his interrupts has no such page. */
static void a_domain_with_virtual_interrupts_has_no_apic(void **state)
{
    struct vcpu *vault = vcpu_model_init(VAULT);
    uint64_t value = APIC_ICR_SELF | 0x31;

    (void)state;
    assert_false(vdev_write(vault, APIC_BASE_DEFAULT + APIC_ICR_LOW, 4, value));
    assert_false(vdev_read(vault, APIC_BASE_DEFAULT + APIC_ID, 4, &value));
    assert_int_equal(cpu_model.apic_log.count, 0);
}

/* Where the domain's table maps the page, reads are the hardware's; elsewhere there is nothing. */
static void reads_are_not_answered(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_false(vdev_read(work, APIC_BASE_DEFAULT + APIC_ID, 4, &value));
    assert_false(vdev_read(work, APIC_BASE_DEFAULT + 0x1000, 4, &value));
    assert_false(vdev_write(work, APIC_BASE_DEFAULT + (1ull << 32), 4, value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ordinary_registers_are_written, start),
        cmocka_unit_test_setup(forbidden_local_interrupts_are_written_masked, start),
        cmocka_unit_test_setup(other_registers_are_left_alone, start),
        cmocka_unit_test_setup(accesses_of_other_sizes_are_denied, start),
        cmocka_unit_test_setup(an_ipi_to_itself_is_sent_as_such, start),
        cmocka_unit_test_setup(an_ipi_to_others_is_denied, start),
        cmocka_unit_test_setup(a_broadcast_is_split, start),
        cmocka_unit_test_setup(startup_and_nmi_are_requests, start),
        cmocka_unit_test_setup(logical_destinations_follow_each_cores_registers, start),
        cmocka_unit_test_setup(a_reset_silences_the_local_apic, start),
        cmocka_unit_test_setup(an_nmi_to_itself_is_not_lost_beside_a_step, start),
        cmocka_unit_test_setup(a_domain_with_virtual_interrupts_has_no_apic, start),
        cmocka_unit_test_setup(reads_are_not_answered, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
