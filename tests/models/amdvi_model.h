/*
 * A software AMD-Vi after the IOMMU specification (48882), where it is stricter than an emulator:
 * it really caches device-table entries, interrupt entries and translations, also denied ones,
 * until it is told to forget them; it minds reserved bits; it writes its event log. It stands
 * behind core's register accesses and reads tables from the test's own memory.
 */
#ifndef MODELS_AMDVI_MODEL_H
#define MODELS_AMDVI_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/amdvi.h"

#define MODEL_UNITS 8

struct model_unit {
    uint64_t base;
    uint64_t reg[AMDVI_MMIO_BYTES / 8];

    /* What a test may make wrong with it. */
    bool is_absent;         /* reads all ones */
    bool ignores_commands;  /* rings stay unread */
    bool never_stops;       /* run bits stay set */
    bool delays_tail;       /* events are written, but their tail isn't moved yet */
    uint64_t stuck_control; /* control bits that read 0 whatever was written */
    uint32_t stuck_offset;  /* a register that ignores writes, if not 0 */

    /* Called before a control write takes effect. */
    void (*on_control)(struct model_unit *unit, uint64_t value);

    /* The first rule of the specification that the software has broken, or NULL. */
    const char *violation;

    uint32_t commands; /* carried out so far */
    struct amdvi_dte dte[AMDVI_DEVICES];
    uint8_t has_dte[AMDVI_DEVICES];
    struct model_translation {
        uint64_t page;
        uint64_t to;
        uint32_t domain;
        bool is_used, can_read, can_write;
    } tlb[64];
    struct model_irte {
        uint32_t value;
        uint16_t device, index;
        bool is_used;
    } irte[64]; /* entries of interrupt remapping tables, those that deny too */
};

/* Forgets all units. */
void model_reset(void);

/* Adds a unit whose registers lie at `base`; off, as after reset. */
struct model_unit *model_add(uint64_t base, uint64_t features);

/* A device's access: true if it gets through, to the machine address *to. */
bool model_dma(struct model_unit *unit, uint16_t device, uint64_t address, bool is_write,
               uint64_t *to);

/* A device's interrupt with this MSI data (delivery mode 10:8, vector 7:0); true if one arrives.
 * *irte is the remapping entry, or 0 if it passed unremapped. */
bool model_interrupt(struct model_unit *unit, uint16_t device, uint32_t data, uint32_t *irte);

/* Has the unit write an event into its log. */
void model_log(struct model_unit *unit, uint64_t low, uint64_t address);

/* Whether a translation of this DomainID is cached. */
bool model_has_translation(const struct model_unit *unit, uint32_t domain);

#endif
