/*
 * A domain on three cores, for tests of where its devices' interrupts go: a network card with an
 * MSI-X table, a device with an MSI capability, two pins of the I/O APIC.
 */
#ifndef UNIT_VDEV_REMAP_CASE_H
#define UNIT_VDEV_REMAP_CASE_H

#include <string.h>

#include "core/audit/audit.h"
#include "core/vdev/vdev.h"
#include "hw/amdvi.h"
#include "hw/apic.h"
#include "hw/pci.h"
#include "models/console_model.h"
#include "models/dma_model.h"
#include "models/pci_model.h"
#include "models/vcpu_model.h"
#include "testing.h"

#define NIC        PCI_FUNCTION(0, 3, 0)
#define EDU        PCI_FUNCTION(0, 4, 0)
#define NIC_MSIX   0x98u
#define EDU_MSI    0x40u
#define MSIX_COUNT 5u
#define MSIX_TABLE 0x7e8u /* in its BAR: no multiple of an entry's size */
#define PIN        3u
#define LEVEL_PIN  20u
#define LAST_PIN   23u
#define CORES      3u

/* A local APIC's id is not its core's number, here. */
#define APIC_OF(core) (0x10u + (core))

static _Alignas(BH_PAGE) struct bh_remap nic_remap, edu_remap, ioapic_remap;
static _Alignas(
    BH_PAGE) uint32_t bar[2 * BH_PAGE / 4]; /* nic's registers, and what's behind them */

/* Their entries as the IOMMU has them: as of when it was last told to forget. */
static struct {
    uint16_t device;
    const struct bh_remap *remap;
    uint32_t entry[2048];
} iommu[] = {
    {NIC, &nic_remap, {0}}, {EDU, &edu_remap, {0}}, {AMDVI_IOAPIC_DEVICE, &ioapic_remap, {0}}};

static struct vcpu *work[CORES];
static struct pci_model *nic, *edu;
static const uint8_t cores[CORES] = {0, 2, 5};

static inline void put16(struct pci_model *model, unsigned at, uint32_t value)
{
    memcpy(&model->config[at], &value, 2);
}

static inline void put32(struct pci_model *model, unsigned at, uint32_t value)
{
    memcpy(&model->config[at], &value, 4);
}

/* The table's place is read-only, and so is the number of entries. */
static inline void behave_nic(struct pci_model *model, uint16_t offset)
{
    (void)offset;
    memset(&model->config[PCI_BAR0], 0, 24);
    model->config[NIC_MSIX] = PCI_ID_MSIX;
    model->config[NIC_MSIX + 2] = MSIX_COUNT - 1;
    model->config[NIC_MSIX + 3] &= 0xc0;
    put32(model, NIC_MSIX + PCI_MSIX_TABLE, MSIX_TABLE | 1);
}

static inline void behave_edu(struct pci_model *model, uint16_t offset)
{
    (void)offset;
    memset(&model->config[PCI_BAR0], 0, 24);
    put16(model, EDU_MSI, PCI_ID_MSI);
    model->config[EDU_MSI + 2] = (uint8_t)((model->config[EDU_MSI + 2] & 0x71) | 0x8a);
    model->config[EDU_MSI + 3] = 0;
}

static inline void make_row(unsigned i, uint16_t bdf)
{
    struct bh_pci_function *row = &image_model.function[i];

    *row = (struct bh_pci_function){.bdf = bdf, .domain = WORK, .granted = 1};
    memset(row->read_mask, 0xff, sizeof(row->read_mask));
    row->write_mask[PCI_COMMAND / 4] = 0x406;
}

static inline void make_dte(unsigned i, uint16_t device, struct bh_remap *remap, uint64_t rights)
{
    image_model.dte[i] = (struct bh_dte){
        .device_id = device,
        .domain = WORK,
        .dte = {AMDVI_DTE0_V | AMDVI_DTE0_TV | rights, 1, AMDVI_DTE2_IV | (uint64_t)remap, 0}};
    memset(remap, 0, sizeof(*remap));
}

static inline void make_rows(void)
{
    struct bh_pci_function *row = image_model.function;

    make_row(0, NIC);
    make_row(1, EDU);
    row[0].msix = NIC_MSIX;
    row[0].msix_bar = 1;
    row[0].msix_table = MSIX_TABLE;
    row[0].msix_count = MSIX_COUNT;
    row[0].bar[1].address = (uint64_t)bar;
    row[0].write_mask[NIC_MSIX / 4] = 0xc0000000;
    row[1].msi = EDU_MSI;
    row[1].write_mask[EDU_MSI / 4] = 0x00710000;
    row[1].write_mask[EDU_MSI / 4 + 1] = 0xfffffffc;
    row[1].write_mask[EDU_MSI / 4 + 2] = 0xffffffff;
    row[1].write_mask[EDU_MSI / 4 + 3] = 0x0000ffff;
    image_model.header.functions.count = 2;
    image_model.domain[WORK].functions = (struct bh_table){0, 2};
    image_model.domain[WORK].ioapic_pins = 1u << PIN | 1u << LEVEL_PIN | 1u << LAST_PIN;
    make_dte(0, NIC, &nic_remap, AMDVI_DTE0_IR | AMDVI_DTE0_IW);
    make_dte(1, EDU, &edu_remap, AMDVI_DTE0_IR | AMDVI_DTE0_IW);
    make_dte(2, AMDVI_IOAPIC_DEVICE, &ioapic_remap, 0);
    image_model.header.dtes.count = 3;
}

/* Logical ids are in flat mode. */
static inline void set_logical(unsigned id, uint32_t ldr)
{
    model_current = work[id];
    assert_true(vdev_write(work[id], APIC_BASE_DEFAULT + APIC_LDR, 4, ldr << 24));
}

static inline void read_again(uint16_t device)
{
    for (size_t i = 0; i < sizeof(iommu) / sizeof(iommu[0]); i++)
        if (iommu[i].device == device)
            memcpy(iommu[i].entry, iommu[i].remap->entry, sizeof(iommu[i].entry));
}

/* Nothing has changed that the IOMMU doesn't know of. */
static inline int check_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(iommu) / sizeof(iommu[0]); i++)
        assert_memory_equal(iommu[i].entry, iommu[i].remap->entry, sizeof(iommu[i].entry));
    return 0;
}

#define TOLD(test) cmocka_unit_test_setup_teardown(test, start, check_told)

static inline int start_remap(void **state)
{
    (void)state;
    vcpu_model_reset();
    pci_model_reset();
    model_on_forget = read_again;
    for (size_t i = 0; i < sizeof(iommu) / sizeof(iommu[0]); i++)
        memset(iommu[i].entry, 0, sizeof(iommu[i].entry));
    model_forgotten = 0;
    nic = pci_model_add(NIC, 2);
    edu = pci_model_add(EDU, 0xff);
    nic->on_write = behave_nic;
    edu->on_write = behave_edu;
    behave_nic(nic, 0);
    behave_edu(edu, 0);
    nic->config[NIC_MSIX + 3] = 0x80; /* on, as firmware left it */
    edu->config[EDU_MSI + 2] |= 1;
    memset(bar, 0xff, sizeof(bar));
    make_rows();
    for (unsigned n = 0; n < CPU_MAX; n++)
        cpu_areas[n].cpu.apic_id = APIC_OF(n);
    image_model.domain[WORK].ncores = CORES;
    memcpy(image_model.domain[WORK].core, cores, CORES);
    vpci_place(&image_model.header);
    for (unsigned id = 0; id < CORES; id++)
        work[id] = id == 0 ? vcpu_model_init(WORK) : vcpu_model_init_id(WORK, id);
    for (unsigned id = 0; id < CORES; id++) {
        set_logical(id, 1u << id);
        vdev_write(work[id], APIC_BASE_DEFAULT + APIC_DFR, 4, APIC_DFR_RESET);
    }
    console_clear();
    return 0;
}

/* What an entry says that leads to one of the domain's cores. */
static inline uint32_t entry_to(unsigned id, uint32_t vector)
{
    return AMDVI_IRTE_REMAP_EN | APIC_OF(cores[id]) << AMDVI_IRTE_DEST_SHIFT |
           vector << AMDVI_IRTE_VECTOR_SHIFT;
}

/* The address of a message to a local APIC. */
static inline uint32_t message_to(uint32_t apic_id)
{
    return 0xfee00000u | apic_id << 12;
}

/* Whatever a domain does: fixed interrupts, of vectors that are nobody's exceptions, to its own
 * cores. */
static inline void check_entries(const struct bh_remap *remap)
{
    for (unsigned i = 0; i < 2048; i++) {
        uint32_t entry = remap->entry[i], to = entry >> 8 & 0xff, vector = entry >> 16;
        bool own = to == APIC_OF(0) || to == APIC_OF(2) || to == APIC_OF(5);

        if (entry != 0 &&
            ((entry & 0xff) != AMDVI_IRTE_REMAP_EN || !own || vector < 0x20 || vector > 0xfe))
            fail_msg("entry %u is %08x", i, entry);
        if (i >= 512)
            assert_int_equal(entry, 0);
    }
}

#endif
