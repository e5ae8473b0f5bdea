#include "core/iommu_dev/event.h"

/* Which fields of an entry are valid, and what it means. */
static const struct event_row {
    const char *name;
    enum dma_event_kind kind; /* memory: or interrupt, if the entry's flag I says so */
    bool has_device;
    bool rw_needs_pr; /* RW is valid only with PR */
} rows[] = {
    [AMDVI_EVENT_ILLEGAL_DTE] = {"ILLEGAL_DEV_TABLE_ENTRY", DMA_DENIED_MEMORY, true, false},
    [AMDVI_EVENT_PAGE_FAULT] = {"IO_PAGE_FAULT", DMA_DENIED_MEMORY, true, true},
    [AMDVI_EVENT_DTE_HARDWARE] = {"DEV_TAB_HARDWARE_ERROR", DMA_FAULT, true, false},
    [AMDVI_EVENT_PAGE_HARDWARE] = {"PAGE_TAB_HARDWARE_ERROR", DMA_FAULT, true, false},
    [AMDVI_EVENT_ILLEGAL_COMMAND] = {"ILLEGAL_COMMAND_ERROR", DMA_FAULT, false, false},
    [AMDVI_EVENT_COMMAND_HARDWARE] = {"COMMAND_HARDWARE_ERROR", DMA_FAULT, false, false},
    [AMDVI_EVENT_IOTLB_TIMEOUT] = {"IOTLB_INV_TIMEOUT", DMA_FAULT, true, false},
    [AMDVI_EVENT_INVALID_REQUEST] = {"INVALID_DEVICE_REQUEST", DMA_DENIED_MEMORY, true, true},
    [AMDVI_EVENT_INVALID_PPR] = {"INVALID_PPR_REQUEST", DMA_DENIED_MEMORY, true, true},
    [AMDVI_EVENT_COUNTER_ZERO] = {"EVENT_COUNTER_ZERO", DMA_FAULT, false, false},
};

static const struct event_row unknown = {"unknown event", DMA_FAULT, false, false};

static enum dma_access access_of(uint64_t flags, const struct event_row *row)
{
    if (flags & AMDVI_EVENT_TR || (row->rw_needs_pr && !(flags & AMDVI_EVENT_PR)))
        return DMA_ACCESS;
    return flags & AMDVI_EVENT_RW ? DMA_WRITE : DMA_READ;
}

struct dma_event event_decode(const struct amdvi_event *entry, uint32_t unit)
{
    uint64_t code = entry->q[0] >> AMDVI_CODE_SHIFT;
    bool known = code < sizeof(rows) / sizeof(rows[0]) && rows[code].name;
    const struct event_row *row = known ? &rows[code] : &unknown;
    struct dma_event event = {
        .kind = row->kind,
        .name = row->name,
        .unit = unit,
        .has_device = row->has_device,
        .address = entry->q[1],
    };

    if (row->has_device)
        event.device = (uint16_t)(entry->q[0] & AMDVI_EVENT_DEVICE);
    if (row->kind != DMA_DENIED_MEMORY)
        return event;
    if (entry->q[0] & AMDVI_EVENT_I)
        event.kind = DMA_DENIED_INTERRUPT;
    else
        event.access = access_of(entry->q[0], row);
    return event;
}
