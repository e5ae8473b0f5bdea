/*
 * Registers and in-memory structures of the AMD64 architecture, for C and assembler.
 * Numbers and layouts: AMD64 Architecture Programmer's Manual (APM), volume 2.
 */
#ifndef HW_X86_H
#define HW_X86_H

#define PAGE_SIZE       0x1000
#define LARGE_PAGE_SIZE 0x200000

/* CR0, APM vol. 2, 3.1.1 */
#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_EM 0x00000004
#define CR0_TS 0x00000008
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_NW 0x20000000
#define CR0_CD 0x40000000
#define CR0_PG 0x80000000

/* CR4, APM vol. 2, 3.1.3 */
#define CR4_DE         0x00000008
#define CR4_VME        0x00000001
#define CR4_PVI        0x00000002
#define CR4_TSD        0x00000004
#define CR4_DE         0x00000008
#define CR4_PSE        0x00000010
#define CR4_PAE        0x00000020
#define CR4_MCE        0x00000040
#define CR4_PGE        0x00000080
#define CR4_PCE        0x00000100
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP       0x00000800
#define CR4_LA57       0x00001000
#define CR4_FSGSBASE   0x00010000
#define CR4_PCIDE      0x00020000
#define CR4_OSXSAVE    0x00040000
#define CR4_SMEP       0x00100000
#define CR4_SMAP       0x00200000
#define CR4_PKE        0x00400000
#define CR4_CET        0x00800000

/* RFLAGS, APM vol. 2, 3.1.6 */
#define RFLAGS_FIXED 0x00000002
#define RFLAGS_TF    0x00000100
#define RFLAGS_IF    0x00000200
#define RFLAGS_VM    0x00020000
#define RFLAGS_AC    0x00040000

/* DR6 and DR7, APM vol. 2, 13.1.1 */
#define DR6_FIXED 0xffff0ff0
#define DR6_BD    0x00002000
#define DR6_BS    0x00004000
#define DR6_BITS  0x0000e00f
#define DR7_FIXED 0x00000400
#define DR7_GD    0x00002000
#define DR7_BITS  0xffff23ff

/* Model-specific registers, APM vol. 2, appendix A */
#define MSR_APIC_BASE    0x0000001b
#define MSR_PRED_CMD     0x00000049
#define MSR_PAT          0x00000277
#define MSR_TSC_DEADLINE 0x000006e0
#define MSR_EFER         0xc0000080
#define MSR_FS_BASE      0xc0000100
#define MSR_GS_BASE      0xc0000101
#define MSR_TSC_AUX      0xc0000103
#define MSR_VM_CR        0xc0010114

/* PRED_CMD, APM vol. 2, 3.2.9 */
#define PRED_CMD_IBPB 1u

/* EFER, APM vol. 2, 3.1.7 */
#define EFER_SCE   0x00000001
#define EFER_LME   0x00000100
#define EFER_LMA   0x00000400
#define EFER_NXE   0x00000800
#define EFER_SVME  0x00001000
#define EFER_FFXSR 0x00004000

/* VM_CR, APM vol. 2, 15.30.1 */
#define VM_CR_SVMDIS 0x00000010

/* CPUID, APM vol. 3, appendix E */
#define CPUID_FEATURES             0x00000001
#define CPUID_STRUCTURED           0x00000007
#define CPUID_XSAVE                0x0000000d
#define CPUID_EXTENDED_MAX         0x80000000
#define CPUID_EXTENDED             0x80000001
#define CPUID_NAME                 0x80000002
#define CPUID_ADDRESS_SIZES        0x80000008
#define CPUID_SVM                  0x8000000a
#define CPUID_FEATURES_ECX_XSAVE   0x04000000
#define CPUID_FEATURES_ECX_RDRAND  0x40000000
#define CPUID_FEATURES_EDX_FXSR    0x01000000
#define CPUID_FEATURES_EDX_SSE2    0x04000000
#define CPUID_STRUCTURED_EBX_SMEP  0x00000080
#define CPUID_STRUCTURED_EBX_SMAP  0x00100000
#define CPUID_STRUCTURED_ECX_PKU   0x00000008
#define CPUID_STRUCTURED_ECX_RDPID 0x00400000
#define CPUID_EXTENDED_ECX_SVM     0x00000004
#define CPUID_EXTENDED_EDX_NX      0x00100000
#define CPUID_EXTENDED_EDX_1G      0x04000000
#define CPUID_EXTENDED_EDX_RDTSCP  0x08000000
#define CPUID_EXTENDED_EDX_LM      0x20000000
#define CPUID_SVM_EDX_NP           0x00000001

#define CPUID_ADDRESS_SIZES_EBX_XSAVEERPTR 0x00000004
#define CPUID_ADDRESS_SIZES_EBX_IBPB       0x00001000

/* Page-table entries in long mode, APM vol. 2, 5.3 and 5.4 */
#define PTE_P   0x001
#define PTE_RW  0x002
#define PTE_US  0x004
#define PTE_PWT 0x008
#define PTE_PCD 0x010
#define PTE_A   0x020
#define PTE_D   0x040
#define PTE_PS  0x080

/* PAT selector of a 2-MiB page, APM vol. 2, 5.3.4 */
#define PTE_LARGE_PAT 0x1000

/* Selectors. The descriptor tables of start.S and of each CPU hold the same ones. */
#define SELECTOR_CODE   0x08
#define SELECTOR_DATA   0x10
#define SELECTOR_CODE32 0x18
#define SELECTOR_TSS    0x20

/* Flat segment descriptors, present, DPL 0, accessed: APM vol. 2, 4.7 and 4.8 */
#define DESCRIPTOR_CODE   0x00af9b000000ffff
#define DESCRIPTOR_DATA   0x00cf93000000ffff
#define DESCRIPTOR_CODE32 0x00cf9b000000ffff

/* Exception vectors, APM vol. 2, 8.1 */
#define VECTOR_DE             0
#define VECTOR_DB             1
#define VECTOR_NMI            2
#define VECTOR_BP             3
#define VECTOR_OF             4
#define VECTOR_UD             6
#define VECTOR_DF             8
#define VECTOR_TS             10
#define VECTOR_NP             11
#define VECTOR_SS             12
#define VECTOR_GP             13
#define VECTOR_PF             14
#define VECTOR_AC             17
#define VECTOR_MC             18
#define VECTOR_LAST_EXCEPTION 31

/* Interrupts that core itself takes; its descriptor tables have a gate for each vector */
#define EXCEPTION_COUNT 32
#define VECTOR_WAKE     32 /* ends a CPU's sleep, says nothing else */
#define VECTOR_TIMER    33 /* core/platform/timer.h */
#define VECTOR_SPURIOUS 47 /* bits 3:0 are ones on every APIC, APM vol. 2, 16.4.7 */
#define VECTOR_COUNT    256

#ifndef __ASSEMBLER__
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define PTE_NX      0x8000000000000000u
#define PTE_ADDRESS 0x000ffffffffff000u

/* Memory types that the PAT's entries select, APM vol. 2, 7.8.1: at reset WB, WT, UC-, UC, twice;
 * core's own has WC in entry 4. */
#define PAT_DEFAULT 0x0007040600070406u
#define PAT_CORE    0x0007040100070406u

#define PAGE_ENTRIES 512

struct page_table {
    _Alignas(PAGE_SIZE) uint64_t entry[PAGE_ENTRIES];
};
static_assert(sizeof(struct page_table) == PAGE_SIZE, "a page table is one page");

/* Operand of LGDT and LIDT, APM vol. 2, 4.6.2 */
struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));
static_assert(sizeof(struct table_pointer) == 10, "LGDT operand in 64-bit mode");

/* 64-bit task-state segment, APM vol. 2, 12.2.5 */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* IST1 is ist[0] */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
} __attribute__((packed));
static_assert(offsetof(struct tss, rsp) == 0x04, "RSP0");
static_assert(offsetof(struct tss, ist) == 0x24, "IST1");
static_assert(offsetof(struct tss, io_map) == 0x66, "I/O map base");
static_assert(sizeof(struct tss) == 0x68, "TSS");

/* 64-bit interrupt gate, APM vol. 2, 4.8.4 */
struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
static_assert(sizeof(struct gate) == 16, "gate");
#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */

/* System-segment descriptor of a TSS, APM vol. 2, 4.8.3: low and high quadword. */
#define DESCRIPTOR_TSS_AVAILABLE 0x0000890000000000u
#endif

#endif
