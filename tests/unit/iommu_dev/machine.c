#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bulkhead/layout.h"
#include "core/platform/acpi.h"
#include "core/platform/pci.h"
#include "hw/npt.h"
#include "iommu_dev/machine.h"
#include "models/pci_model.h"
#include "testing.h"

#define HEADER 48
#define BLOCK  24

struct machine_policy machine_policy;

static uint8_t ivrs[HEADER + BLOCK * (MODEL_UNITS + 1)];
static size_t ivrs_size;
static struct model_unit *models[MODEL_UNITS];
static unsigned model_count;
static struct pci_model *running;

static _Alignas(4096) uint64_t tables[4][512];
static _Alignas(4096) uint32_t interrupts[AMDVI_IRT_ENTRIES];

const void *acpi_find(const char *signature, size_t *size)
{
    assert_string_equal(signature, "IVRS");
    *size = ivrs_size;
    return ivrs_size ? ivrs : NULL;
}

struct model_unit *machine_unit(unsigned i)
{
    return models[i];
}

struct amdvi_dte *machine_device_table(void)
{
    return (struct amdvi_dte *)DEVICE_TABLE_BASE;
}

int machine_check_units(void **state)
{
    (void)state;
    for (unsigned i = 0; i < model_count; i++)
        if (models[i]->violation)
            fail_msg("IOMMU %u: %s", i, models[i]->violation);
    return 0;
}

bool machine_device_is_running(void)
{
    return running->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

void machine_remove_ivrs(void)
{
    ivrs_size = 0;
}

void machine_cut_ivrs(size_t size)
{
    ivrs_size = size;
}

/* What the machine's memory holds before core comes: no entry is a closed one. */
static void make_device_table(void)
{
    static bool is_mapped;

    if (!is_mapped) {
        void *memory = mmap((void *)DEVICE_TABLE_BASE, DEVICE_TABLE_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        assert_ptr_equal(memory, (void *)DEVICE_TABLE_BASE);
        is_mapped = true;
    }
    memset(machine_device_table(), 0x55, DEVICE_TABLE_SIZE);
}

static uint64_t table_entry(unsigned next, unsigned level)
{
    return (uint64_t)tables[next] | NPT_P | NPT_W | NPT_US | NPT_IR | NPT_IW |
           (uint64_t)level << NPT_NEXT_SHIFT;
}

static void make_page_tables(void)
{
    memset(tables, 0, sizeof(tables));
    tables[0][0] = table_entry(1, 3);
    tables[1][0] = table_entry(2, 2);
    tables[2][1] = table_entry(3, 1);
    tables[3][0] = MACHINE_RW | NPT_P | NPT_US | NPT_IR | NPT_IW;
    tables[3][1] = 0x40001000 | NPT_P | NPT_US | NPT_IR;
    tables[3][2] = 0x40002000 | NPT_P | NPT_US;

    memset(interrupts, 0, sizeof(interrupts));
    interrupts[VECTOR] = VECTOR_IRTE;
}

static struct bh_table place_of(const void *rows, uint32_t count)
{
    return (struct bh_table){(uint32_t)((const char *)rows - (const char *)&machine_policy), count};
}

static void make_dte(struct bh_dte *row, uint16_t device, uint32_t domain)
{
    *row = (struct bh_dte){.device_id = device,
                           .domain = domain,
                           .dte = {AMDVI_DTE0_V | AMDVI_DTE0_TV | AMDVI_DTE0_IR | AMDVI_DTE0_IW |
                                       4ull << AMDVI_DTE0_MODE_SHIFT | (uint64_t)tables[0],
                                   domain + 1,
                                   AMDVI_DTE2_IV | AMDVI_DTE2_INTCTL_REMAP |
                                       AMDVI_IRT_LENGTH << AMDVI_DTE2_INTTABLEN_SHIFT |
                                       (uint64_t)interrupts,
                                   0}};
}

static void make_policy(void)
{
    struct machine_policy *p = &machine_policy;

    memset(p, 0, sizeof(*p));
    strcpy(p->domains[WORK].name, "work");
    strcpy(p->domains[VAULT].name, "vault");
    p->regions[0] = (struct bh_region){.base = 0x10000000, .size = 4096, .use = BH_REGION_IMAGE};
    p->regions[1] = (struct bh_region){
        .base = DEVICE_TABLE_BASE, .size = DEVICE_TABLE_SIZE, .use = BH_REGION_DEVICE_TABLE};
    make_dte(&p->dtes[0], NETWORK, WORK);
    make_dte(&p->dtes[1], DISK, VAULT);
    p->header.domains = place_of(p->domains, 2);
    p->header.regions = place_of(p->regions, 2);
    p->header.dtes = place_of(p->dtes, 2);
}

void machine_make(unsigned units)
{
    model_reset();
    pci_model_reset();
    running = pci_model_add(NETWORK, 0x02);
    running->config[PCI_COMMAND] = PCI_COMMAND_MASTER;
    memset(ivrs, 0, sizeof(ivrs));
    ivrs_size = HEADER;
    model_count = units < MODEL_UNITS ? units : MODEL_UNITS;
    for (unsigned i = 0; i < units; i++) {
        uint64_t base = UNIT_BASE - (uint64_t)i * UNIT_DISTANCE;
        uint8_t *block = ivrs + ivrs_size;

        block[0] = 0x10;
        block[2] = BLOCK;
        memcpy(block + 8, &base, sizeof(base));
        ivrs_size += BLOCK;
        if (i < model_count)
            models[i] = model_add(base, AMDVI_FEATURE_INVALIDATE_ALL);
    }
    make_device_table();
    make_page_tables();
    make_policy();
}
