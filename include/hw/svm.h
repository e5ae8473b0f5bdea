/*
 * AMD SVM: the virtual machine control block and its codes (APM vol. 2, chapter 15 and
 * appendices B and C). Field names follow the manual.
 */
#ifndef HW_SVM_H
#define HW_SVM_H

#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes; /* descriptor bits 55:52 and 47:40 in bits 11:0 */
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* control area, appendix B, table B-1 */
    uint32_t intercepts[6]; /* 000h: by enum bh_intercept_word */
    uint8_t reserved_018[0x40 - 0x18];
    uint64_t iopm_base_pa;  /* 040h */
    uint64_t msrpm_base_pa; /* 048h */
    uint64_t tsc_offset;    /* 050h */
    uint32_t guest_asid;    /* 058h */
    uint8_t tlb_control;    /* 05Ch */
    uint8_t reserved_05d[3];
    uint64_t v_intr;           /* 060h: VMCB_V_* */
    uint64_t interrupt_shadow; /* 068h: bit 0 */
    uint64_t exitcode;         /* 070h */
    uint64_t exitinfo1;        /* 078h */
    uint64_t exitinfo2;        /* 080h */
    uint64_t exitintinfo;      /* 088h: VMCB_EVENT_* */
    uint64_t np_enable;        /* 090h: bit 0 */
    uint8_t reserved_098[0xa8 - 0x98];
    uint64_t eventinj; /* 0A8h: VMCB_EVENT_* */
    uint64_t n_cr3;    /* 0B0h */
    uint64_t lbr_virt; /* 0B8h */
    uint32_t clean;    /* 0C0h: VMCB_CLEAN_*, 0 = load everything */
    uint32_t reserved_0c4;
    uint64_t nrip;   /* 0C8h: only where the CPU has NRIPS */
    uint8_t fetched; /* 0D0h: only with decode assists */
    uint8_t bytes[15];
    uint8_t reserved_0e0[0x120 - 0xe0];
    uint16_t bus_lock_threshold; /* 120h: bus locks until a BUSLOCK exit */
    uint8_t reserved_122[0x400 - 0x122];

    /* state save area, appendix B, table B-2 */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400h */
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl; /* 4CBh */
    uint32_t reserved_4cc;
    uint64_t efer; /* 4D0h */
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp; /* 5D8h */
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax;                                     /* 5F8h */
    uint64_t star, lstar, cstar, sfmask;              /* 600h: moved by VMLOAD and VMSAVE */
    uint64_t kernel_gs_base;                          /* 620h */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip; /* 628h */
    uint64_t cr2;                                     /* 640h */
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t g_pat; /* 668h */
    uint8_t reserved_670[0x1000 - 0x670];
};
_Static_assert(offsetof(struct vmcb, iopm_base_pa) == 0x40, "APM B-1");
_Static_assert(offsetof(struct vmcb, exitcode) == 0x70, "APM B-1");
_Static_assert(offsetof(struct vmcb, eventinj) == 0xa8, "APM B-1");
_Static_assert(offsetof(struct vmcb, nrip) == 0xc8, "APM B-1");
_Static_assert(offsetof(struct vmcb, bus_lock_threshold) == 0x120, "APM B-1");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "APM B-2");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM B-2");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "APM B-2");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "APM B-2");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "APM B-2");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "APM B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM B-2");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM B-2");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "APM B-2");
_Static_assert(sizeof(struct vmcb) == 4096, "one page");

/* TLB_CONTROL, 15.16.1; all but the first two need the CPU to have FlushByAsid */
#define VMCB_TLB_KEEP             0u
#define VMCB_TLB_FLUSH_ALL        1u /* of all ASIDs, global pages too */
#define VMCB_TLB_FLUSH_ASID       3u /* of this VMCB's ASID, global pages too */
#define VMCB_TLB_FLUSH_NON_GLOBAL 7u

/*
 * Clean bits, 15.15.3: a set bit promises that the group's fields haven't changed since this CPU
 * last saved them to this VMCB. Never cached, so without a bit: TLB_CONTROL, interrupt shadow, exit
 * codes and information, EVENTINJ, RFLAGS, RIP, RSP, RAX, and all that VMLOAD loads.
 */
#define VMCB_CLEAN_I    (1u << 0) /* intercepts, TSC offset, pause filter */
#define VMCB_CLEAN_IOPM (1u << 1) /* IOPM_BASE_PA, MSRPM_BASE_PA */
#define VMCB_CLEAN_ASID (1u << 2)
#define VMCB_CLEAN_TPR  (1u << 3) /* 060h: V_TPR to V_INTR_VECTOR */
#define VMCB_CLEAN_NP   (1u << 4) /* NP_ENABLE, N_CR3, G_PAT */
#define VMCB_CLEAN_CR   (1u << 5) /* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DR   (1u << 6) /* DR6, DR7 */
#define VMCB_CLEAN_DT   (1u << 7) /* GDTR, IDTR */
#define VMCB_CLEAN_SEG  (1u << 8) /* CS, DS, SS, ES, CPL */
#define VMCB_CLEAN_CR2  (1u << 9)
#define VMCB_CLEAN_LBR  (1u << 10)
#define VMCB_CLEAN_ALL  0x7ffu

/* What the CPU can do besides: CPUID 8000_000Ah EDX (APM vol. 3, E.4.9) */
#define SVM_FEATURE_NP             (1u << 0)
#define SVM_FEATURE_LBR_VIRT       (1u << 1)
#define SVM_FEATURE_NRIPS          (1u << 3)
#define SVM_FEATURE_VMCB_CLEAN     (1u << 5)
#define SVM_FEATURE_FLUSH_BY_ASID  (1u << 6)
#define SVM_FEATURE_DECODE_ASSISTS (1u << 7)
#define SVM_FEATURE_PAUSE_FILTER   (1u << 10)
#define SVM_FEATURE_SPEC_CTRL      (1u << 20) /* VirtSpecCtrl */

/* V_INTR at 060h, 15.21 */
#define VMCB_V_TPR               0xffull
#define VMCB_V_IRQ               (1ull << 8)
#define VMCB_V_INTR_PRIO_SHIFT   16
#define VMCB_V_IGN_TPR           (1ull << 20)
#define VMCB_V_INTR_MASKING      (1ull << 24)
#define VMCB_V_INTR_VECTOR_SHIFT 32

/* EVENTINJ and EXITINTINFO, 15.20 */
#define VMCB_EVENT_VECTOR     0xffull
#define VMCB_EVENT_TYPE_SHIFT 8
#define VMCB_EVENT_TYPE       (7ull << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_VECTOR     0xffull
#define VMCB_EVENT_INTR       (0ull << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_NMI        (2ull << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_EXCEPTION  (3ull << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_SOFTWARE   (4ull << VMCB_EVENT_TYPE_SHIFT)
#define VMCB_EVENT_HAS_ERROR  (1ull << 11)
#define VMCB_EVENT_VALID      (1ull << 31)

/* EXITINFO1 of a CR exit, with decode assists, 15.10: a MOV, whose register is in bits 3:0 */
#define VMCB_CR_IS_MOV (1ull << 63)

/* EXITINFO1 of an IOIO exit, 15.10.2; EXITINFO2 is the next RIP */
#define VMCB_IO_IN         (1u << 0)
#define VMCB_IO_STRING     (1u << 2)
#define VMCB_IO_SIZE_SHIFT 4 /* bits 6:4: one of 1, 2, 4 is the size in bytes */
#define VMCB_IO_PORT_SHIFT 16

/* EXITINFO1 of a nested page fault, 15.25.6; EXITINFO2 is the guest-physical address */
#define VMCB_NPF_PRESENT (1ull << 0)
#define VMCB_NPF_WRITE   (1ull << 1)
#define VMCB_NPF_FETCH   (1ull << 4)
#define VMCB_NPF_WALK    (1ull << 33) /* while walking the guest's own page tables */

/* segment attributes as the VMCB packs them */
#define VMCB_SEG_CODE64    0x0a9bu /* P, DPL 0, code, accessed, L */
#define VMCB_SEG_CODE32    0x0c9bu /* P, DPL 0, code, accessed, D, G */
#define VMCB_SEG_DATA      0x0c93u /* P, DPL 0, data writable, accessed, D, G */
#define VMCB_SEG_REAL_CODE 0x009bu /* P, DPL 0, code readable, accessed */
#define VMCB_SEG_REAL_DATA 0x0093u
#define VMCB_SEG_TSS       0x008bu /* busy TSS */
#define VMCB_SEG_LDT       0x0082u
#define VMCB_SEG_L         0x0200u /* CS: 64-bit code */
#define VMCB_SEG_P         0x0080u
#define VMCB_SEG_D         0x0400u /* CS: 32-bit default */

#define SVM_VM_CR_SVMDIS (1ull << 4) /* MSR C001_0114h, 15.30.1 */

enum svm_exit {
#define EXIT(code, name, handler, text) SVM_EXIT_##name = code,
#include "tables/exits.def"
#undef EXIT
};

/*
 * A place for each exit code: up to 0A6h directly, 400h to 403h behind them, VMEXIT_INVALID, and
 * one for all others. exits.def leaves none of the others empty.
 */
enum { SVM_SLOT_400 = 0xa7, SVM_SLOT_INVALID = 0xab, SVM_SLOT_OTHER, SVM_SLOTS };

#endif
