#include "core/svm/check/model.h"

#include "hw/x86.h"
#include "lib/memory.h"

/* What a change of decides how an address is translated, so that older translations mislead:
 * APM vol. 2, 5.5.3. VMRUN loads these registers without that flush (15.16). */
#define CR0_TRANSLATION  CR0_PG
#define CR4_TRANSLATION  (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_LA57 | CR4_SMEP)
#define EFER_TRANSLATION (EFER_LMA | EFER_NXE)

/* 15.15.3: which fields a clean bit speaks for, as [first, end) of struct vmcb. */
static const struct {
    uint32_t bit;
    uint16_t first, end;
    const char *broken;
} promises[] = {
#define FIELD(name)      offsetof(struct vmcb, name), offsetof(struct vmcb, name) + FIELD_SIZE(name)
#define FIELD_SIZE(name) sizeof(((struct vmcb *)0)->name)
#define PROMISE(group, name) \
    {VMCB_CLEAN_##group, FIELD(name), #name " has changed, but its clean bit is set"},
    PROMISE(I, intercepts) PROMISE(I, tsc_offset) PROMISE(IOPM, iopm_base_pa)
        PROMISE(IOPM, msrpm_base_pa) PROMISE(ASID, guest_asid) PROMISE(TPR, v_intr)
            PROMISE(NP, np_enable) PROMISE(NP, n_cr3) PROMISE(NP, g_pat) PROMISE(CR, cr0)
                PROMISE(CR, cr3) PROMISE(CR, cr4) PROMISE(CR, efer) PROMISE(DR, dr6)
                    PROMISE(DR, dr7) PROMISE(DT, gdtr) PROMISE(DT, idtr) PROMISE(SEG, cs)
                        PROMISE(SEG, ds) PROMISE(SEG, es) PROMISE(SEG, ss) PROMISE(SEG, cpl)
                            PROMISE(CR2, cr2) PROMISE(LBR, lbr_virt)
#undef PROMISE
#undef FIELD
#undef FIELD_SIZE
};

static const uint8_t *cached(const struct check_vcpu *vcpu, unsigned offset)
{
    return offset < CHECK_CONTROL ? vcpu->control + offset : vcpu->save + offset - CHECK_SAVE;
}

static const char *check_promises(unsigned cpu, const struct check_vcpu *vcpu,
                                  const struct vmcb *vmcb)
{
    if (vmcb->clean == 0)
        return NULL;
    if (vmcb->clean & ~VMCB_CLEAN_ALL)
        return "reserved clean bits are set";
    if (!vcpu->ran || vcpu->cpu != cpu)
        return "clean bits are set, but this CPU hasn't run it last";
    for (unsigned i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
        unsigned first = promises[i].first;

        if ((vmcb->clean & promises[i].bit) &&
            memcmp((const char *)vmcb + first, cached(vcpu, first), promises[i].end - first) != 0)
            return promises[i].broken;
    }
    return NULL;
}

/* Whether core has changed what a translation depends on since the vCPU ran last. */
static bool translates_otherwise(const struct vmcb *vmcb, const struct check_vcpu *vcpu)
{
    static const struct {
        uint64_t mask;
        uint16_t offset;
    } fields[] = {
        {~0ull, offsetof(struct vmcb, np_enable)},
        {~0ull, offsetof(struct vmcb, n_cr3)},
        {~0ull, offsetof(struct vmcb, g_pat)},
        {~0ull, offsetof(struct vmcb, cr3)},
        {CR0_TRANSLATION, offsetof(struct vmcb, cr0)},
        {CR4_TRANSLATION, offsetof(struct vmcb, cr4)},
        {EFER_TRANSLATION, offsetof(struct vmcb, efer)},
    };

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint64_t before, after;

        memcpy(&before, cached(vcpu, fields[i].offset), sizeof(before));
        memcpy(&after, (const char *)vmcb + fields[i].offset, sizeof(after));
        if ((before ^ after) & fields[i].mask)
            return true;
    }
    return false;
}

static const char *flush(struct check_model *model, unsigned cpu, const struct vmcb *vmcb)
{
    switch (vmcb->tlb_control) {
    case VMCB_TLB_KEEP:
        return NULL;
    case VMCB_TLB_FLUSH_ALL:
        memset(model->tag[cpu], 0, sizeof(model->tag[cpu]));
        return NULL;
    case VMCB_TLB_FLUSH_ASID:
        if (!(model->features & SVM_FEATURE_FLUSH_BY_ASID))
            return "TLB_CONTROL asks for a flush by ASID, which the CPU doesn't have";
        model->tag[cpu][vmcb->guest_asid].is_used = false;
        return NULL;
    default:
        return "TLB_CONTROL has a value that core doesn't use";
    }
}

static uint64_t now(struct check_model *model)
{
    return __atomic_add_fetch(&model->moment, 1, __ATOMIC_SEQ_CST);
}

static uint64_t load(const uint64_t *moment)
{
    return __atomic_load_n(moment, __ATOMIC_SEQ_CST);
}

/* Whether the CPU flushes again what it flushed in its last run, and nothing has happened since. */
static bool flushes_for_nothing(const struct check_model *model, unsigned cpu, unsigned slot,
                                const struct vmcb *vmcb)
{
    const struct check_vcpu *vcpu = &model->vcpu[slot];

    return model->last[cpu] == slot + 1 && vcpu->cpu == cpu && vmcb->tlb_control != VMCB_TLB_KEEP &&
           vcpu->tlb_control != VMCB_TLB_KEEP && vcpu->asid == vmcb->guest_asid &&
           load(&vcpu->asked) < vcpu->oldest_used && !translates_otherwise(vmcb, vcpu);
}

static const char *check_tlb(struct check_model *model, unsigned cpu, unsigned slot,
                             const struct vmcb *vmcb)
{
    struct check_vcpu *vcpu = &model->vcpu[slot];
    const char *broken;

    if (vmcb->guest_asid == 0)
        return "ASID 0, which is the host's";
    if (vmcb->guest_asid >= model->asid_count || vmcb->guest_asid >= CHECK_ASIDS)
        return "an ASID that the CPU doesn't have";
    broken = flush(model, cpu, vmcb);
    if (broken)
        return broken;
    if (flushes_for_nothing(model, cpu, slot, vmcb))
        return "TLB_CONTROL still flushes, though nothing is stale";
    if (model->tag[cpu][vmcb->guest_asid].is_used) {
        if (model->tag[cpu][vmcb->guest_asid].slot != slot)
            return "translations of another vCPU may be cached under its ASID";
        if (vcpu->ran && translates_otherwise(vmcb, vcpu))
            return "its way of translating has changed, and older translations may be cached";
        if (model->tag[cpu][vmcb->guest_asid].oldest < load(&vcpu->stale))
            return "stale translations may be cached under its ASID";
    } else {
        model->tag[cpu][vmcb->guest_asid].is_used = true;
        model->tag[cpu][vmcb->guest_asid].slot = slot;
        model->tag[cpu][vmcb->guest_asid].oldest = now(model);
    }
    __atomic_store_n(&vcpu->oldest_used, model->tag[cpu][vmcb->guest_asid].oldest,
                     __ATOMIC_SEQ_CST);
    return NULL;
}

const char *check_enter(struct check_model *model, unsigned cpu, unsigned slot,
                        const struct vmcb *vmcb)
{
    struct check_vcpu *vcpu = &model->vcpu[slot];
    const char *broken = check_vmcb(vmcb);

    if (!broken)
        broken = check_promises(cpu, vcpu, vmcb);
    if (!broken)
        broken = check_tlb(model, cpu, slot, vmcb);
    vcpu->tlb_control = vmcb->tlb_control;
    vcpu->asid = vmcb->guest_asid;
    vcpu->cpu = cpu;
    model->last[cpu] = slot + 1;
    return broken;
}

void check_leave(struct check_model *model, unsigned slot, const struct vmcb *vmcb)
{
    struct check_vcpu *vcpu = &model->vcpu[slot];

    vcpu->ran = true;
    memcpy(vcpu->control, vmcb, sizeof(vcpu->control));
    memcpy(vcpu->save, (const char *)vmcb + CHECK_SAVE, sizeof(vcpu->save));
}

uint64_t check_ask(struct check_model *model, unsigned slot)
{
    uint64_t moment = now(model);

    __atomic_store_n(&model->vcpu[slot].asked, moment, __ATOMIC_SEQ_CST);
    return moment;
}

const char *check_void(struct check_model *model, unsigned slot, uint64_t moment, bool is_running)
{
    struct check_vcpu *vcpu = &model->vcpu[slot];

    __atomic_store_n(&vcpu->stale, moment, __ATOMIC_SEQ_CST);
    if (is_running && load(&vcpu->oldest_used) < moment)
        return "it runs on with translations that were to be flushed";
    return NULL;
}
