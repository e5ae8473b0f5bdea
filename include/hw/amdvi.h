/*
 * AMD-Vi: device table, interrupt remapping table, registers, commands and events. Section
 * numbers are those of the AMD I/O Virtualization Technology (IOMMU) Specification, 48882.
 * Bits of multi-quadword structures are named quadword by quadword: AMDVI_DTE2_IV is bit 0
 * of quadword 2, that is bit 128 of the device-table entry.
 */
#ifndef HW_AMDVI_H
#define HW_AMDVI_H

#include <stddef.h>
#include <stdint.h>

#define AMDVI_ADDRESS 0x000ffffffffff000ull /* bits 51:12 of registers and entries */

/*
 * Device-table entry, 256 bits (2.2.2.1). The table has one entry for each of the 65,536
 * requester ids (bus << 8 | device << 3 | function): 2 MiB.
 */
#define AMDVI_DTE_QWORDS         4u
#define AMDVI_DEVICES            65536u
#define AMDVI_DEVICE_TABLE_BYTES (AMDVI_DEVICES * 32u)

struct amdvi_dte {
    uint64_t q[AMDVI_DTE_QWORDS];
};
_Static_assert(sizeof(struct amdvi_dte) == 32, "2.2.2.1");
_Static_assert(AMDVI_DEVICE_TABLE_BYTES == 2u << 20, "2.2.2");

/* Quadword 0, bits 63:0. With V=0 the device is not translated at all: DMA passes. */
#define AMDVI_DTE0_V          (1ull << 0)
#define AMDVI_DTE0_TV         (1ull << 1) /* bits 63:2 and DomainID are valid */
#define AMDVI_DTE0_HAD        (3ull << 7) /* the IOMMU may write accessed and dirty bits */
#define AMDVI_DTE0_MODE_SHIFT 9
#define AMDVI_DTE0_MODE       (7ull << AMDVI_DTE0_MODE_SHIFT) /* levels of the table, 0: identity */
#define AMDVI_DTE0_ROOT       AMDVI_ADDRESS                   /* bits 51:12 */
#define AMDVI_DTE0_PPR        (1ull << 52)
#define AMDVI_DTE0_GPRP       (1ull << 53)
#define AMDVI_DTE0_GIOV       (1ull << 54)
#define AMDVI_DTE0_GV         (1ull << 55) /* guest (two-stage) translation */
#define AMDVI_DTE0_GLX        (3ull << 56)
#define AMDVI_DTE0_GCR3_LOW   (7ull << 58)
#define AMDVI_DTE0_IR         (1ull << 61) /* reads permitted, together with each level's IR */
#define AMDVI_DTE0_IW         (1ull << 62)

/*
 * Quadword 1, bits 127:64. QEMU 7.2 takes bit 8, a bit of DomainID, for reserved and
 * denies everything: DomainIDs below 256 are right everywhere.
 */
#define AMDVI_DTE1_DOMAIN    0xffffull
#define AMDVI_DTE1_GCR3_MID  (0xffffull << 16)
#define AMDVI_DTE1_IOTLB     (1ull << 32) /* I: the device may hold translations (ATS) */
#define AMDVI_DTE1_SE        (1ull << 33) /* log only the first page fault */
#define AMDVI_DTE1_SA        (1ull << 34) /* log no page fault */
#define AMDVI_DTE1_IOCTL     (3ull << 35) /* port I/O from the device; 0: target abort */
#define AMDVI_DTE1_CACHE     (1ull << 37)
#define AMDVI_DTE1_SD        (1ull << 38)
#define AMDVI_DTE1_EX        (1ull << 39) /* the exclusion range applies */
#define AMDVI_DTE1_SYSMGT    (3ull << 40) /* system management messages; 0: target abort */
#define AMDVI_DTE1_GCR3_HIGH (0x1fffffull << 43)

/* Quadword 2, bits 191:128: interrupts. With IV=0 interrupts pass unremapped. */
#define AMDVI_DTE2_IV              (1ull << 0)
#define AMDVI_DTE2_INTTABLEN_SHIFT 1 /* log2 of the number of entries, at most 11 */
#define AMDVI_DTE2_INTTABLEN       (15ull << AMDVI_DTE2_INTTABLEN_SHIFT)
#define AMDVI_DTE2_IG              (1ull << 5)           /* blocked interrupts are not logged */
#define AMDVI_DTE2_INTTABROOT      0x000fffffffffffc0ull /* bits 51:6; 128-byte aligned */
#define AMDVI_DTE2_INIT_PASS       (1ull << 56)
#define AMDVI_DTE2_EINT_PASS       (1ull << 57) /* ExtINT */
#define AMDVI_DTE2_NMI_PASS        (1ull << 58)
#define AMDVI_DTE2_INTCTL_SHIFT    60 /* fixed and lowest-priority interrupts: */
#define AMDVI_DTE2_INTCTL          (3ull << AMDVI_DTE2_INTCTL_SHIFT)
#define AMDVI_DTE2_INTCTL_ABORT    (0ull << AMDVI_DTE2_INTCTL_SHIFT)
#define AMDVI_DTE2_INTCTL_FORWARD  (1ull << AMDVI_DTE2_INTCTL_SHIFT)
#define AMDVI_DTE2_INTCTL_REMAP    (2ull << AMDVI_DTE2_INTCTL_SHIFT)
#define AMDVI_DTE2_LINT0_PASS      (1ull << 62)
#define AMDVI_DTE2_LINT1_PASS      (1ull << 63)
#define AMDVI_DTE2_PASS                                                                          \
    (AMDVI_DTE2_INIT_PASS | AMDVI_DTE2_EINT_PASS | AMDVI_DTE2_NMI_PASS | AMDVI_DTE2_LINT0_PASS | \
     AMDVI_DTE2_LINT1_PASS)

/*
 * A device that nobody was given: no memory, and no interrupt of any delivery mode. Without
 * IV=1 a DMA write to FEEx_xxxx would still deliver NMI, SMI or INIT. Initializes uint64_t[4].
 */
#define AMDVI_DTE_DENIED                                                            \
    {                                                                               \
        AMDVI_DTE0_V | AMDVI_DTE0_TV, 0, AMDVI_DTE2_IV | AMDVI_DTE2_INTCTL_ABORT, 0 \
    }

/* All bits that Bulkhead ever sets; whatever lies outside has no business in an entry. */
#define AMDVI_DTE0_USED                                                                 \
    (AMDVI_DTE0_V | AMDVI_DTE0_TV | AMDVI_DTE0_MODE | AMDVI_DTE0_ROOT | AMDVI_DTE0_IR | \
     AMDVI_DTE0_IW)
#define AMDVI_DTE1_USED AMDVI_DTE1_DOMAIN
#define AMDVI_DTE2_USED \
    (AMDVI_DTE2_IV | AMDVI_DTE2_INTTABLEN | AMDVI_DTE2_INTTABROOT | AMDVI_DTE2_INTCTL)
#define AMDVI_DTE3_USED 0ull

/*
 * Interrupt remapping table entry, 32 bits (2.2.5; control register GAEn=0). The index is
 * MSI data bits 10:0: delivery mode 10:8, vector 7:0. Only fixed (0) and lowest priority (1)
 * interrupts consult the table, the other modes obey the pass bits; so 512 entries hold every
 * index that can occur, and no implementation supports fewer.
 */
#define AMDVI_IRT_INDEX     0x7ffu
#define AMDVI_IRT_LENGTH    9u /* for AMDVI_DTE2_INTTABLEN */
#define AMDVI_IRT_ENTRIES   (1u << AMDVI_IRT_LENGTH)
#define AMDVI_IRT_BYTES     (AMDVI_IRT_ENTRIES * 4u)
#define AMDVI_IRT_ALIGNMENT 128u

#define AMDVI_IRTE_REMAP_EN     (1u << 0) /* 0: target abort */
#define AMDVI_IRTE_SUP_IOPF     (1u << 1) /* blocked interrupts are not logged */
#define AMDVI_IRTE_TYPE_SHIFT   2
#define AMDVI_IRTE_TYPE         (7u << AMDVI_IRTE_TYPE_SHIFT)
#define AMDVI_IRTE_FIXED        (0u << AMDVI_IRTE_TYPE_SHIFT)
#define AMDVI_IRTE_LOWEST       (1u << AMDVI_IRTE_TYPE_SHIFT)
#define AMDVI_IRTE_RQ_EOI       (1u << 5)
#define AMDVI_IRTE_LOGICAL      (1u << 6) /* DM: destination is logical, else physical */
#define AMDVI_IRTE_GUEST        (1u << 7) /* GuestMode: must be 0 */
#define AMDVI_IRTE_DEST_SHIFT   8
#define AMDVI_IRTE_DEST         (0xffu << AMDVI_IRTE_DEST_SHIFT) /* APIC id */
#define AMDVI_IRTE_VECTOR_SHIFT 16
#define AMDVI_IRTE_VECTOR       (0xffu << AMDVI_IRTE_VECTOR_SHIFT)

/* The IOAPIC's requester id on AMD systems, 0:14.0; QEMU charges it also with DMA writes to
 * FEEx_xxxx whose source it doesn't know. */
#define AMDVI_IOAPIC_DEVICE 0x00a0u

/* MMIO registers, all 64 bits wide (3.4). */
#define AMDVI_MMIO_BYTES      0x4000u
#define AMDVI_DEVICE_TABLE    0x0000u /* base 51:12, size 8:0 in pages less one */
#define AMDVI_COMMAND_BASE    0x0008u /* base 51:12, length 59:56 */
#define AMDVI_EVENT_BASE      0x0010u /* likewise */
#define AMDVI_CONTROL         0x0018u
#define AMDVI_EXCLUSION_BASE  0x0020u
#define AMDVI_EXCLUSION_LIMIT 0x0028u
#define AMDVI_FEATURES        0x0030u
#define AMDVI_COMMAND_HEAD    0x2000u
#define AMDVI_COMMAND_TAIL    0x2008u
#define AMDVI_EVENT_HEAD      0x2010u
#define AMDVI_EVENT_TAIL      0x2018u
#define AMDVI_STATUS          0x2020u

/* Exclusion base: accesses to the range are not translated, for some or all devices. */
#define AMDVI_EXCLUSION_BITS 3ull

#define AMDVI_DEVICE_TABLE_SIZE (AMDVI_DEVICE_TABLE_BYTES / 4096u - 1u)
#define AMDVI_RING_SHIFT        56
#define AMDVI_RING_256          (8ull << AMDVI_RING_SHIFT) /* 256 entries of 16 bytes: a page */
#define AMDVI_RING_ENTRIES      256u
#define AMDVI_RING_POINTER      0x7fff0ull /* head and tail: byte offset, bits 18:4 */

/* Control register (3.4). */
#define AMDVI_CONTROL_ENABLE        (1ull << 0)
#define AMDVI_CONTROL_HT_TUNNEL     (1ull << 1)
#define AMDVI_CONTROL_EVENT_LOG     (1ull << 2)
#define AMDVI_CONTROL_EVENT_INT     (1ull << 3)
#define AMDVI_CONTROL_WAIT_INT      (1ull << 4)
#define AMDVI_CONTROL_INV_TIMEOUT   (7ull << 5)
#define AMDVI_CONTROL_PASS_PW       (1ull << 8)
#define AMDVI_CONTROL_RES_PASS_PW   (1ull << 9)
#define AMDVI_CONTROL_COHERENT      (1ull << 10) /* table reads snoop the CPU's caches */
#define AMDVI_CONTROL_ISOC          (1ull << 11)
#define AMDVI_CONTROL_COMMANDS      (1ull << 12)
#define AMDVI_CONTROL_PPR_LOG       (1ull << 13)
#define AMDVI_CONTROL_PPR_INT       (1ull << 14)
#define AMDVI_CONTROL_PPR           (1ull << 15)
#define AMDVI_CONTROL_GUEST         (1ull << 16) /* GTEn */
#define AMDVI_CONTROL_GUEST_APIC    (1ull << 17) /* GAEn: 128-bit interrupt entries */
#define AMDVI_CONTROL_TABLE_SEGMENT (7ull << 34) /* DevTblSegEn: more than one device table */
#define AMDVI_CONTROL_X2APIC        (1ull << 50)

/* Extended features (3.4). */
#define AMDVI_FEATURE_INVALIDATE_ALL (1ull << 6)

/* Status register; bits 0-2 are cleared by writing 1. */
#define AMDVI_STATUS_EVENT_OVERFLOW (1ull << 0)
#define AMDVI_STATUS_EVENT_INT      (1ull << 1)
#define AMDVI_STATUS_WAIT_INT       (1ull << 2)
#define AMDVI_STATUS_EVENT_RUN      (1ull << 3)
#define AMDVI_STATUS_COMMAND_RUN    (1ull << 4)

/* Commands (2.4) and events (2.5): 128 bits, the code in bits 63:60. */
struct amdvi_command {
    uint64_t q[2];
};
struct amdvi_event {
    uint64_t q[2];
};
_Static_assert(sizeof(struct amdvi_command) == 16, "2.4");
_Static_assert(sizeof(struct amdvi_event) == 16, "2.5");

#define AMDVI_CODE_SHIFT 60

enum amdvi_command_code {
    AMDVI_COMPLETION_WAIT = 1,       /* 2.4.1 */
    AMDVI_INVALIDATE_DTE = 2,        /* 2.4.2: device 15:0 */
    AMDVI_INVALIDATE_PAGES = 3,      /* 2.4.3: DomainID 47:32, quadword 1: range */
    AMDVI_INVALIDATE_IOTLB = 4,      /* 2.4.4 */
    AMDVI_INVALIDATE_INTERRUPTS = 5, /* 2.4.5: device 15:0 */
    AMDVI_INVALIDATE_ALL = 8,        /* 2.4.8, where AMDVI_FEATURE_INVALIDATE_ALL */
};

#define AMDVI_WAIT_STORE         (1ull << 0) /* store quadword 1 at bits 51:3 */
#define AMDVI_WAIT_FLUSH         (1ull << 2) /* younger commands wait */
#define AMDVI_WAIT_ADDRESS       0x000ffffffffffff8ull
#define AMDVI_PAGES_DOMAIN_SHIFT 32
/* S=1, PDE=1 and an address of ones: everything of the domain, page tables included. */
#define AMDVI_PAGES_ALL 0x7ffffffffffff003ull

enum amdvi_event_code {
    AMDVI_EVENT_NONE = 0,             /* not yet written */
    AMDVI_EVENT_ILLEGAL_DTE = 1,      /* ILLEGAL_DEV_TABLE_ENTRY, 2.5.2 */
    AMDVI_EVENT_PAGE_FAULT = 2,       /* IO_PAGE_FAULT, 2.5.3 */
    AMDVI_EVENT_DTE_HARDWARE = 3,     /* DEV_TAB_HARDWARE_ERROR, 2.5.4 */
    AMDVI_EVENT_PAGE_HARDWARE = 4,    /* PAGE_TAB_HARDWARE_ERROR, 2.5.5 */
    AMDVI_EVENT_ILLEGAL_COMMAND = 5,  /* ILLEGAL_COMMAND_ERROR, 2.5.6 */
    AMDVI_EVENT_COMMAND_HARDWARE = 6, /* COMMAND_HARDWARE_ERROR, 2.5.7 */
    AMDVI_EVENT_IOTLB_TIMEOUT = 7,    /* IOTLB_INV_TIMEOUT, 2.5.8 */
    AMDVI_EVENT_INVALID_REQUEST = 8,  /* INVALID_DEVICE_REQUEST, 2.5.9 */
    AMDVI_EVENT_INVALID_PPR = 9,      /* INVALID_PPR_REQUEST, 2.5.10 */
    AMDVI_EVENT_COUNTER_ZERO = 10,    /* EVENT_COUNTER_ZERO, 2.5.11 */
};

/* Quadword 0 of an event; which fields are valid depends on the code. Quadword 1: address. */
#define AMDVI_EVENT_DEVICE       0xffffull
#define AMDVI_EVENT_DOMAIN_SHIFT 32
#define AMDVI_EVENT_GN           (1ull << 48) /* the address is a guest-virtual one */
#define AMDVI_EVENT_I            (1ull << 51) /* an interrupt request, not memory */
#define AMDVI_EVENT_PR           (1ull << 52) /* translation present, permission missing */
#define AMDVI_EVENT_RW           (1ull << 53) /* 1: write, 0: read */
#define AMDVI_EVENT_TR           (1ull << 56) /* a translation request */

#endif
