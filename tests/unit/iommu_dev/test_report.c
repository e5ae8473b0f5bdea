/*
 * dma_poll_events() on a model of AMD-Vi: what devices tried in vain stands on the console, with
 * whose device it was. Reports are numbered by domain from core's start; the tests run in order.
 */
#include <stdlib.h>
#include <string.h>

#include "core/audit/audit.h"
#include "core/iommu_dev/dma.h"
#include "iommu_dev/machine.h"
#include "models/console_model.h"
#include "testing.h"

static int make_closed(void **state)
{
    (void)state;
    machine_make(2);
    dma_close();
    console_clear();
    return 0;
}

static int make_applied(void **state)
{
    make_closed(state);
    dma_apply(&machine_policy.header);
    console_clear();
    return 0;
}

static void attack(unsigned unit, uint16_t device, uint64_t address, bool is_write)
{
    uint64_t to;

    assert_false(model_dma(machine_unit(unit), device, address, is_write, &to));
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *c = console_text; *c; c++)
        count += *c == '\n';
    return count;
}

static void before_a_policy_devices_are_nobodys(void **state)
{
    (void)state;
    attack(0, NETWORK, 0x1000, true);
    dma_poll_events();
    assert_string_equal(console_text, "no domain: denied DMA at 0x1000 (device 00:03.0, "
                                      "IO_PAGE_FAULT, IOMMU 0), report 1\n");
}

static void a_denied_access_is_attributed_to_the_devices_domain(void **state)
{
    (void)state;
    attack(0, NETWORK, READ_ONLY + 8, true);
    attack(1, DISK, 0x11000000, false);
    attack(1, FOREIGN, 0x11000000, false);
    dma_poll_events();
    assert_int_equal(audit_count(0, VIOLATION_DMA), 1);
    assert_int_equal(audit_first(0, VIOLATION_DMA).address, READ_ONLY + 8);
    assert_int_equal(audit_count(1, VIOLATION_DMA), 1);
    assert_int_equal(audit_first(1, VIOLATION_DMA).address, 0x11000000);
    assert_string_equal(console_text,
                        "work: denied DMA write at 0x201008 (device 00:03.0, IO_PAGE_FAULT, "
                        "IOMMU 0), report 1\n"
                        "vault: denied DMA at 0x11000000 (device 00:03.1, IO_PAGE_FAULT, "
                        "IOMMU 1), report 1\n"
                        "no domain: denied DMA at 0x11000000 (device 00:04.0, IO_PAGE_FAULT, "
                        "IOMMU 1), report 2\n");
}

static void a_denied_interrupt_is_told_as_such(void **state)
{
    uint32_t irte;

    (void)state;
    assert_false(model_interrupt(machine_unit(0), NETWORK, 4 << 8, &irte)); /* NMI */
    dma_poll_events();
    assert_string_equal(console_text, "work: denied interrupt at 0xfee01000 (device 00:03.0, "
                                      "IO_PAGE_FAULT, IOMMU 0), report 2\n");
}

static void a_fault_of_the_iommu_names_no_device(void **state)
{
    (void)state;
    model_log(machine_unit(1), (uint64_t)AMDVI_EVENT_ILLEGAL_COMMAND << AMDVI_CODE_SHIFT | NETWORK,
              0x5000);
    dma_poll_events();
    assert_string_equal(console_text, "no domain: IOMMU fault at 0x5000 (ILLEGAL_COMMAND_ERROR, "
                                      "IOMMU 1), report 3\n");
}

static void nothing_happened_prints_nothing(void **state)
{
    (void)state;
    dma_poll_events();
    assert_string_equal(console_text, "");
}

static void an_event_is_told_once(void **state)
{
    (void)state;
    attack(0, NETWORK, NOTHING, false);
    dma_poll_events();
    assert_int_equal(lines(), 1);
    dma_poll_events();
    assert_int_equal(lines(), 1);
}

static void an_event_that_is_still_being_written_waits(void **state)
{
    (void)state;
    machine_unit(0)->delays_tail = true;
    attack(0, NETWORK, NOTHING, false);
    dma_poll_events();
    assert_int_equal(lines(), 0);
    machine_unit(0)->reg[AMDVI_EVENT_TAIL / 8] += sizeof(struct amdvi_event);
    dma_poll_events();
    assert_int_equal(lines(), 1);
}

/* Longer than the ring, so that both its pointers wrap; the model minds uncleared slots. */
static void the_log_wraps(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * AMDVI_RING_ENTRIES; i++) {
        attack(0, DISK, 0x1000 + i % 16 * 0x1000ull, false);
        dma_poll_events();
    }
    assert_int_equal(machine_unit(0)->reg[AMDVI_EVENT_HEAD / 8],
                     machine_unit(0)->reg[AMDVI_EVENT_TAIL / 8]);
}

/* vault's device made 769 reports above; 1 to 16, 32, 64, ... of them were lines. */
static void a_flood_does_not_fill_the_console(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        attack(1, DISK, 0x1000, true);
        dma_poll_events();
    }
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(console_text, "report 1024\n"));
}

static void a_full_log_is_told_and_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AMDVI_RING_ENTRIES + 10; i++)
        attack(0, DISK, 0x1000, false);
    assert_true(machine_unit(0)->reg[AMDVI_STATUS / 8] & AMDVI_STATUS_EVENT_OVERFLOW);
    for (unsigned i = 0; i < 10; i++)
        dma_poll_events();
    assert_non_null(strstr(console_text, "no domain: IOMMU reports lost at 0x0 (EventOverflow, "
                                         "IOMMU 0), report 4\n"));
    assert_false(machine_unit(0)->reg[AMDVI_STATUS / 8] & AMDVI_STATUS_EVENT_OVERFLOW);

    console_clear();
    attack(0, NETWORK, NOTHING, true);
    dma_poll_events();
    assert_non_null(strstr(console_text, "work: denied DMA"));
}

static void a_log_that_stops_slowly_is_waited_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AMDVI_RING_ENTRIES; i++)
        attack(0, DISK, 0x1000, false);
    machine_unit(0)->reg[AMDVI_STATUS / 8] |= AMDVI_STATUS_EVENT_RUN;
    machine_unit(0)->never_stops = true;
    for (unsigned i = 0; i < 10; i++)
        dma_poll_events();
    assert_true(machine_unit(0)->reg[AMDVI_STATUS / 8] & AMDVI_STATUS_EVENT_OVERFLOW);
    assert_null(strstr(console_text, "lost"));
    machine_unit(0)->never_stops = false;
    dma_poll_events(); /* turns it off once more, and it stops */
    dma_poll_events();
    assert_non_null(strstr(console_text, "IOMMU reports lost"));
    assert_true(machine_unit(0)->reg[AMDVI_STATUS / 8] & AMDVI_STATUS_EVENT_RUN);
}

/* One call is bounded even if the device reports as fast as core reads. */
static void one_call_does_not_empty_a_full_log(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        attack(0, DISK, 0x1000, false);
    dma_poll_events();
    assert_int_equal(machine_unit(0)->reg[AMDVI_EVENT_HEAD / 8], 64 * sizeof(struct amdvi_event));
}

/* Entries that no IOMMU should write: nothing is read outside, everything is taken once. */
static void garbage_in_the_log_is_survived(void **state)
{
    (void)state;
    srand(48882);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t code = 1 + (uint64_t)rand() % 15;
        uint64_t low = (uint64_t)rand() << 31 ^ (uint64_t)rand();

        model_log(machine_unit(0), code << AMDVI_CODE_SHIFT | (low & ~(15ull << AMDVI_CODE_SHIFT)),
                  (uint64_t)rand() << 40);
        dma_poll_events();
    }
    assert_int_equal(machine_unit(0)->reg[AMDVI_EVENT_HEAD / 8],
                     machine_unit(0)->reg[AMDVI_EVENT_TAIL / 8]);
    assert_true(lines() < 100);
}

/* Of one unit the next slot tells whether there is anything: what has EOIs cost next to nothing. */
static int make_alone(void **state)
{
    (void)state;
    machine_make(1);
    dma_close();
    dma_apply(&machine_policy.header);
    return 0;
}

static void of_one_unit_a_word_tells(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * AMDVI_RING_ENTRIES; i++) {
        assert_false(dma_has_events());
        attack(0, DISK, 0x1000, false);
        assert_true(dma_has_events());
        dma_poll_events();
    }
    assert_int_equal(machine_unit(0)->reg[AMDVI_EVENT_HEAD / 8],
                     machine_unit(0)->reg[AMDVI_EVENT_TAIL / 8]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_applied, machine_check_units)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(before_a_policy_devices_are_nobodys, make_closed,
                                        machine_check_units),
        TEST(a_denied_access_is_attributed_to_the_devices_domain),
        TEST(a_denied_interrupt_is_told_as_such),
        TEST(a_fault_of_the_iommu_names_no_device),
        TEST(nothing_happened_prints_nothing),
        TEST(an_event_is_told_once),
        TEST(an_event_that_is_still_being_written_waits),
        TEST(the_log_wraps),
        TEST(a_flood_does_not_fill_the_console),
        TEST(a_full_log_is_told_and_goes_on),
        TEST(a_log_that_stops_slowly_is_waited_for),
        TEST(one_call_does_not_empty_a_full_log),
        TEST(garbage_in_the_log_is_survived),
        cmocka_unit_test_setup_teardown(of_one_unit_a_word_tells, make_alone, machine_check_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
