/* A VMCB that VMRUN takes: 64-bit code under nested paging. */
#ifndef TESTS_UNIT_SVM_LEGAL_VMCB_H
#define TESTS_UNIT_SVM_LEGAL_VMCB_H

#include "hw/svm.h"
#include "hw/x86.h"

#include "bulkhead/image.h"

static inline struct vmcb legal_vmcb(void)
{
    struct vmcb vmcb = {.iopm_base_pa = 0x100000,
                        .msrpm_base_pa = 0x103000,
                        .guest_asid = 1,
                        .np_enable = 1,
                        .n_cr3 = 0x105000,
                        .g_pat = PAT_DEFAULT,
                        .efer = EFER_SVME | EFER_LME | EFER_LMA,
                        .cr0 = CR0_PE | CR0_ET | CR0_PG,
                        .cr3 = 0x1000,
                        .cr4 = CR4_PAE,
                        .dr6 = 0xffff0ff0,
                        .dr7 = 0x400,
                        .rflags = RFLAGS_FIXED};

    vmcb.intercepts[BH_INTERCEPT_MISC2] = 1; /* VMRUN */
    vmcb.cs.attributes = VMCB_SEG_CODE64;
    return vmcb;
}

#endif
