/*
 * Message signalled interrupts (PCI 3.0, 6.8) of devices whose domain has several cores. The domain
 * reads what it wrote into a device's MSI capability or MSI-X table. The device itself always has
 * core's own messages: the number of an entry in its remapping table, which core points at the core
 * and vector that the domain asked for - or closes, if the domain may not have that.
 *
 * Nothing hangs on whether a device keeps to what core has put into it: whatever it sends, only the
 * entries of its remapping table lead anywhere.
 */
#include "core/audit/audit.h"
#include "core/iommu_dev/remap.h"
#include "core/platform/platform.h"
#include "core/vdev/apic_filter.h"
#include "core/vdev/devices.h"

#define ENTRY_SIZE 16u /* of an MSI-X table */
#define ENTRY_DATA 8u

static const struct bh_pci_function *rows_of(const struct vcpu *vcpu)
{
    return (const struct bh_pci_function *)bh_rows(vcpu->image, &vcpu->image->functions) +
           vcpu->domain->functions.offset;
}

static struct remap find(const struct vcpu *vcpu, const struct bh_pci_function *row)
{
    return remap_find(vcpu->image, vcpu->index, row->bdf);
}

/* Bits of a message's address that say which processors, others than FEEx_xxxxh being no message;
 * a level-triggered one would arrive as if by an edge, so it doesn't. */
static int core_of(const struct bh_message *asked, const struct apic_core *cores, unsigned count)
{
    const struct apic_wish wish = {.to = (uint8_t)(asked->address >> MESSAGE_DEST_SHIFT),
                                   .is_logical = asked->address & MESSAGE_LOGICAL,
                                   .mode = asked->data >> APIC_ICR_MODE_SHIFT & 7,
                                   .vector = (uint8_t)asked->data};

    if (asked->upper != 0 || (asked->address & MESSAGE_ADDRESS_FIXED) != MESSAGE_ADDRESS ||
        (asked->data & MESSAGE_LEVEL))
        return -1;
    return apic_filter_wish(wish, cores, count);
}

/* Points `count` entries, of vectors one after the other, where the message says. False: nowhere.
 */
static bool point(const struct vcpu *vcpu, struct remap *remap, uint32_t index, uint32_t count,
                  const struct bh_message *asked)
{
    struct apic_core cores[BH_MAX_CORES];
    bool done = true;
    int id;

    vapic_cores(vcpu, cores);
    id = core_of(asked, cores, vcpu->domain->ncores);
    for (uint32_t i = 0; i < count; i++) {
        if (id < 0)
            remap_close(remap, index + i);
        done = id >= 0 && remap_point(remap, index + i, (uint32_t)id, (asked->data & 0xff) | i) &&
               done;
    }
    return done;
}

static void deny(const struct vcpu *vcpu, const struct bh_pci_function *row, uint32_t index,
                 const struct bh_message *asked)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_MSI, (uint32_t)row->bdf << 16 | index,
                    (uint64_t)asked->address << 32 | asked->data);
}

/* ---- the MSI-X table ---- */

/* What the device's own table holds: core's message, and the domain's mask bit. */
static void write_entry(const struct bh_pci_function *row, uint32_t dword, uint32_t control)
{
    const uint32_t entry[] = {MESSAGE_ADDRESS, 0, BH_MSIX_FIRST + dword / 4,
                              control & PCI_MSIX_MASKED};
    volatile uint32_t *table = at_physical(row->bar[row->msix_bar].address + row->msix_table);

    table[dword] = entry[dword % 4];
}

static uint32_t *asked_dword(const struct remap *remap, uint32_t dword)
{
    struct bh_message *asked = &remap->table->asked[BH_MSIX_FIRST + dword / 4];
    uint32_t *const field[] = {&asked->address, &asked->upper, &asked->data, &asked->control};

    return field[dword % 4];
}

/*
 * A write of a dword of the table. The way is there before the entry is unmasked. A domain may
 * write address and data one after the other, so what is wrong with them counts once the entry is
 * not masked.
 */
static void write_table(const struct vcpu *vcpu, const struct bh_pci_function *row,
                        struct remap *remap, uint32_t dword, uint32_t value)
{
    uint32_t index = BH_MSIX_FIRST + dword / 4;
    struct bh_message *asked = &remap->table->asked[index];

    *asked_dword(remap, dword) = value;
    if (!point(vcpu, remap, index, 1, asked) && !(asked->control & PCI_MSIX_MASKED))
        deny(vcpu, row, index, asked);
    remap_commit(remap);
    write_entry(row, dword, asked->control);
}

static bool access_table(const struct vcpu *vcpu, const struct bh_pci_function *row,
                         uint32_t offset, unsigned size, bool is_write, uint64_t *value)
{
    struct remap remap = find(vcpu, row);
    uint32_t dword = offset / 4;

    if (!remap.table || size < 4) /* 6.8.2: whole dwords or quadwords */
        return false;
    for (unsigned i = 0; i < size / 4; i++) {
        unsigned shift = 32 * i;

        if (is_write)
            write_table(vcpu, row, &remap, dword + i, (uint32_t)(*value >> shift));
        else
            *value |= (uint64_t)*asked_dword(&remap, dword + i) << shift;
    }
    return true;
}

/* The rest of the table's pages is the device's. */
static uint64_t read_device(uint64_t address, unsigned size)
{
    const volatile void *at = at_physical(address);

    switch (size) {
    case 1:
        return *(const volatile uint8_t *)at;
    case 2:
        return *(const volatile uint16_t *)at;
    case 4:
        return *(const volatile uint32_t *)at;
    default:
        return *(const volatile uint64_t *)at;
    }
}

static void write_device(uint64_t address, unsigned size, uint64_t value)
{
    volatile void *at = at_physical(address);

    switch (size) {
    case 1:
        *(volatile uint8_t *)at = (uint8_t)value;
        return;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)value;
        return;
    case 4:
        *(volatile uint32_t *)at = (uint32_t)value;
        return;
    default:
        *(volatile uint64_t *)at = value;
    }
}

bool vmsix_access(struct vcpu *vcpu, uint64_t gpa, unsigned size, bool is_write, uint64_t *value)
{
    const struct bh_pci_function *row = rows_of(vcpu);

    for (unsigned i = 0; i < vcpu->domain->functions.count; i++, row++) {
        uint64_t table = row->bar[row->msix_bar].address + row->msix_table;
        uint64_t end = table + row->msix_count * ENTRY_SIZE;

        if (row->msix_count == 0 || gpa / PAGE_SIZE < table / PAGE_SIZE ||
            gpa / PAGE_SIZE > (end - 1) / PAGE_SIZE)
            continue;
        if (gpa >= table && gpa < end)
            return access_table(vcpu, row, (uint32_t)(gpa - table), size, is_write, value);
        if (is_write)
            write_device(gpa, size, *value);
        else
            *value = read_device(gpa, size);
        return true;
    }
    return false;
}

/* ---- the MSI capability ---- */

static bool is_64(const struct bh_pci_function *row)
{
    return row->write_mask[(row->msi + PCI_MSI_UPPER) / 4] == UINT32_MAX;
}

/* The message's field in which a byte of configuration space lies; NULL: in none. */
static uint32_t *field_at(const struct bh_pci_function *row, struct bh_message *asked, unsigned reg)
{
    unsigned dword = (reg - row->msi) / 4;

    if (!row->msi || reg < row->msi + PCI_MSI_ADDRESS)
        return NULL;
    if (dword == 1)
        return &asked->address;
    if (is_64(row))
        return dword == 2 ? &asked->upper : dword == 3 ? &asked->data : NULL;
    return dword == 2 ? &asked->data : NULL;
}

/* The device has core's message again, whatever else has happened to it. */
static void place_message(const struct bh_pci_function *row)
{
    uint8_t data = (uint8_t)(row->msi + PCI_MSI_DATA + (is_64(row) ? 4 : 0));

    pci_write32(row->bdf, row->msi + PCI_MSI_ADDRESS, MESSAGE_ADDRESS);
    if (is_64(row))
        pci_write32(row->bdf, row->msi + PCI_MSI_UPPER, 0);
    pci_write16(row->bdf, data, 0); /* entry 0 and, by the device's own low bits, those behind it */
}

/* The entries of as many messages as `control` enables; false if the domain may not have them. */
static bool point_messages(const struct vcpu *vcpu, const struct bh_pci_function *row,
                           uint16_t control, struct bh_message *asked)
{
    struct remap remap = find(vcpu, row);
    uint32_t shift = control >> PCI_MSI_SHIFT & 7;
    uint32_t count = shift <= 5 ? 1u << shift : BH_MSI_MAX;
    bool done;

    if (!remap.table)
        return true;
    *asked = remap.table->asked[0];
    asked->data &= ~(count - 1); /* the device's bits */
    done = point(vcpu, &remap, 0, count, asked);
    for (uint32_t i = count; i < BH_MSI_MAX; i++)
        remap_close(&remap, i);
    remap_commit(&remap);
    return done;
}

bool vmsi_read(const struct vcpu *vcpu, const struct bh_pci_function *row, uint8_t reg,
               uint32_t *value)
{
    struct remap remap = find(vcpu, row);
    uint32_t *field = remap.table ? field_at(row, &remap.table->asked[0], reg) : NULL;

    if (field)
        *value = *field;
    return field;
}

bool vmsi_write_byte(const struct vcpu *vcpu, const struct bh_pci_function *row, uint8_t reg,
                     uint8_t mask, uint8_t value)
{
    struct remap remap = find(vcpu, row);
    uint32_t *field = remap.table ? field_at(row, &remap.table->asked[0], reg) : NULL;
    unsigned shift = reg % 4 * 8;

    if (field)
        *field = (*field & ~((uint32_t)mask << shift)) | (uint32_t)(value & mask) << shift;
    return field;
}

void vmsi_update(const struct vcpu *vcpu, const struct bh_pci_function *row, uint16_t control)
{
    struct bh_message asked;

    if (!row->msi || !bh_is_remapped(vcpu->domain))
        return;
    if (!point_messages(vcpu, row, control, &asked) && (control & PCI_MSI_ENABLE))
        deny(vcpu, row, 0, &asked);
    place_message(row);
}

/* ---- before the domain runs, and when its cores are known by other names ---- */

static _Noreturn void refuse(const struct bh_pci_function *row, const char *what, uint32_t found)
{
    fatal("PCI device %x:%x.%x has %s than the policy says: it reads 0x%x. Correct it in the "
          "machine description",
          row->bdf >> 8, row->bdf >> 3 & 31, row->bdf & 7, what, found);
}

static void place_msi(const struct bh_pci_function *row)
{
    uint32_t head = pci_read32(row->bdf, row->msi);
    uint16_t control = (uint16_t)(head >> 16);

    if ((head & 0xff) != PCI_ID_MSI || !(control & PCI_MSI_64) != !is_64(row))
        refuse(row, "another MSI capability", head);
    pci_write16(row->bdf, row->msi + PCI_MSG_CONTROL, control & (uint16_t)~PCI_MSI_ENABLE);
    place_message(row);
}

static void place_msix(const struct bh_pci_function *row)
{
    uint32_t head = pci_read32(row->bdf, row->msix);
    uint32_t table = pci_read32(row->bdf, row->msix + PCI_MSIX_TABLE);
    uint16_t control = (uint16_t)(head >> 16);

    if ((head & 0xff) != PCI_ID_MSIX || (control & PCI_MSIX_SIZE) + 1u != row->msix_count)
        refuse(row, "another number of MSI-X vectors", head);
    if (table != (row->msix_table | row->msix_bar))
        refuse(row, "its MSI-X table elsewhere", table);
    pci_write16(row->bdf, row->msix + PCI_MSG_CONTROL, 0);
    pci_write16(row->bdf, PCI_COMMAND, PCI_COMMAND_MEMORY);
    for (uint32_t i = 4u * row->msix_count; i-- > 0;) /* mask first */
        write_entry(row, i, PCI_MSIX_MASKED);
    table = *(const volatile uint32_t *)at_physical(row->bar[row->msix_bar].address +
                                                    row->msix_table + ENTRY_DATA);
    pci_write16(row->bdf, PCI_COMMAND, 0);
    if (table != BH_MSIX_FIRST)
        refuse(row, "another MSI-X table", table);
}

void vmsi_place(const struct bh_pci_function *row)
{
    if (row->msi)
        place_msi(row);
    if (row->msix_count)
        place_msix(row);
}

void vmsi_init(const struct vcpu *vcpu)
{
    const struct bh_pci_function *row = rows_of(vcpu);

    for (unsigned i = 0; i < vcpu->domain->functions.count; i++, row++) {
        struct remap remap = find(vcpu, row);

        for (uint32_t k = 0; k < row->msix_count && remap.table; k++)
            remap.table->asked[BH_MSIX_FIRST + k].control = PCI_MSIX_MASKED;
    }
}

void vmsi_renew(const struct vcpu *vcpu)
{
    const struct bh_pci_function *row = rows_of(vcpu);

    for (unsigned i = 0; i < vcpu->domain->functions.count; i++, row++) {
        struct remap remap = find(vcpu, row);
        struct bh_message ignored; /* to lose a name is no attempt */

        for (uint32_t k = 0; k < row->msix_count && remap.table; k++)
            point(vcpu, &remap, BH_MSIX_FIRST + k, 1, &remap.table->asked[BH_MSIX_FIRST + k]);
        remap_commit(&remap);
        if (row->msi && remap.table)
            point_messages(vcpu, row, pci_read16(row->bdf, row->msi + PCI_MSG_CONTROL), &ignored);
    }
}
