#include "models/pci_model.h"

#include <string.h>

#include "core/platform/pci.h"
#include "testing.h"

#define MODELS 32

static struct pci_model models[MODELS];
static unsigned count;

void pci_model_reset(void)
{
    count = 0;
}

struct pci_model *pci_model_add(uint16_t function, uint8_t base_class)
{
    struct pci_model *model = &models[count];

    assert_in_range(count, 0, MODELS - 1);
    count++;
    memset(model, 0, sizeof(*model));
    model->function = function;
    model->config[PCI_VENDOR] = 0x34;
    model->config[PCI_VENDOR + 1] = 0x12;
    model->config[PCI_CLASS + 3] = base_class;
    return model;
}

static struct pci_model *find(uint16_t function)
{
    for (unsigned i = 0; i < count; i++)
        if (models[i].function == function)
            return &models[i];
    return NULL;
}

static uint32_t read_bytes(uint16_t function, uint16_t offset, uint16_t size)
{
    const struct pci_model *model = find(function);
    uint32_t value = UINT32_MAX;

    assert_true(offset % size == 0 && offset + size <= 256);
    if (model)
        memcpy(&value, model->config + offset, size);
    return value;
}

static void write_bytes(uint16_t function, uint16_t offset, uint32_t value, uint16_t size)
{
    struct pci_model *model = find(function);

    assert_true(offset % size == 0 && offset + size <= 256);
    if (!model)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i), clears = model->clears[offset + i];

        model->config[offset + i] =
            (uint8_t)((byte & ~clears) | (model->config[offset + i] & clears & ~byte));
    }
    if (model->on_write)
        model->on_write(model, offset);
}

uint8_t pci_read8(uint16_t function, uint16_t offset)
{
    return (uint8_t)read_bytes(function, offset, 1);
}

uint16_t pci_read16(uint16_t function, uint16_t offset)
{
    return (uint16_t)read_bytes(function, offset, 2);
}

uint32_t pci_read32(uint16_t function, uint16_t offset)
{
    return read_bytes(function, offset, 4);
}

void pci_write8(uint16_t function, uint16_t offset, uint8_t value)
{
    write_bytes(function, offset, value, 1);
}

void pci_write16(uint16_t function, uint16_t offset, uint16_t value)
{
    write_bytes(function, offset, value, 2);
}

void pci_write32(uint16_t function, uint16_t offset, uint32_t value)
{
    write_bytes(function, offset, value, 4);
}
