/* The real-time clock: date and time for a domain that may read them, the rest of CMOS for none. */
#include "bulkhead/image.h"
#include "core/vdev/vdev.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define INDEX 0x70
#define DATA  0x71

static struct vcpu *work;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    image_model.domain[WORK].rights = BH_RIGHT_CLOCK;
    work = vcpu_model_init(WORK);
    for (unsigned i = 0; i < sizeof(cpu_model.cmos); i++)
        cpu_model.cmos[i] = (uint8_t)(0x80 + i);
    return 0;
}

static uint32_t read_clock(uint32_t index)
{
    uint32_t value = index;

    assert_true(vdev_port(work, INDEX, 1, false, &value));
    assert_true(vdev_port(work, DATA, 1, true, &value));
    return value;
}

/* Seconds, minutes, hours, day of the week, day, month, year, status A to D, century. */
static const uint8_t clock[] = {0, 2, 4, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0x32};

static bool is_clock(uint32_t index)
{
    for (unsigned i = 0; i < sizeof(clock); i++)
        if (clock[i] == index)
            return true;
    return false;
}

static void date_and_time_are_read_and_nothing_else(void **state)
{
    (void)state;
    for (uint32_t index = 0; index < 256; index++)
        assert_int_equal(read_clock(index), is_clock(index & 0x7f) ? 0x80 + (index & 0x7f) : 0);
}

/* Bit 7 of the index port masks NMI for the whole machine. */
static void nmi_is_never_masked(void **state)
{
    (void)state;
    cpu_model.cmos_index = 0x55;
    read_clock(0x89);
    assert_int_equal(cpu_model.cmos_index, 9);
}

static void other_accesses_are_refused(void **state)
{
    uint32_t value = 0;

    (void)state;
    assert_false(vdev_port(work, DATA, 1, false, &value));
    assert_false(vdev_port(work, INDEX, 1, true, &value));
    for (unsigned size = 2; size <= 4; size *= 2) {
        assert_false(vdev_port(work, INDEX, size, false, &value));
        assert_false(vdev_port(work, DATA, size, true, &value));
        assert_false(vdev_port(work, INDEX - 1, size, false, &value));
    }
    assert_false(vdev_port(work, 0x72, 1, false, &value));
    assert_false(vdev_port(work, 0x73, 1, true, &value));
}

static void reading_the_clock_is_a_right(void **state)
{
    uint32_t value = 0;

    (void)state;
    image_model.domain[WORK].rights = ~BH_RIGHT_CLOCK;
    assert_false(vdev_port(work, INDEX, 1, false, &value));
    assert_false(vdev_port(work, DATA, 1, true, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(date_and_time_are_read_and_nothing_else, start),
        cmocka_unit_test_setup(nmi_is_never_masked, start),
        cmocka_unit_test_setup(other_accesses_are_refused, start),
        cmocka_unit_test_setup(reading_the_clock_is_a_right, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
