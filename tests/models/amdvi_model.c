#include "models/amdvi_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/iommu_dev/amdvi_mmio.h"
#include "hw/npt.h"

/* Halves of a device-table entry; each is forgotten by its own command. */
#define HAS_MEMORY     1
#define HAS_INTERRUPTS 2

static struct model_unit units[MODEL_UNITS];
static unsigned unit_count;

static uint64_t *reg(struct model_unit *unit, uint32_t offset)
{
    return &unit->reg[offset / 8];
}

void model_reset(void)
{
    unit_count = 0;
}

struct model_unit *model_add(uint64_t base, uint64_t features)
{
    struct model_unit *unit = &units[unit_count++];

    memset(unit, 0, sizeof(*unit));
    unit->base = base;
    *reg(unit, AMDVI_FEATURES) = features;
    return unit;
}

static struct model_unit *unit_at(uint64_t base)
{
    for (unsigned i = 0; i < unit_count; i++)
        if (units[i].base == base)
            return &units[i];
    fprintf(stderr, "access to registers at %#llx, where no IOMMU is\n", (unsigned long long)base);
    abort();
}

static void require(struct model_unit *unit, bool rule, const char *text)
{
    if (!rule && !unit->violation)
        unit->violation = text;
}

/* The event log, 2.5 */

void model_log(struct model_unit *unit, uint64_t low, uint64_t address)
{
    uint64_t tail = *reg(unit, AMDVI_EVENT_TAIL);
    uint64_t next = (tail + 16) % (AMDVI_RING_ENTRIES * 16);
    struct amdvi_event *log = (struct amdvi_event *)(*reg(unit, AMDVI_EVENT_BASE) & AMDVI_ADDRESS);

    if (!(*reg(unit, AMDVI_STATUS) & AMDVI_STATUS_EVENT_RUN))
        return;
    if (next == *reg(unit, AMDVI_EVENT_HEAD)) {
        *reg(unit, AMDVI_STATUS) |= AMDVI_STATUS_EVENT_OVERFLOW;
        *reg(unit, AMDVI_STATUS) &= ~AMDVI_STATUS_EVENT_RUN;
        return;
    }
    require(unit, !log[tail / 16].q[0], "a log slot that was read must be cleared");
    log[tail / 16] = (struct amdvi_event){{low, address}};
    if (!unit->delays_tail)
        *reg(unit, AMDVI_EVENT_TAIL) = next;
}

static void log_access(struct model_unit *unit, uint64_t code, uint16_t device, uint64_t flags,
                       uint64_t address)
{
    model_log(unit, code << AMDVI_CODE_SHIFT | flags | device, address);
}

/* Commands, 2.4 */

static void illegal_command(struct model_unit *unit, const char *text)
{
    require(unit, false, text);
    *reg(unit, AMDVI_STATUS) &= ~AMDVI_STATUS_COMMAND_RUN;
}

static void forget_translations(struct model_unit *unit, uint32_t domain, bool all)
{
    for (unsigned i = 0; i < 64; i++)
        if (all || unit->tlb[i].domain == domain)
            unit->tlb[i].is_used = false;
}

static void forget_interrupts(struct model_unit *unit, uint32_t device, bool all)
{
    for (unsigned i = 0; i < 64; i++)
        if (all || unit->irte[i].device == device)
            unit->irte[i].is_used = false;
}

static void carry_out(struct model_unit *unit, const struct amdvi_command *command)
{
    uint64_t low = command->q[0] & ((1ull << AMDVI_CODE_SHIFT) - 1), high = command->q[1];

    unit->commands++;
    switch (command->q[0] >> AMDVI_CODE_SHIFT) {
    case AMDVI_COMPLETION_WAIT:
        if (low >> 52)
            illegal_command(unit, "COMPLETION_WAIT: reserved bits");
        if (low & AMDVI_WAIT_STORE)
            *(volatile uint64_t *)(low & AMDVI_WAIT_ADDRESS) = high;
        break;
    case AMDVI_INVALIDATE_DTE:
        if (low > 0xffff || high)
            illegal_command(unit, "INVALIDATE_DEVTAB_ENTRY: reserved bits");
        unit->has_dte[low & 0xffff] &= HAS_INTERRUPTS;
        break;
    case AMDVI_INVALIDATE_INTERRUPTS:
        if (low > 0xffff || high)
            illegal_command(unit, "INVALIDATE_INTERRUPT_TABLE: reserved bits");
        unit->has_dte[low & 0xffff] &= HAS_MEMORY;
        forget_interrupts(unit, (uint32_t)low, false);
        break;
    case AMDVI_INVALIDATE_PAGES:
        if (low & ~(0xffffull << 32) || high != AMDVI_PAGES_ALL)
            illegal_command(unit, "INVALIDATE_IOMMU_PAGES: reserved bits or not the whole range");
        forget_translations(unit, (uint32_t)(low >> 32), false);
        break;
    case AMDVI_INVALIDATE_ALL:
        if (low || high || !(*reg(unit, AMDVI_FEATURES) & AMDVI_FEATURE_INVALIDATE_ALL))
            illegal_command(unit, "INVALIDATE_IOMMU_ALL: reserved bits or not supported");
        memset(unit->has_dte, 0, sizeof(unit->has_dte));
        forget_translations(unit, 0, true);
        forget_interrupts(unit, 0, true);
        break;
    default:
        illegal_command(unit, "unknown command");
    }
}

static void run_commands(struct model_unit *unit)
{
    const struct amdvi_command *ring =
        (const struct amdvi_command *)(*reg(unit, AMDVI_COMMAND_BASE) & AMDVI_ADDRESS);

    while (!unit->ignores_commands && *reg(unit, AMDVI_STATUS) & AMDVI_STATUS_COMMAND_RUN &&
           *reg(unit, AMDVI_COMMAND_HEAD) != *reg(unit, AMDVI_COMMAND_TAIL)) {
        uint64_t head = *reg(unit, AMDVI_COMMAND_HEAD);

        carry_out(unit, &ring[head / 16]);
        *reg(unit, AMDVI_COMMAND_HEAD) = (head + 16) % (AMDVI_RING_ENTRIES * 16);
    }
}

/* Registers, 3.4 */

static void set_run_bit(struct model_unit *unit, uint64_t enabled, uint64_t bit)
{
    uint64_t *status = reg(unit, AMDVI_STATUS);

    if (enabled && !(bit == AMDVI_STATUS_EVENT_RUN && *status & AMDVI_STATUS_EVENT_OVERFLOW))
        *status |= bit;
    else if (!unit->never_stops)
        *status &= ~bit;
}

static void write_control(struct model_unit *unit, uint64_t value)
{
    if (unit->on_control)
        unit->on_control(unit, value);
    value &= ~unit->stuck_control;
    *reg(unit, AMDVI_CONTROL) = value;
    set_run_bit(unit, value & AMDVI_CONTROL_ENABLE && value & AMDVI_CONTROL_COMMANDS,
                AMDVI_STATUS_COMMAND_RUN);
    set_run_bit(unit, value & AMDVI_CONTROL_ENABLE && value & AMDVI_CONTROL_EVENT_LOG,
                AMDVI_STATUS_EVENT_RUN);
}

static void write_ring_base(struct model_unit *unit, uint32_t offset, uint64_t value, uint64_t run)
{
    uint32_t head = offset == AMDVI_EVENT_BASE ? AMDVI_EVENT_HEAD : AMDVI_COMMAND_HEAD;

    require(unit, !(*reg(unit, AMDVI_STATUS) & run), "a ring must not move while it runs");
    *reg(unit, offset) = value;
    *reg(unit, head) = 0;
    *reg(unit, head + 8) = 0;
}

void amdvi_write(uint64_t base, uint32_t offset, uint64_t value)
{
    struct model_unit *unit = unit_at(base);

    if (unit->is_absent || (unit->stuck_offset && offset == unit->stuck_offset))
        return;
    switch (offset) {
    case AMDVI_CONTROL:
        write_control(unit, value);
        break;
    case AMDVI_COMMAND_BASE:
        write_ring_base(unit, offset, value, AMDVI_STATUS_COMMAND_RUN);
        break;
    case AMDVI_EVENT_BASE:
        write_ring_base(unit, offset, value, AMDVI_STATUS_EVENT_RUN);
        break;
    case AMDVI_COMMAND_TAIL:
        require(unit, !(value & ~AMDVI_RING_POINTER) && value < AMDVI_RING_ENTRIES * 16,
                "command tail outside of the ring");
        *reg(unit, offset) = value;
        run_commands(unit);
        break;
    case AMDVI_STATUS:
        *reg(unit, offset) &= ~(
            value & (AMDVI_STATUS_EVENT_OVERFLOW | AMDVI_STATUS_EVENT_INT | AMDVI_STATUS_WAIT_INT));
        break;
    case AMDVI_FEATURES:
        require(unit, false, "the feature register is read-only");
        break;
    default:
        *reg(unit, offset) = value;
    }
}

uint64_t amdvi_read(uint64_t base, uint32_t offset)
{
    struct model_unit *unit = unit_at(base);

    return unit->is_absent ? UINT64_MAX : *reg(unit, offset);
}

/* Device accesses, 2.2 */

static const struct amdvi_dte *read_dte(struct model_unit *unit, uint16_t device, uint8_t half)
{
    const struct amdvi_dte *table =
        (const struct amdvi_dte *)(*reg(unit, AMDVI_DEVICE_TABLE) & AMDVI_ADDRESS);
    const struct amdvi_dte *from = &table[device];
    struct amdvi_dte *cached = &unit->dte[device];

    if (unit->has_dte[device] & half)
        return cached;
    if (half == HAS_MEMORY) {
        cached->q[0] = from->q[0];
        cached->q[1] = from->q[1];
    } else {
        cached->q[2] = from->q[2];
        cached->q[3] = from->q[3];
    }
    unit->has_dte[device] |= half;
    return cached;
}

static struct model_translation walk(const struct amdvi_dte *dte, uint64_t address)
{
    uint64_t entry = dte->q[0], level = (entry & AMDVI_DTE0_MODE) >> AMDVI_DTE0_MODE_SHIFT;
    uint64_t rights = entry, shift = 12;
    struct model_translation result = {.page = address >> 12,
                                       .domain = dte->q[1] & AMDVI_DTE1_DOMAIN};

    while (level) {
        shift = 12 + 9 * (level - 1);
        const uint64_t *table = (const uint64_t *)(entry & AMDVI_ADDRESS);

        entry = table[address >> shift & 511];
        if (!(entry & NPT_P))
            return result;
        rights &= entry;
        level = (entry & NPT_NEXT) >> NPT_NEXT_SHIFT;
    }
    result.can_read = rights & AMDVI_DTE0_IR;
    result.can_write = rights & AMDVI_DTE0_IW;
    result.to = dte->q[0] & AMDVI_DTE0_MODE ? (entry & AMDVI_ADDRESS) >> shift << shift : 0;
    result.to |= dte->q[0] & AMDVI_DTE0_MODE ? address & ((1ull << shift) - 1) : address;
    result.to &= ~0xfffull;
    return result;
}

static const struct model_translation *translate(struct model_unit *unit,
                                                 const struct amdvi_dte *dte, uint64_t address)
{
    uint32_t domain = dte->q[1] & AMDVI_DTE1_DOMAIN;
    struct model_translation *slot = &unit->tlb[(address >> 12) % 64];

    if (!slot->is_used || slot->domain != domain || slot->page != address >> 12) {
        *slot = walk(dte, address);
        slot->is_used = true;
    }
    return slot;
}

static bool is_excluded(struct model_unit *unit, const struct amdvi_dte *dte, uint64_t address)
{
    uint64_t exclusion = *reg(unit, AMDVI_EXCLUSION_BASE);

    return exclusion & 1 && (exclusion & 2 || dte->q[1] & AMDVI_DTE1_EX) &&
           address >= (exclusion & AMDVI_ADDRESS) &&
           address <= (*reg(unit, AMDVI_EXCLUSION_LIMIT) | 0xfff);
}

bool model_dma(struct model_unit *unit, uint16_t device, uint64_t address, bool is_write,
               uint64_t *to)
{
    uint64_t direction = is_write ? AMDVI_EVENT_RW : 0;

    *to = address;
    if (!(*reg(unit, AMDVI_CONTROL) & AMDVI_CONTROL_ENABLE))
        return true;

    const struct amdvi_dte *dte = read_dte(unit, device, HAS_MEMORY);

    if (!(dte->q[0] & AMDVI_DTE0_V) || is_excluded(unit, dte, address))
        return true;
    if (dte->q[0] & 0x800000000000007cull || dte->q[1] & (1ull << 42)) {
        log_access(unit, AMDVI_EVENT_ILLEGAL_DTE, device, direction, address);
        return false;
    }

    const struct model_translation *found = translate(unit, dte, address);

    if (!(is_write ? found->can_write : found->can_read)) {
        uint64_t present = found->can_read || found->can_write ? AMDVI_EVENT_PR : 0;

        log_access(unit, AMDVI_EVENT_PAGE_FAULT, device, direction | present, address);
        return false;
    }
    *to = found->to | (address & 0xfff);
    return true;
}

/* Delivery modes, with the bit that lets each pass; fixed and lowest priority have IntCtl. */
static bool passes_unremapped(const struct amdvi_dte *dte, uint32_t mode)
{
    switch (mode) {
    case 4:
        return dte->q[2] & AMDVI_DTE2_NMI_PASS;
    case 5:
        return dte->q[2] & AMDVI_DTE2_INIT_PASS;
    case 7:
        return dte->q[2] & AMDVI_DTE2_EINT_PASS;
    default:
        return false; /* SMI and reserved modes */
    }
}

/* The entry as it was when it was last read, if that hasn't been forgotten. */
static uint32_t read_irte(struct model_unit *unit, uint16_t device, uint32_t index,
                          const uint32_t *table)
{
    struct model_irte *slot = &unit->irte[(device + index) % 64];

    if (!slot->is_used || slot->device != device || slot->index != index)
        *slot = (struct model_irte){table[index], device, (uint16_t)index, true};
    return slot->value;
}

bool model_interrupt(struct model_unit *unit, uint16_t device, uint32_t data, uint32_t *irte)
{
    uint32_t mode = data >> 8 & 7, index = data & AMDVI_IRT_INDEX;
    uint64_t address = 0xfee00000ull | (uint64_t)index << 2;

    *irte = 0;
    if (!(*reg(unit, AMDVI_CONTROL) & AMDVI_CONTROL_ENABLE))
        return true;

    const struct amdvi_dte *dte = read_dte(unit, device, HAS_INTERRUPTS);

    if (!(dte->q[2] & AMDVI_DTE2_IV))
        return true;
    if (mode > 1 && passes_unremapped(dte, mode))
        return true;
    if (mode <= 1 && (dte->q[2] & AMDVI_DTE2_INTCTL) == AMDVI_DTE2_INTCTL_FORWARD)
        return true;
    if (mode <= 1 && (dte->q[2] & AMDVI_DTE2_INTCTL) == AMDVI_DTE2_INTCTL_REMAP &&
        index < 1u << ((dte->q[2] & AMDVI_DTE2_INTTABLEN) >> AMDVI_DTE2_INTTABLEN_SHIFT)) {
        const uint32_t *table = (const uint32_t *)(dte->q[2] & AMDVI_DTE2_INTTABROOT);

        *irte = read_irte(unit, device, index, table);
        if (*irte & AMDVI_IRTE_REMAP_EN)
            return true;
    }
    log_access(unit, AMDVI_EVENT_PAGE_FAULT, device, AMDVI_EVENT_I, address);
    return false;
}

bool model_has_translation(const struct model_unit *unit, uint32_t domain)
{
    for (unsigned i = 0; i < 64; i++)
        if (unit->tlb[i].is_used && unit->tlb[i].domain == domain)
            return true;
    return false;
}
