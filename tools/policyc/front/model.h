/*
 * What a policy and its machine description say, as parsed: every value knows its place in
 * the text, so that whoever finds fault with it later can point there.
 *
 * A place with line 0 means that the text doesn't say it. Strings live as long as the
 * `struct front` that they came from.
 */
#ifndef POLICYC_MODEL_H
#define POLICYC_MODEL_H

#include "bulkhead/image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct place {
    uint32_t source; /* index into the front's sources */
    uint32_t line;   /* from 1 */
    uint32_t column; /* from 1 */
    uint32_t length; /* in columns, on that line; at least 1 */
};

struct number {
    uint64_t value;
    struct place at;
};

struct text {
    const char *value;
    struct place at;
};

struct extent {
    uint64_t base;
    uint64_t size;
    struct place at;
};

/* A growing list of names as written. */
struct texts {
    struct text *item;
    unsigned count, room;
};

#define MAX_EXTENTS   8u
#define MAX_PORTS     8u
#define MAX_RESOURCES 64u
#define MAX_NEVERS    32u
#define BARS          6u

/* ---- machine description ---- */

enum resource_class { CLASS_ENDPOINT = 1, CLASS_LEGACY_SAFE, CLASS_PLATFORM };

struct bar {
    struct place at; /* line 0: the device has no such BAR */
    uint64_t address;
    uint64_t size;
    uint32_t flags; /* BH_BAR_* */
};

struct ports {
    uint32_t first, last; /* both included */
    struct place at;
};

struct resource {
    struct text name;
    enum resource_class class;
    struct number pci; /* bdf; line 0: no PCI function */
    uint16_t vendor, device;
    struct bar bar[BARS];
    struct number msi, msix;
    struct {
        struct place at; /* line 0: nobody said where it lies */
        uint64_t bar, offset, count;
    } msix_table;
    bool msi_64;
    struct place visible;              /* every domain with a PCI function sees ids and class */
    struct extent hidden[MAX_EXTENTS]; /* of config space, in bytes */
    unsigned hidden_count;
    struct ports ports[MAX_PORTS];
    unsigned ports_count;
    struct extent memory[MAX_EXTENTS];
    unsigned memory_count;
    uint32_t pins;
    struct place pins_at;
};

/* The pages that hold a device's MSI-X table; none if nobody said where it lies. */
static inline struct extent msix_pages(const struct resource *resource)
{
    uint64_t first, end;

    if (resource->msix_table.at.line == 0)
        return (struct extent){.size = 0};
    first = resource->bar[resource->msix_table.bar].address + resource->msix_table.offset;
    end = first + 16 * resource->msix_table.count;
    first &= ~(uint64_t)(BH_PAGE - 1);
    return (struct extent){.base = first, .size = (end - first + BH_PAGE - 1) / BH_PAGE * BH_PAGE};
}

struct machine {
    struct text name;
    struct number cores; /* core n's local APIC has id n */
    struct extent ram[MAX_EXTENTS];
    unsigned ram_count;
    struct extent closed[MAX_EXTENTS]; /* of RAM's range, but not RAM */
    unsigned closed_count;
    struct extent rom[MAX_EXTENTS];
    unsigned rom_count;
    struct extent core, device_table, pool;
    struct number ioapic; /* requester id */
    struct resource resource[MAX_RESOURCES];
    unsigned resource_count;
};

/* ---- policy ---- */

struct domain {
    struct text name;
    struct number kind;  /* enum bh_kind */
    struct number label; /* enum bh_label */
    struct number core[BH_MAX_CORES];
    unsigned core_count;
    struct place cores_at;
    struct number slice;      /* milliseconds; line 0: it shares no core */
    struct number interrupts; /* enum bh_interrupts */
    struct number memory;     /* bytes; 0 is "rest" */
    struct number paging;     /* enum bh_paging; line 0: nested */
    struct number shadow;     /* bytes for shadow tables */
    struct number boot;       /* enum bh_boot */
    struct text kernel, initrd, cmdline, flat;
    struct texts module, module_string; /* one string a module, "" where none is said */
    struct number load;
    struct number rights; /* BH_RIGHT_*; place of the last */
    struct number on_stop;
    struct texts devices;
    struct texts intercept;
    struct texts no_intercept;
    struct texts msrs;
    struct place requires_rdrand;

    /* filled by the checks */
    unsigned resource[MAX_RESOURCES]; /* machine's resources that it was granted */
    struct place resource_at[MAX_RESOURCES];
    unsigned resource_count;
};

/* May core have to translate this domain's addresses by shadow tables? */
static inline bool is_shadowed(const struct domain *domain)
{
    return domain->paging.at.line != 0 && domain->paging.value != BH_PAGING_NESTED;
}

/* Does core decide on the targets of its devices' interrupts while it runs? */
static inline bool is_remapped(const struct domain *domain)
{
    return domain->core_count > 1 && domain->interrupts.value == BH_DIRECT;
}

struct channel_end {
    struct text name;
    struct number at;
    uint32_t rights; /* BH_CHANNEL_* */
    struct place rights_at;
    struct place dma; /* its devices may do what its CPU may */
    unsigned domain;  /* filled by the checks */
};

struct channel {
    struct text name;
    struct number size;
    struct channel_end end[2];
    unsigned end_count;
    struct place surplus; /* a third end, if there is one */
};

enum verb { VERB_REACH = 1, VERB_WRITE };

/* Whom or what an assertion speaks of. */
enum object_kind {
    OBJECT_MEMORY = 1, /* of a domain or label: what it shares with nobody */
    OBJECT_DEVICES,    /* of a domain or label */
    OBJECT_PLATFORM,   /* everything classed platform, core, image and tables included */
    OBJECT_CHANNEL,
    OBJECT_RESOURCE,
};

struct never {
    struct place at;
    enum verb verb;
    struct text subject; /* label or domain */
    struct text object;  /* the same with a part, or a lone name */
    struct text part;    /* "memory" or "devices"; NULL for a lone name */

    /* filled by the checks */
    uint32_t subjects; /* bit n: domain n */
    enum object_kind kind;
    uint32_t objects; /* bit n: domain n (memory, devices) */
    unsigned index;   /* of channel or resource */
};

struct policy {
    struct text name;
    struct number version;
    struct text machine;
    struct number attest; /* enum bh_attest; line 0: required */
    struct domain domain[BH_MAX_DOMAINS];
    unsigned domain_count;
    struct channel channel[BH_MAX_CHANNELS];
    unsigned channel_count;
    struct never never[MAX_NEVERS];
    unsigned never_count;
};

#endif
