/*
 * The base address registers of PCI functions (PCI 3.0, 6.2.5.1): core places them once, a domain
 * only learns where they are and how large.
 */
#include <string.h>

#include "core/vdev/vdev.h"
#include "hw/pci.h"
#include "models/console_model.h"
#include "models/pci_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define NIC  PCI_FUNCTION(0, 3, 0)
#define BARS 6u

/* What the device makes of a write to each BAR: bits that it takes, bits that are fixed. */
struct wiring {
    uint32_t writable, fixed;
};

/* 4 KiB of memory, 32 ports, 1 MiB of 64-bit prefetchable memory, and nothing more. */
static const struct wiring ordinary[BARS] = {{0xfffff000, 0}, {0xffe0, 1}, {0xfff00000, 0xc},
                                             {0xffffffff, 0}, {0, 0},      {0, 0}};

static struct wiring wiring[BARS];
static struct vcpu *work;
static struct pci_model *nic;
static struct bh_pci_function *row;

static void behave(struct pci_model *model, uint16_t offset)
{
    (void)offset;
    for (unsigned i = 0; i < BARS; i++) {
        uint32_t value;

        memcpy(&value, &model->config[PCI_BAR0 + 4 * i], 4);
        value = (value & wiring[i].writable) | wiring[i].fixed;
        memcpy(&model->config[PCI_BAR0 + 4 * i], &value, 4);
    }
}

static void describe(unsigned n, uint64_t address, uint64_t size, uint32_t flags)
{
    row->bar[n].address = address;
    row->bar[n].size = size;
    row->bar[n].flags = flags;
}

/* As core does: BARs are placed for all domains, then one begins. */
static struct vcpu *init_work(void)
{
    const struct bh_table *own = &image_model.domain[WORK].functions;

    image_model.header.functions.count = own->offset + own->count; /* work's rows are the last */
    vpci_place(&image_model.header);
    return vcpu_model_init(WORK);
}

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    pci_model_reset();
    memcpy(wiring, ordinary, sizeof(wiring));
    nic = pci_model_add(NIC, 2);
    nic->on_write = behave;
    nic->config[PCI_COMMAND] = 0x07; /* as firmware left it */
    nic->config[PCI_ROM] = 0x01;     /* likewise: its decoder is on */
    row = image_model.function;
    *row = (struct bh_pci_function){.bdf = NIC, .domain = WORK, .granted = 1};
    describe(0, 0xd0000000, 0x1000, 0);
    describe(1, 0xc040, 0x20, BH_BAR_IO);
    describe(2, 0x8d0100000, 0x100000, BH_BAR_64 | BH_BAR_PREFETCH);
    image_model.domain[WORK].functions = (struct bh_table){0, 1};
    work = init_work();
    return 0;
}

static uint32_t real(unsigned n)
{
    uint32_t value;

    memcpy(&value, &nic->config[PCI_BAR0 + 4 * n], 4);
    return value;
}

static void select(unsigned n)
{
    uint32_t address = PCI_CONFIG_ENABLE | (uint32_t)NIC << 8 | (PCI_BAR0 + 4 * n);

    assert_true(vdev_port(work, PCI_CONFIG_ADDRESS, 4, false, &address));
}

static uint32_t read_bar(unsigned n)
{
    uint32_t value = 0;

    select(n);
    assert_true(vdev_port(work, PCI_CONFIG_DATA, 4, true, &value));
    return value;
}

static void write_bar(unsigned n, uint32_t value)
{
    select(n);
    assert_true(vdev_port(work, PCI_CONFIG_DATA, 4, false, &value));
}

static void bars_are_placed_and_decoders_off(void **state)
{
    (void)state;
    assert_int_equal(real(0), 0xd0000000);
    assert_int_equal(real(1), 0xc041);
    assert_int_equal(real(2), 0xd010000c);
    assert_int_equal(real(3), 8);
    assert_int_equal(nic->config[PCI_COMMAND], 0);
    assert_int_equal(nic->config[PCI_ROM], 0);
}

static void bars_answer_sizing_and_stay(void **state)
{
    static const struct {
        uint32_t sized, first, flags;
    } bars[BARS] = {
        {0xfffff000, 0xd0000000, 0},
        {0xffffffe1, 0xc041, 1},
        {0xfff0000c, 0xd010000c, 0xc},
        {0xffffffff, 8, 0},
    };

    (void)state;
    for (unsigned n = 0; n < BARS; n++) {
        uint32_t before = real(n);

        assert_int_equal(read_bar(n), bars[n].first);
        write_bar(n, 0xffffffff);
        assert_int_equal(read_bar(n), bars[n].sized);
        write_bar(n, 0);
        assert_int_equal(read_bar(n), bars[n].flags);
        write_bar(n, bars[n].first);
        assert_int_equal(read_bar(n), bars[n].first);
        assert_int_equal(real(n), before);
    }
    assert_string_equal(console_text, "");
}

static void a_part_of_a_bar_is_not_written(void **state)
{
    uint32_t value = 0xff;

    (void)state;
    select(0);
    for (uint16_t port = PCI_CONFIG_DATA; port < PCI_CONFIG_DATA + 4; port++)
        assert_true(vdev_port(work, port, 1, false, &value));
    assert_int_equal(read_bar(0), 0xd0000000);
    assert_int_equal(real(0), 0xd0000000);
}

/* From 4 GiB on a BAR has no writable bits in its lower half. */
static void huge_bars_are_sized_in_their_upper_half(void **state)
{
    (void)state;
    wiring[2] = (struct wiring){0, 0xc};
    wiring[3] = (struct wiring){0xfffffffe, 0};
    describe(2, 0x4000000000, 0x200000000, BH_BAR_64 | BH_BAR_PREFETCH);
    work = init_work();
    assert_int_equal(real(3), 0x40);
    write_bar(2, 0xffffffff);
    write_bar(3, 0xffffffff);
    assert_int_equal(read_bar(2), 0xc);
    assert_int_equal(read_bar(3), 0xfffffffe);
}

/* PCI 3.0, 6.2.5.1: the upper half of a port's address may be there or not. */
static void ports_may_have_32_bits(void **state)
{
    (void)state;
    wiring[1] = (struct wiring){0xffffffe0, 1};
    work = init_work();
    assert_int_equal(real(1), 0xc041);
}

static void place(void *unused)
{
    (void)unused;
    vpci_place(&image_model.header);
}

static void assert_refused(unsigned n)
{
    char text[] = "PCI device 0:3.0, BAR n";

    text[22] = (char)('0' + n);
    expect_fatal(place, NULL, text);
    start(NULL);
}

static void devices_unlike_their_description_stop_the_machine(void **state)
{
    (void)state;
    describe(0, 0xd0000800, 0x800, 0); /* smaller than the device is, and where it can't lie */
    assert_refused(0);
    describe(0, 0xd0002000, 0x800, 0); /* smaller, so that its rest would lie anywhere */
    assert_refused(0);
    describe(0, 0xd0002000, 0x2000, 0); /* larger */
    assert_refused(0);
    describe(0, 0, 0, 0); /* not described at all */
    assert_refused(0);
    describe(1, 0xc000, 0x40, BH_BAR_IO); /* fewer ports than described */
    assert_refused(1);
    describe(1, 0xc000, 0x20, 0); /* ports, not memory */
    assert_refused(1);
    describe(2, 0xd0100000, 0x100000, BH_BAR_PREFETCH); /* 32 bits of a 64-bit one */
    assert_refused(2);
    describe(2, 0x8d0100000, 0x100000, BH_BAR_64); /* it is prefetchable */
    assert_refused(2);
    wiring[3].writable = 0xff; /* it can't lie that high */
    assert_refused(3);
    describe(4, 0xd0200000, 0x1000, 0); /* it has none */
    assert_refused(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bars_are_placed_and_decoders_off, start),
        cmocka_unit_test_setup(bars_answer_sizing_and_stay, start),
        cmocka_unit_test_setup(a_part_of_a_bar_is_not_written, start),
        cmocka_unit_test_setup(huge_bars_are_sized_in_their_upper_half, start),
        cmocka_unit_test_setup(ports_may_have_32_bits, start),
        cmocka_unit_test_setup(devices_unlike_their_description_stop_the_machine, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
