/* Bus masters that the firmware left running are stopped, bridges are not. */
#include "core/iommu_dev/masters.h"
#include "core/platform/pci.h"
#include "models/pci_model.h"
#include "testing.h"

#define CLASS_STORAGE 0x01
#define CLASS_NETWORK 0x02
#define CLASS_DISPLAY 0x03
#define CLASS_BRIDGE  0x06

#define ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static struct pci_model *add(uint16_t function, uint8_t base_class, uint8_t command)
{
    struct pci_model *model = pci_model_add(function, base_class);

    model->config[PCI_COMMAND] = command;
    return model;
}

static int start(void **state)
{
    (void)state;
    pci_model_reset();
    return 0;
}

static void running_devices_are_stopped_and_stay_visible(void **state)
{
    struct pci_model *network = add(PCI_FUNCTION(0, 3, 0), CLASS_NETWORK, ON);
    struct pci_model *screen = add(PCI_FUNCTION(0, 2, 0), CLASS_DISPLAY, ON);
    struct pci_model *far = add(PCI_FUNCTION(255, 31, 0), CLASS_NETWORK, ON);

    (void)state;
    network->config[PCI_COMMAND + 1] = 0x04; /* interrupts off: not ours to change */
    assert_int_equal(masters_stop(), 3);
    assert_int_equal(network->config[PCI_COMMAND], PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    assert_int_equal(network->config[PCI_COMMAND + 1], 0x04);
    assert_int_equal(screen->config[PCI_COMMAND], PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    assert_int_equal(far->config[PCI_COMMAND], PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

static void bridges_go_on(void **state)
{
    struct pci_model *bridge = add(PCI_FUNCTION(0, 28, 0), CLASS_BRIDGE, ON);

    (void)state;
    bridge->config[PCI_HEADER_TYPE] = 0x01;
    assert_int_equal(masters_stop(), 0);
    assert_int_equal(bridge->config[PCI_COMMAND], ON);
}

static void all_functions_of_a_device_are_seen(void **state)
{
    struct pci_model *first = add(PCI_FUNCTION(0, 31, 0), CLASS_BRIDGE, ON);
    struct pci_model *disk = add(PCI_FUNCTION(0, 31, 2), CLASS_STORAGE, ON);
    struct pci_model *last = add(PCI_FUNCTION(0, 31, 7), CLASS_STORAGE, ON);

    (void)state;
    first->config[PCI_HEADER_TYPE] = 0x80;
    assert_int_equal(masters_stop(), 2);
    assert_int_equal(disk->config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
    assert_int_equal(last->config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
}

static void count_write(struct pci_model *model, uint16_t offset)
{
    (void)offset;
    fail_msg("function %x was written", model->function);
}

static void a_device_that_rests_is_not_touched(void **state)
{
    (void)state;
    add(PCI_FUNCTION(0, 3, 0), CLASS_NETWORK, PCI_COMMAND_MEMORY)->on_write = count_write;
    assert_int_equal(masters_stop(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(running_devices_are_stopped_and_stay_visible, start),
        cmocka_unit_test_setup(bridges_go_on, start),
        cmocka_unit_test_setup(all_functions_of_a_device_are_seen, start),
        cmocka_unit_test_setup(a_device_that_rests_is_not_touched, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
