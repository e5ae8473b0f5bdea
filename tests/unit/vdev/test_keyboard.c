/* The keyboard controller: what is typed, for a domain that may read it; its commands for nobody.
 */
#include "bulkhead/image.h"
#include "core/vdev/vdev.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define DATA   0x60
#define STATUS 0x64

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    image_model.domain[WORK].rights = BH_RIGHT_KEYBOARD;
    work = vcpu_model_init(WORK);
    cpu_model.keyboard[0] = 0x1e;
    cpu_model.keyboard[1] = 0x15;
    return 0;
}

static void keys_and_status_are_read(void **state)
{
    uint32_t value = 0xffff;

    (void)state;
    assert_true(vdev_port(work, DATA, 1, true, &value));
    assert_int_equal(value, 0x1e);
    assert_true(vdev_port(work, STATUS, 1, true, &value));
    assert_int_equal(value, 0x15);
}

/* The controller's commands reset the machine and switch A20; the model dies at any write. */
static void nothing_is_written(void **state)
{
    uint32_t value = 0xfe;

    (void)state;
    assert_false(vdev_port(work, STATUS, 1, false, &value));
    assert_false(vdev_port(work, DATA, 1, false, &value));
}

static void other_accesses_are_refused(void **state)
{
    uint32_t value = 0;

    (void)state;
    for (unsigned size = 2; size <= 4; size *= 2) {
        assert_false(vdev_port(work, DATA, size, true, &value));
        assert_false(vdev_port(work, STATUS, size, true, &value));
        assert_false(vdev_port(work, DATA - 1, size, true, &value));
    }
    assert_false(vdev_port(work, 0x62, 1, true, &value));
    assert_false(vdev_port(work, 0x66, 1, true, &value));
}

static void reading_the_keyboard_is_a_right(void **state)
{
    uint32_t value = 0;

    (void)state;
    image_model.domain[WORK].rights = ~BH_RIGHT_KEYBOARD;
    assert_false(vdev_port(work, DATA, 1, true, &value));
    assert_false(vdev_port(work, STATUS, 1, true, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_and_status_are_read, start),
        cmocka_unit_test_setup(nothing_is_written, start),
        cmocka_unit_test_setup(other_accesses_are_refused, start),
        cmocka_unit_test_setup(reading_the_keyboard_is_a_right, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
