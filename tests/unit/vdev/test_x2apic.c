/* IPIs between a domain's vCPUs whose local APICs are core's, through the MSRs. */
#include "testing.h"

#include "core/audit/audit.h"
#include "core/vdev/vdev.h"
#include "models/vcpu_model.h"

#define ICR     0x830
#define SVR     0x80f
#define ENABLED 0x1ff
#define TO(id)  ((uint64_t)(id) << 32)

static struct vcpu *first, *second;

static bool put(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return vdev_apic_msr(vcpu, msr, true, &value);
}

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    image_model.domain[VAULT].ncores = 2;
    image_model.domain[VAULT].core[1] = 2;
    first = vcpu_model_init(VAULT);
    second = vcpu_model_init_id(VAULT, 1);
    assert_false(vcpu_model_attend(second)); /* the INIT with which it begins: it sleeps */
    return put(first, SVR, ENABLED) && put(second, SVR, ENABLED) ? 0 : -1;
}

static void assert_kicked(unsigned times)
{
    assert_int_equal(cpu_model.apic_sent.count, times);
    if (times > 0) {
        assert_int_equal(cpu_model.apic_sent.write[times - 1].reg, cpu_areas[2].cpu.apic_id);
        assert_int_equal(cpu_model.apic_sent.write[times - 1].value, APIC_MODE_FIXED | VECTOR_WAKE);
    }
}

static void who_is_interrupted_is_kicked_once(void **state)
{
    (void)state;
    assert_true(put(first, ICR, TO(1) | 0x51));
    assert_int_equal(vlapic_pending(vdev_apic(second)), 0x51);
    assert_kicked(1);
    assert_true(put(first, ICR, TO(1) | 0x51)); /* pending already */
    assert_kicked(1);
    assert_true(put(first, ICR, TO(1) | 0x400));
    assert_int_equal(vdev_apic(second)->nmi, 1);
    assert_kicked(2);
}

static void who_sends_to_himself_is_not(void **state)
{
    (void)state;
    assert_true(put(first, ICR, TO(0) | 0x51));
    assert_true(put(first, ICR, TO(0) | 0x400));
    assert_int_equal(vlapic_pending(vdev_apic(first)), 0x51);
    assert_int_equal(vdev_apic(first)->nmi, 1);
    assert_kicked(0);
}

static void lowest_priority_goes_to_one(void **state)
{
    (void)state;
    assert_true(put(first, ICR, TO(3) | 0x900 | 0x51));
    assert_int_equal(vlapic_pending(vdev_apic(first)), 0x51);
    assert_int_equal(vlapic_pending(vdev_apic(second)), VLAPIC_NOTHING);
    assert_kicked(0);
}

static void init_and_sipi_are_asked_for(void **state)
{
    (void)state;
    assert_true(second->waits);
    assert_true(put(first, ICR, TO(1) | 0x600 | 0x08));
    assert_true(vcpu_model_attend(second));
    assert_false(second->waits);
    assert_int_equal(second->vmcb->cs.base, 0x8000);
    assert_true(put(first, ICR, TO(1) | 0x4500));
    assert_false(vcpu_model_attend(second));
    assert_true(second->waits);
    assert_int_equal(vdev_apic(second)->svr, 0xff);
    assert_false(first->waits);
}

static void other_kinds_are_denied(void **state)
{
    static const uint32_t kinds[] = {0x200, 0x700, 0x40500, 0x40600}; /* SMI, ExtINT, to itself */
    uint64_t before = audit_count(VAULT, VIOLATION_IPI);

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(put(first, ICR, TO(1) | kinds[i]));
    assert_int_equal(audit_count(VAULT, VIOLATION_IPI), before + 4);
    assert_kicked(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_is_interrupted_is_kicked_once, start),
        cmocka_unit_test_setup(who_sends_to_himself_is_not, start),
        cmocka_unit_test_setup(lowest_priority_goes_to_one, start),
        cmocka_unit_test_setup(init_and_sipi_are_asked_for, start),
        cmocka_unit_test_setup(other_kinds_are_denied, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
