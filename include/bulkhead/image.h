/*
 * The policy image: what policyc emits, the author signs, and core verifies, copies to
 * `base` and then uses where it lies. Everything in it is data that the hardware or a
 * table look-up in core reads; nothing in it is interpreted.
 *
 * Layout: one header page, then rows (struct arrays named by a bh_table each), then
 * page-aligned hardware tables (page tables, IOPM, MSRPM, interrupt remapping tables)
 * whose physical addresses stand in the rows. All integers are little-endian. Unused
 * fields and padding are zero, and core refuses an image in which they are not.
 */
#ifndef BULKHEAD_IMAGE_H
#define BULKHEAD_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BH_IMAGE_MAGIC  "BHPOLICY" /* 8 bytes, no terminating zero */
#define BH_IMAGE_FORMAT 4u
#define BH_PAGE         4096u
#define BH_IOPM_SIZE    (3u * BH_PAGE) /* APM vol. 2, 15.10.1 */
#define BH_MSRPM_SIZE   (2u * BH_PAGE) /* APM vol. 2, 15.11 */

#define BH_NAME_SIZE    32u /* names are zero-padded and always zero-terminated */
#define BH_CMDLINE_SIZE 1024u

/* Limits: core has fixed arrays of these sizes; policyc refuses what is larger. */
#define BH_MAX_IMAGE    (4u << 20)
#define BH_MAX_DOMAINS  8u
#define BH_MAX_CORES    16u
#define BH_MAX_VCPUS    16u /* of all domains together */
#define BH_MAX_FILES    16u
#define BH_MAX_REGIONS  32u
#define BH_MAX_CHANNELS 8u
#define BH_MAX_PCI      32u
#define BH_MAX_DTE      64u
#define BH_MAX_CPUID    64u  /* rows of one domain */
#define BH_MAX_MSR      128u /* rows of one domain */

#define BH_NOBODY 0xffffu /* "no domain" where a domain's index is expected */

/* A run of rows: `count` structs, the first at `offset` bytes from the image's start. */
struct bh_table {
    uint32_t offset;
    uint32_t count;
};

struct bh_header {
    char magic[8];
    uint32_t format;
    uint32_t header_size;       /* sizeof(struct bh_header) */
    uint64_t size;              /* of the whole image in bytes, a multiple of 4096 */
    uint64_t base;              /* physical address the image must lie at */
    uint64_t version;           /* of the policy; grows with each release of it */
    char name[BH_NAME_SIZE];    /* the policy's */
    char machine[BH_NAME_SIZE]; /* the machine description's */
    uint64_t denied_dte[4];     /* device-table entry of every device that has no row */
    uint64_t required_features; /* BH_FEATURE_* bits */
    uint32_t attest;            /* enum bh_attest */
    uint32_t pad;
    struct bh_table domains;   /* struct bh_domain */
    struct bh_table files;     /* struct bh_file */
    struct bh_table regions;   /* struct bh_region, ascending, not overlapping */
    struct bh_table channels;  /* struct bh_channel */
    struct bh_table functions; /* struct bh_pci_function, ascending by domain, then bdf */
    struct bh_table dtes;      /* struct bh_dte, ascending by device id */
    struct bh_table cpuid;     /* struct bh_cpuid, each domain's rows together */
    struct bh_table msrs;      /* struct bh_msr, each domain's rows together, ascending */
};
_Static_assert(sizeof(struct bh_header) <= BH_PAGE, "the header has one page");

/* Whether the machine's TPM must be there for core to measure into. */
enum bh_attest {
    BH_ATTEST_REQUIRED = 1, /* no domain runs without it */
    BH_ATTEST_OPTIONAL,     /* without it core says so and goes on; nothing is measured */
};

/* CPU features that a policy relies on; checked at boot, cause named. */
#define BH_FEATURE_NPT    (1ull << 0)
#define BH_FEATURE_AMDVI  (1ull << 1)
#define BH_FEATURE_RDRAND (1ull << 2)

enum bh_region_use {
    BH_REGION_CORE = 1,     /* core's own bytes; linked there */
    BH_REGION_IMAGE,        /* the policy image */
    BH_REGION_DEVICE_TABLE, /* AMD-Vi device table, 2 MiB */
    BH_REGION_DOMAIN,       /* a relocated domain's memory */
    BH_REGION_CHANNEL,      /* memory shared by the ends of a channel */
    BH_REGION_SHADOW,       /* core's shadow page tables for a domain, no domain reaches it */
};

/* A physical range that the policy places; it must be usable RAM on the machine. */
struct bh_region {
    uint64_t base;  /* 4-KiB aligned */
    uint64_t size;  /* multiple of 4 KiB, not zero */
    uint32_t use;   /* enum bh_region_use */
    uint32_t owner; /* index of domain (also of whose shadow tables) or channel, else BH_NOBODY */
};

enum bh_kind { BH_PRIMARY = 1, BH_MICROVM };
enum bh_label { BH_UNTRUSTED = 1, BH_TRUSTED };
enum bh_interrupts { BH_DIRECT = 1, BH_VIRTUAL };

/* How the domain's addresses are translated; `table` says to what in either case. */
enum bh_paging {
    BH_PAGING_NESTED = 1, /* by the CPU: nested paging (APM vol. 2, 15.25) */
    BH_PAGING_SHADOW,     /* by tables that core composes (15.16) */
    BH_PAGING_ANY,        /* nested where the CPU can, shadow where it can't */
};
#define BH_SHADOW_POOL_MIN 0x40000u    /* bytes for each vCPU: enough for any guest, slowly */
#define BH_SHADOW_POOL_MAX 0x40000000u /* bytes of a domain */

enum bh_boot {
    BH_BOOT_LINUX = 1, /* bzImage, 64-bit entry (Linux boot protocol); files kernel, initrd */
    BH_BOOT_FLAT,      /* one file, copied to load_gpa, entered at entry_gpa in 32-bit
                          protected mode, flat segments, paging off, interrupts off,
                          EAX = BH_START_MAGIC (bulkhead/abi.h), all other registers 0 */
    BH_BOOT_PVH,       /* ELF, entered as its PVH note says; files kernel, initrd */
    BH_BOOT_MULTIBOOT, /* Multiboot 1; files kernel, then modules */
};

/* Microseconds: long enough to be worth a switch, short enough for others to wait. */
#define BH_SLICE_MIN 1000u
#define BH_SLICE_MAX 1000000u

/* What happens when a domain stops, for whatever reason. */
enum bh_on_stop { BH_ON_STOP_HALT = 1 /* its vCPUs sleep, all others go on */ };

/* Rights that are not bits of a hardware table. */
#define BH_RIGHT_LOG      (1u << 0) /* may write lines to core's console */
#define BH_RIGHT_USERCALL (1u << 1) /* its CPL 1-3 may make hypercalls */
#define BH_RIGHT_CLOCK    (1u << 2) /* may read the real-time clock, through core */
#define BH_RIGHT_ATTEST   (1u << 3) /* may have core make evidence */
#define BH_RIGHT_KEYBOARD (1u << 4) /* may read the keyboard, through core; one domain at most */
#define BH_RIGHTS \
    (BH_RIGHT_LOG | BH_RIGHT_USERCALL | BH_RIGHT_CLOCK | BH_RIGHT_ATTEST | BH_RIGHT_KEYBOARD)

/* The VMCB's six intercept words, offsets 000h-014h (APM vol. 2, appendix B). */
enum bh_intercept_word {
    BH_INTERCEPT_CR,        /* 000h: CR reads 15:0, writes 31:16 */
    BH_INTERCEPT_DR,        /* 004h: DR reads 15:0, writes 31:16 */
    BH_INTERCEPT_EXCEPTION, /* 008h: vectors 0-31 */
    BH_INTERCEPT_MISC1,     /* 00Ch */
    BH_INTERCEPT_MISC2,     /* 010h */
    BH_INTERCEPT_MISC3,     /* 014h */
    BH_INTERCEPT_WORDS
};

struct bh_domain {
    char name[BH_NAME_SIZE];
    uint8_t kind;       /* enum bh_kind */
    uint8_t label;      /* enum bh_label */
    uint8_t interrupts; /* enum bh_interrupts */
    uint8_t boot;       /* enum bh_boot */
    uint8_t on_stop;    /* enum bh_on_stop */
    uint8_t ncores;
    uint8_t core[BH_MAX_CORES]; /* core numbers: 0 is the boot CPU, others in MADT order */
    uint8_t paging;             /* enum bh_paging */
    uint8_t pad;
    uint32_t rights; /* BH_RIGHT_* */
    uint32_t intercepts[BH_INTERCEPT_WORDS];
    uint32_t
        shadow_intercepts[BH_INTERCEPT_WORDS]; /* besides, where it is paged by shadow tables */
    uint32_t slice_us;         /* its turn on cores that it shares, BH_SLICE_*; else 0 */
    uint32_t ioapic_pins;      /* bit n: may program redirection entry n of the first IOAPIC */
    uint64_t iopm;             /* physical, 12 KiB (APM vol. 2, 15.10.1) */
    uint64_t msrpm;            /* physical, 8 KiB (APM vol. 2, 15.11) */
    uint64_t table;            /* physical root of the 4-level table: N_CR3 and AMD-Vi root */
    uint64_t memory_base;      /* microVM: machine address of its GPA 0; primary: 0 */
    uint64_t memory_size;      /* microVM: bytes from GPA 0; primary: one past its highest RAM */
    uint64_t shadow_base;      /* machine address of the shadow tables' pool; 0: BH_PAGING_NESTED */
    uint64_t shadow_size;      /* bytes, BH_SHADOW_POOL_MIN a vCPU and more; 0: BH_PAGING_NESTED */
    uint64_t load_gpa;         /* BH_BOOT_FLAT: where the file is placed */
    uint64_t entry_gpa;        /* BH_BOOT_FLAT: where it is entered */
    struct bh_table files;     /* here `offset` is the index of its first row */
    struct bh_table functions; /* likewise */
    struct bh_table cpuid;     /* likewise */
    struct bh_table msrs;      /* likewise */
    char cmdline[BH_CMDLINE_SIZE]; /* the kernel's, then each module's behind a '\n' of its own */
};
_Static_assert(sizeof(struct bh_domain) == 1248, "no hidden padding");

enum bh_file_role { BH_FILE_KERNEL = 1, BH_FILE_INITRD, BH_FILE_FLAT, BH_FILE_MODULE };

/* A domain's image: the boot module of that name must have just these bytes. */
struct bh_file {
    char name[BH_NAME_SIZE]; /* the module's name= */
    uint64_t size;           /* in bytes, not zero */
    uint8_t sha256[32];
    uint32_t role;   /* enum bh_file_role */
    uint32_t domain; /* index */
};

#define BH_CHANNEL_READ  (1u << 0)
#define BH_CHANNEL_WRITE (1u << 1)
#define BH_CHANNEL_RING  (1u << 2) /* may ring the other end's doorbell */
#define BH_CHANNEL_DMA   (1u << 3) /* its devices may do in it what its CPU may */

/* Memory shared by two domains. */
struct bh_channel {
    char name[BH_NAME_SIZE];
    uint64_t base; /* machine address */
    uint64_t size;
    struct {
        uint32_t domain;
        uint32_t rights; /* BH_CHANNEL_* */
        uint64_t gpa;
    } end[2];
};

#define BH_BAR_IO       (1u << 0)
#define BH_BAR_64       (1u << 1)
#define BH_BAR_PREFETCH (1u << 2)

/* A PCI function as one domain sees it. What has no row reads as absent. */
struct bh_pci_function {
    uint16_t bdf;    /* bus << 8 | device << 3 | function */
    uint16_t vendor; /* must match the machine's */
    uint16_t device;
    uint8_t msix; /* offset of the MSI-X capability, 0 if none */
    uint8_t msi;  /* offset of the MSI capability, 0 if none */
    uint32_t domain;
    uint32_t granted;    /* 1: the domain owns it; 0: visible only, nothing reaches it */
    uint32_t msix_table; /* the MSI-X table's offset in its BAR, */
    uint16_t msix_count; /* its entries, BH_MSIX_MAX at most; 0: nobody said where it lies, */
    uint8_t msix_bar;    /* and its BAR */
    uint8_t pad;
    struct {
        uint64_t address; /* where core places it, and the domain's table maps it */
        uint64_t size;    /* 0: no such BAR, or upper half of a 64-bit one */
        uint32_t flags;   /* BH_BAR_* */
        uint32_t pad;
    } bar[6];
    uint32_t read_mask[64];  /* config space by dwords: bits the domain sees, others read 0 */
    uint32_t write_mask[64]; /* bits that its writes reach; BARs are core's, always 0 */
};

/*
 * What core keeps of a source of interrupts - a device, or the I/O APIC - of a domain that has
 * several cores, where the source's device-table entry has its interrupt remapping table. All zero
 * in the image: no interrupt passes. Core fills it in while the domain runs, as the domain asks
 * and after checking (core/iommu_dev/remap.h). A domain with one core has one table for all its
 * sources, which is complete in the image: each vector leads to that core.
 *
 * The hardware's index has 11 bits; it is told of BH_REMAP_INDEXES entries, all that can occur.
 */
#define BH_REMAP_INDEXES 512u
struct bh_remap {
    uint32_t entry[2048]; /* IOMMU spec, 2.2.5 */
    struct bh_message { /* as the domain wrote it: a device's by index, like an MSI-X table's entry;
                           the I/O APIC's by pin, in fields as core/vdev/ioapic.c says */
        uint32_t address, upper, data, control;
    } asked[BH_REMAP_INDEXES];
};

/* Indexes of a device. Those of its MSI capability begin with 0: data's low bits are the device's
 * (PCI 3.0, 6.8.3.4). */
#define BH_MSI_MAX    32u
#define BH_MSIX_FIRST BH_MSI_MAX
#define BH_MSIX_MAX   (BH_REMAP_INDEXES - BH_MSIX_FIRST)

/* True if the domain's sources of interrupts have a struct bh_remap each. */
static inline bool bh_is_remapped(const struct bh_domain *domain)
{
    return domain->ncores > 1 && domain->interrupts == BH_DIRECT;
}

/* A device-table entry (AMD IOMMU spec, 2.2.2.1) in the form the hardware reads. */
struct bh_dte {
    uint16_t device_id;
    uint16_t pad;
    uint32_t domain;
    uint64_t dte[4];
};

/* CPUID as the domain sees it: (hardware & and_) | or_, by EAX, EBX, ECX, EDX. */
#define BH_CPUID_ANY_SUBLEAF (1u << 0)
#define BH_CPUID_OSXSAVE     (1u << 1) /* ECX[27] mirrors the domain's CR4.OSXSAVE */
#define BH_CPUID_XSAVE_SIZE  (1u << 2) /* EBX follows XCR0: ask the hardware each time */
struct bh_cpuid {
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t flags; /* BH_CPUID_* */
    uint32_t pad;
    uint32_t and_[4];
    uint32_t or_[4];
};

/* How core answers an intercepted MSR access; what has no row is #GP(0). */
enum bh_msr_action {
    BH_MSR_GP = 1,    /* #GP(0), logged */
    BH_MSR_CONSTANT,  /* read: `value`; write: dropped if equal, else #GP(0) and logged */
    BH_MSR_HARDWARE,  /* read: the CPU's own value */
    BH_MSR_DROP,      /* write: ignored */
    BH_MSR_EFER,      /* core keeps SVME hidden and LME in step with CR0.PG */
    BH_MSR_APIC_BASE, /* read: its local APIC's base and mode; write: the same value, or denied */
    BH_MSR_X2APIC,    /* the virtual local APIC's; only where interrupts are virtual */
    BH_MSR_PAT,       /* the domain's own, in G_PAT or composed into shadow tables */
};
struct bh_msr {
    uint32_t number;
    uint16_t read;  /* enum bh_msr_action */
    uint16_t write; /* enum bh_msr_action */
    uint64_t value;
};

/* The first row of a table; rows lie where an earlier check found them inside the image. */
static inline const void *bh_rows(const struct bh_header *image, const struct bh_table *table)
{
    return (const uint8_t *)image + table->offset;
}

static inline const struct bh_domain *bh_domain_row(const struct bh_header *image, uint32_t index)
{
    return (const struct bh_domain *)bh_rows(image, &image->domains) + index;
}

_Static_assert(sizeof(struct bh_region) == 24, "no hidden padding");
_Static_assert(sizeof(struct bh_file) == 80, "no hidden padding");
_Static_assert(sizeof(struct bh_channel) == 80, "no hidden padding");
_Static_assert(sizeof(struct bh_pci_function) == 24 + 6 * 24 + 512, "no hidden padding");
_Static_assert(sizeof(struct bh_remap) == 4 * BH_PAGE, "no hidden padding");
_Static_assert(sizeof(struct bh_dte) == 40, "no hidden padding");
_Static_assert(sizeof(struct bh_cpuid) == 48, "no hidden padding");
_Static_assert(sizeof(struct bh_msr) == 16, "no hidden padding");

#endif
