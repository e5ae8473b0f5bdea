/* Entries of the AMD-Vi event log: each type of the specification, and garbage. */

#include "core/iommu_dev/event.h"
#include "testing.h"

#define ADDRESS 0x123456789abcull
#define DEVICE  0x0320ull

static struct dma_event decode(uint64_t code, uint64_t flags)
{
    /* DomainID and PASID are there to be ignored. */
    struct amdvi_event entry = {
        {code << AMDVI_CODE_SHIFT | flags | 0x0005000a0000ull | DEVICE, ADDRESS}};

    return event_decode(&entry, 3);
}

static void every_type_has_its_name_and_meaning(void **state)
{
    static const struct {
        const char *name;
        enum dma_event_kind kind;
        bool has_device;
    } types[16] = {
        [1] = {"ILLEGAL_DEV_TABLE_ENTRY", DMA_DENIED_MEMORY, true},
        [2] = {"IO_PAGE_FAULT", DMA_DENIED_MEMORY, true},
        [3] = {"DEV_TAB_HARDWARE_ERROR", DMA_FAULT, true},
        [4] = {"PAGE_TAB_HARDWARE_ERROR", DMA_FAULT, true},
        [5] = {"ILLEGAL_COMMAND_ERROR", DMA_FAULT, false},
        [6] = {"COMMAND_HARDWARE_ERROR", DMA_FAULT, false},
        [7] = {"IOTLB_INV_TIMEOUT", DMA_FAULT, true},
        [8] = {"INVALID_DEVICE_REQUEST", DMA_DENIED_MEMORY, true},
        [9] = {"INVALID_PPR_REQUEST", DMA_DENIED_MEMORY, true},
        [10] = {"EVENT_COUNTER_ZERO", DMA_FAULT, false},
    };

    (void)state;
    for (uint64_t code = 0; code < 16; code++) {
        struct dma_event event = decode(code, 0);

        assert_string_equal(event.name, types[code].name ? types[code].name : "unknown event");
        assert_int_equal(event.kind, types[code].name ? types[code].kind : DMA_FAULT);
        assert_int_equal(event.has_device, types[code].has_device);
        assert_int_equal(event.device, types[code].has_device ? DEVICE : 0);
        assert_int_equal(event.address, ADDRESS);
        assert_int_equal(event.unit, 3);
    }
}

/* RW is meaningful only with PR, and without TR (2.5.3). */
static void a_page_fault_tells_the_direction_where_it_knows_it(void **state)
{
    (void)state;
    assert_int_equal(decode(AMDVI_EVENT_PAGE_FAULT, AMDVI_EVENT_RW).access, DMA_ACCESS);
    assert_int_equal(decode(AMDVI_EVENT_PAGE_FAULT, AMDVI_EVENT_RW | AMDVI_EVENT_PR).access,
                     DMA_WRITE);
    assert_int_equal(decode(AMDVI_EVENT_PAGE_FAULT, AMDVI_EVENT_PR).access, DMA_READ);
    assert_int_equal(
        decode(AMDVI_EVENT_PAGE_FAULT, AMDVI_EVENT_RW | AMDVI_EVENT_PR | AMDVI_EVENT_TR).access,
        DMA_ACCESS);
    assert_int_equal(decode(AMDVI_EVENT_ILLEGAL_DTE, AMDVI_EVENT_RW).access, DMA_WRITE);
    assert_int_equal(decode(AMDVI_EVENT_ILLEGAL_DTE, 0).access, DMA_READ);
}

static void a_denied_interrupt_is_told_from_denied_memory(void **state)
{
    (void)state;
    assert_int_equal(decode(AMDVI_EVENT_PAGE_FAULT, AMDVI_EVENT_I).kind, DMA_DENIED_INTERRUPT);
    assert_int_equal(decode(AMDVI_EVENT_ILLEGAL_DTE, AMDVI_EVENT_I | AMDVI_EVENT_RW).kind,
                     DMA_DENIED_INTERRUPT);
    assert_int_equal(decode(AMDVI_EVENT_DTE_HARDWARE, AMDVI_EVENT_I).kind, DMA_FAULT);
}

/* No bit pattern gives a kind, a direction or a text that does not exist. */
static void garbage_stays_in_bounds(void **state)
{
    (void)state;
    for (uint64_t code = 0; code < 16; code++) {
        for (unsigned bit = 0; bit < 60; bit++) {
            struct amdvi_event entry = {{code << AMDVI_CODE_SHIFT | 1ull << bit, ~0ull}};
            struct dma_event event = event_decode(&entry, 0);

            assert_in_range(event.kind, DMA_DENIED_MEMORY, DMA_FAULT);
            assert_in_range(event.access, DMA_ACCESS, DMA_WRITE);
            assert_non_null(event.name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_name_and_meaning),
        cmocka_unit_test(a_page_fault_tells_the_direction_where_it_knows_it),
        cmocka_unit_test(a_denied_interrupt_is_told_from_denied_memory),
        cmocka_unit_test(garbage_stays_in_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
