/* What the emitter's own files share. */
#ifndef POLICYC_EMIT_INTERNAL_H
#define POLICYC_EMIT_INTERNAL_H

#include "emit.h"

#define FUNCTIONS_MAX BH_MAX_PCI
#define CPUID_MAX     (BH_MAX_DOMAINS * BH_MAX_CPUID)
#define MSRS_MAX      (BH_MAX_DOMAINS * BH_MAX_MSR)

/* Where everything lies. */
struct layout {
    struct bh_region region[BH_MAX_REGIONS]; /* ascending */
    uint32_t region_count;
    uint64_t domain_base[BH_MAX_DOMAINS];     /* of relocated domains */
    uint64_t shadow_base[BH_MAX_DOMAINS];     /* of shadow tables' pools */
    uint64_t channel_base[BH_MAX_CHANNELS];   /* machine addresses */
    uint64_t channel_gpa[BH_MAX_CHANNELS][2]; /* by end */
};

/* An image in the making. Rows are gathered apart and copied in when all is known. */
struct emission {
    struct front *front;
    const struct policy *policy;
    const struct machine *machine;
    const struct file_fact *facts;
    unsigned fact_count;
    struct layout layout;
    uint8_t *bytes; /* BH_MAX_IMAGE, and room behind it for what is too much */
    size_t used;    /* always whole pages */
    bool is_full;   /* something was too much: nothing in the image can be relied on */
    struct bh_header header;
    struct bh_domain domain[BH_MAX_DOMAINS];
    struct bh_file file[BH_MAX_FILES];
    struct bh_channel channel[BH_MAX_CHANNELS];
    struct bh_pci_function function[FUNCTIONS_MAX];
    struct bh_dte dte[BH_MAX_DTE];
    struct bh_cpuid cpuid[CPUID_MAX];
    struct bh_msr msr[MSRS_MAX];
    uint64_t interrupt_table[BH_MAX_DOMAINS]; /* 0: the domain has no devices */
};

/* Zeroed pages of the image, and their physical address. */
void *emit_pages(struct emission *emission, unsigned count, uint64_t *address);
void *emit_at(struct emission *emission, uint64_t address);

/* Place everything for an image of `image_size` bytes; false: reported. */
bool emit_layout(struct front *front, uint64_t image_size, struct layout *layout);

/* Does the domain own a device that does DMA? */
bool emit_has_dma(const struct emission *emission, unsigned domain);

/* Reports a kernel that core wouldn't boot in this domain. */
bool emit_check_kernel(struct emission *emission, const struct domain *domain,
                       const struct file_fact *fact);

/* One domain's rows, then its tables. Row makers return false where there are too many. */
bool emit_files(struct emission *emission, unsigned domain);
bool emit_functions(struct emission *emission, unsigned domain);
bool emit_dtes(struct emission *emission, unsigned domain);
void emit_cpuid(struct emission *emission, unsigned domain);
void emit_msrs(struct emission *emission, unsigned domain);
void emit_intercepts(struct emission *emission, unsigned domain);
void emit_iopm(struct emission *emission, unsigned domain);
void emit_msrpm(struct emission *emission, unsigned domain);
void emit_interrupt_table(struct emission *emission, unsigned domain);
void emit_page_tables(struct emission *emission, unsigned domain);

#endif
