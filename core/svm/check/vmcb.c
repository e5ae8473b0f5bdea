/* What VMRUN refuses or leaves undefined, and an emulator may let pass. */
#include "core/svm/check/model.h"
#include "hw/x86.h"

/* The bits that are defined: APM vol. 2, 3.1.3 and 3.1.7; all others must be zero. */
#define CR4_DEFINED  0x00f71fffull
#define EFER_DEFINED 0x0036fd01ull
#define MISC2_VMRUN  1u

static const char *check_control(const struct vmcb *v)
{
    if (!(v->intercepts[BH_INTERCEPT_MISC2] & MISC2_VMRUN))
        return "VMRUN isn't intercepted";
    if (v->guest_asid == 0)
        return "ASID 0, which is the host's";
    if ((v->iopm_base_pa | v->msrpm_base_pa) & (PAGE_SIZE - 1))
        return "IOPM or MSRPM isn't page-aligned";
    if ((v->iopm_base_pa | v->msrpm_base_pa) & ~PTE_ADDRESS)
        return "IOPM or MSRPM lies beyond physical memory";
    if (!(v->np_enable & 1))
        return NULL;
    if (v->n_cr3 & ~PTE_ADDRESS)
        return "N_CR3 has reserved bits";
    for (unsigned i = 0; i < 8; i++) {
        uint64_t type = v->g_pat >> (8 * i) & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return "G_PAT has a reserved memory type";
    }
    return NULL;
}

static const char *check_registers(const struct vmcb *v)
{
    bool long_mode = (v->efer & EFER_LME) && (v->cr0 & CR0_PG);

    if (!(v->efer & EFER_SVME))
        return "EFER.SVME is clear";
    if (v->efer & ~EFER_DEFINED)
        return "EFER has reserved bits";
    if (v->cr0 >> 32)
        return "CR0 has reserved bits";
    if (!(v->cr0 & CR0_CD) && (v->cr0 & CR0_NW))
        return "CR0.NW without CR0.CD";
    if (v->cr3 & ~(PTE_ADDRESS | 0xfff))
        return "CR3 has reserved bits";
    if (v->cr4 & ~CR4_DEFINED)
        return "CR4 has reserved bits";
    if (v->dr6 >> 32 || v->dr7 >> 32)
        return "DR6 or DR7 has reserved bits";
    if (long_mode && !(v->cr4 & CR4_PAE))
        return "long mode without CR4.PAE";
    if (long_mode && !(v->cr0 & CR0_PE))
        return "long mode without CR0.PE";
    if (long_mode && (v->cs.attributes & VMCB_SEG_L) && (v->cs.attributes & VMCB_SEG_D))
        return "long mode with CS.L and CS.D";
    if (!(v->efer & EFER_LMA) != !long_mode)
        return "EFER.LMA isn't what LME and PG make it";
    if ((v->efer & EFER_LME) && !(v->cr0 & CR0_PG) && !(v->cr4 & CR4_PAE))
        return "EFER.LME without CR0.PG and CR4.PAE, at whose exit emulators hang";
    return NULL;
}

static const char *check_event(const struct vmcb *v)
{
    uint64_t type = v->eventinj & VMCB_EVENT_TYPE;
    unsigned vector = v->eventinj & 0xff;

    if (!(v->eventinj & VMCB_EVENT_VALID))
        return NULL;
    if (type != VMCB_EVENT_INTR && type != VMCB_EVENT_NMI && type != VMCB_EVENT_EXCEPTION &&
        type != VMCB_EVENT_SOFTWARE)
        return "EVENTINJ has a reserved type";
    if (type == VMCB_EVENT_EXCEPTION && (vector == VECTOR_NMI || vector > 31))
        return "EVENTINJ has an exception that doesn't exist";
    return NULL;
}

const char *check_vmcb(const struct vmcb *vmcb)
{
    const char *broken = check_control(vmcb);

    if (!broken)
        broken = check_registers(vmcb);
    if (!broken)
        broken = check_event(vmcb);
    return broken;
}
