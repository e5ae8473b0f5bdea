/*
 * One table, two readers: a 4-level table that is a domain's nested page table for the CPU
 * (APM vol. 2, 5.3 and 15.25) and at the same time its devices' I/O page table for AMD-Vi
 * (IOMMU spec, 2.2.3). The CPU ignores bits 11:9 and 52-62 of an entry; the IOMMU reads
 * next level and its own permissions there. Each leaf says separately what the CPU and
 * what a device may do.
 */
#ifndef HW_NPT_H
#define HW_NPT_H

#define NPT_P          (1ull << 0)
#define NPT_W          (1ull << 1)
#define NPT_US         (1ull << 2) /* always set: nested walks are user accesses, 15.25.5 */
#define NPT_PWT        (1ull << 3)
#define NPT_PCD        (1ull << 4)
#define NPT_UC         (NPT_PWT | NPT_PCD) /* PAT entry 3, uncached at reset */
#define NPT_A          (1ull << 5) /* A and D are preset: nobody writes into measured tables */
#define NPT_D          (1ull << 6)
#define NPT_PS         (1ull << 7) /* 2-MiB leaf in a level-2 table */
#define NPT_NEXT_SHIFT 9           /* IOMMU: level of the table pointed to, 0 for a leaf */
#define NPT_NEXT       (7ull << NPT_NEXT_SHIFT)
#define NPT_ADDRESS    0x000ffffffffff000ull
#define NPT_IR         (1ull << 61) /* IOMMU: devices may read */
#define NPT_IW         (1ull << 62) /* IOMMU: devices may write */
#define NPT_NX         (1ull << 63) /* CPU; reserved for the IOMMU, so never set with IR or IW */

#define NPT_ENTRIES 512u
#define NPT_LEVELS  4u

#endif
