/*
 * PCI configuration space by CF8h/CFCh (PCI Local Bus 3.0, 3.2.2.3.2 and 6). A domain sees the
 * functions that have a row in the policy image, through that row's masks. BARs belong to core:
 * it places them once, where the domain's table maps them; the domain's own writes only answer
 * its sizing.
 */
#include "core/audit/audit.h"
#include "core/platform/platform.h"
#include "core/vdev/devices.h"

#define ADDRESS_BITS 0x8ffffffcu
#define EXTENDED     0x0f000000u /* AMD: bits 11:8 of the register, and no domain has those */
#define BARS         6u
#define ABSENT       0xffffffffu

/* Guarded by the domain's lock (vdev.c). `bar` as the domain wrote them, by its function rows. */
static struct {
    uint32_t address;
    uint32_t bar[BH_MAX_PCI][BARS];
} views[BH_MAX_DOMAINS];

static const struct bh_pci_function *rows_of(const struct vcpu *vcpu)
{
    return (const struct bh_pci_function *)bh_rows(vcpu->image, &vcpu->image->functions) +
           vcpu->domain->functions.offset;
}

static uint32_t bar_flags(uint32_t flags)
{
    if (flags & BH_BAR_IO)
        return 1;
    return (flags & BH_BAR_64 ? 4u : 0) | (flags & BH_BAR_PREFETCH ? 8u : 0);
}

/* BAR `n` of a row: what it holds at first, and the bits that a write can change. */
static void bar_value(const struct bh_pci_function *row, unsigned n, uint32_t *value,
                      uint32_t *mask)
{
    bool upper = n > 0 && (row->bar[n - 1].flags & BH_BAR_64);
    unsigned first = upper ? n - 1 : n;

    *value = *mask = 0;
    if (row->bar[first].size == 0)
        return;
    if (upper) {
        *value = (uint32_t)(row->bar[first].address >> 32);
        *mask = (uint32_t)(~(row->bar[first].size - 1) >> 32);
    } else {
        *value = (uint32_t)row->bar[n].address | bar_flags(row->bar[n].flags);
        *mask = (uint32_t) ~(row->bar[n].size - 1);
    }
}

/*
 * Quiet (no DMA, no decoding) and with its BARs where the policy says. A BAR that is larger than
 * described would answer at addresses that the policy knows nothing of.
 */
static void place(const struct bh_pci_function *row)
{
    pci_write16(row->bdf, PCI_COMMAND, 0);
    pci_write32(row->bdf, PCI_ROM, 0); /* firmware may have switched its decoder on */
    for (unsigned n = 0; n < BARS; n++) {
        uint8_t reg = (uint8_t)(PCI_BAR0 + 4 * n);
        uint32_t value, mask, sized, ignored;

        bar_value(row, n, &value, &mask);
        ignored = value & ~mask & 1 ? 0xffff0000 : 0; /* ports have 16 bits, a BAR may have more */
        pci_write32(row->bdf, reg, 0xffffffff);
        sized = pci_read32(row->bdf, reg);
        pci_write32(row->bdf, reg, value);
        if ((sized | ignored) != (value | mask | ignored))
            fatal("a BAR is of another size or kind than the policy says: PCI device %x:%x.%x, BAR "
                  "%u, sized it reads 0x%x, not 0x%x. Correct it in the machine description",
                  row->bdf >> 8, row->bdf >> 3 & 31, row->bdf & 7, n, sized, value | mask);
    }
}

void vpci_place(const struct bh_header *policy)
{
    const struct bh_pci_function *rows = bh_rows(policy, &policy->functions);

    for (unsigned i = 0; i < policy->functions.count; i++)
        if (rows[i].granted)
            place(&rows[i]);
    for (unsigned i = 0; i < policy->functions.count; i++) /* now that no two claim one address */
        if (rows[i].granted && bh_is_remapped(bh_domain_row(policy, rows[i].domain)))
            vmsi_place(&rows[i]);
}

void vpci_init(const struct vcpu *vcpu)
{
    const struct bh_pci_function *rows = rows_of(vcpu);

    for (unsigned i = 0; i < vcpu->domain->functions.count; i++) {
        for (unsigned n = 0; n < BARS; n++) {
            uint32_t mask;

            bar_value(&rows[i], n, &views[vcpu->index].bar[i][n], &mask);
        }
    }
}

void vpci_quiet(const struct vcpu *vcpu)
{
    const struct bh_pci_function *rows = rows_of(vcpu);

    for (unsigned i = 0; i < vcpu->domain->functions.count; i++)
        if (rows[i].granted)
            pci_write16(rows[i].bdf, PCI_COMMAND, 0);
}

static uint32_t read_dword(const struct vcpu *vcpu, unsigned i, uint8_t reg)
{
    const struct bh_pci_function *row = &rows_of(vcpu)[i];
    unsigned bar = (reg - PCI_BAR0) / 4;

    uint32_t value;

    if (reg >= PCI_BAR0 && bar < BARS)
        return views[vcpu->index].bar[i][bar];
    if (vcpu->domain->ncores > 1 && vmsi_read(vcpu, row, reg, &value))
        return value & row->read_mask[reg / 4];
    return pci_read32(row->bdf, reg) & row->read_mask[reg / 4];
}

/* The way of a message is there before it is enabled. */
static void write_byte(struct vcpu *vcpu, const struct bh_pci_function *row, uint8_t at,
                       uint8_t value)
{
    if (at == row->msi + PCI_MSG_CONTROL)
        vmsi_update(vcpu, row, value);
    pci_write8(row->bdf, at, value);
}

/* Writes whole bytes, so that write-1-to-clear bits beside a register aren't touched. */
static bool write_bytes(struct vcpu *vcpu, unsigned i, uint8_t reg, unsigned size, uint32_t value)
{
    const struct bh_pci_function *row = &rows_of(vcpu)[i];
    bool allowed = false, is_message = false;

    for (unsigned n = 0; n < size; n++) {
        uint8_t at = (uint8_t)(reg + n);
        uint8_t mask = (uint8_t)(row->write_mask[at / 4] >> (at % 4 * 8));
        uint8_t byte = (uint8_t)(value >> (8 * n));

        if (!mask)
            continue;
        allowed = true;
        if (vcpu->domain->ncores > 1 && vmsi_write_byte(vcpu, row, at, mask, byte))
            is_message = true;
        else
            write_byte(vcpu, row, at, (uint8_t)((pci_read8(row->bdf, at) & ~mask) | (byte & mask)));
    }
    if (is_message)
        vmsi_update(vcpu, row, pci_read16(row->bdf, row->msi + PCI_MSG_CONTROL));
    return allowed;
}

static bool write_config(struct vcpu *vcpu, unsigned i, uint8_t reg, unsigned size, uint32_t value)
{
    const struct bh_pci_function *row = &rows_of(vcpu)[i];
    unsigned bar = (reg - PCI_BAR0) / 4;

    if (reg >= PCI_BAR0 && bar < BARS) {
        uint32_t first, mask;

        bar_value(row, bar, &first, &mask);
        if (size == 4)
            views[vcpu->index].bar[i][bar] = (value & mask) | (first & ~mask);
        return row->granted;
    }
    return write_bytes(vcpu, i, reg, size, value);
}

/*
 * What every operating system does to a function that it looks at, without asking for anything:
 * sizing and restoring BARs and ROM, setting the latency timer, switching decoders off meanwhile.
 * It has no effect and isn't worth a line in the log.
 */
static bool is_probing(uint8_t reg, uint32_t value)
{
    return (reg >= PCI_BAR0 && reg < PCI_BAR0 + 4 * BARS) || (reg & 0xfc) == PCI_ROM ||
           reg == PCI_LATENCY ||
           (reg == PCI_COMMAND &&
            !(value & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)));
}

static bool access_config(struct vcpu *vcpu, uint8_t byte, unsigned size, bool in, uint32_t *value)
{
    uint32_t address = __atomic_load_n(&views[vcpu->index].address, __ATOMIC_RELAXED);
    uint16_t bdf = (uint16_t)(address >> 8);
    uint8_t reg = (uint8_t)((address & 0xfc) + byte);
    const struct bh_pci_function *rows = rows_of(vcpu);
    unsigned i = 0;

    while (i < vcpu->domain->functions.count && rows[i].bdf != bdf)
        i++;
    if ((address & (PCI_CONFIG_ENABLE | EXTENDED)) != PCI_CONFIG_ENABLE ||
        i == vcpu->domain->functions.count) {
        *value = ABSENT;
        if (!in)
            audit_violation(vcpu->domain, vcpu->index, VIOLATION_PCI_WRITE,
                            (uint32_t)bdf << 16 | reg, 0);
    } else if (in) {
        *value = read_dword(vcpu, i, reg & 0xfc) >> (8 * (reg & 3));
    } else if (!write_config(vcpu, i, reg, size, *value) && !is_probing(reg, *value)) {
        audit_violation(vcpu->domain, vcpu->index, VIOLATION_PCI_WRITE, (uint32_t)bdf << 16 | reg,
                        *value);
    }
    return true;
}

/* CF9h resets the machine; parts of CF8h are no PCI access. */
bool vpci_port(struct vcpu *vcpu, uint16_t port, unsigned size, bool in, uint32_t *value)
{
    return port >= PCI_CONFIG_DATA &&
           access_config(vcpu, (uint8_t)(port - PCI_CONFIG_DATA), size, in, value);
}

bool vpci_address(struct vcpu *vcpu, bool in, uint32_t *value)
{
    uint32_t *address = &views[vcpu->index].address;

    if (in)
        *value = __atomic_load_n(address, __ATOMIC_RELAXED);
    else
        __atomic_store_n(address, *value & ADDRESS_BITS, __ATOMIC_RELAXED);
    return true;
}
