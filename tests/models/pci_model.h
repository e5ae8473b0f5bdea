/* PCI configuration space for unit tests, behind core's pci_read and pci_write functions. */
#ifndef MODELS_PCI_MODEL_H
#define MODELS_PCI_MODEL_H

#include <stdint.h>

struct pci_model {
    uint16_t function;
    uint8_t config[256];
    uint8_t clears[256]; /* bits that writing a one clears and nothing sets */
    /* Called after a write has been stored, so that it can be undone. */
    void (*on_write)(struct pci_model *model, uint16_t offset);
};

/* Removes all functions: everything reads all ones. */
void pci_model_reset(void);

/* Adds a function, header type 0, of that base class, with command register 0. */
struct pci_model *pci_model_add(uint16_t function, uint8_t base_class);

#endif
