#include "core/exits/mode.h"

#include "core/exits/handlers.h"
#include "core/platform/platform.h"

#define EFER_ALLOWED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)
#define EFER_LONG    (EFER_LME | EFER_LMA)

/* The bits that CR0 has, 3.1.1. Writes of others are ignored; what VMRUN would do isn't said. */
#define CR0_BITS                                                                               \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
     CR0_PG)

#define CR3_PCID     0xfffull     /* with CR4.PCIDE, 5.5.1 */
#define CR3_NO_FLUSH (1ull << 63) /* likewise, in what is written */
#define CR8_BITS     0xfull       /* 3.1.5 */
#define PAT_TYPE_MAX 7u           /* 7.8.1 */
#define PAT_RESERVED (1u << 2 | 1u << 3)

/* In BH_INTERCEPT_MISC1. A task switch loads CR3, past the intercept of its writes. */
#define TASK_SWITCH_INTERCEPT (1u << 29)

enum cpuid_register { ALWAYS, EBX_7, ECX_7, ECX_1, EDX_1 };

/* The bits that CR4 has, 3.1.3: each is reserved on a CPU without the feature (APM vol. 3, E.3). */
static const struct {
    uint32_t bit;
    uint8_t where, feature;
    bool nested_only; /* shadow tables know nothing of it, and CPUID doesn't show it either */
} cr4_bits[] = {
    {CR4_VME, EDX_1, 1, false},         {CR4_PVI, EDX_1, 1, false},
    {CR4_TSD, EDX_1, 4, false},         {CR4_DE, EDX_1, 2, false},
    {CR4_PSE, EDX_1, 3, false},         {CR4_PAE, EDX_1, 6, false},
    {CR4_MCE, EDX_1, 7, false},         {CR4_PGE, EDX_1, 13, false},
    {CR4_PCE, ALWAYS, 0, false},        {CR4_OSFXSR, EDX_1, 24, false},
    {CR4_OSXMMEXCPT, EDX_1, 25, false}, {CR4_UMIP, ECX_7, 2, false},
    {CR4_LA57, ECX_7, 16, true},        {CR4_FSGSBASE, EBX_7, 0, false},
    {CR4_PCIDE, ECX_1, 17, true},       {CR4_OSXSAVE, ECX_1, 26, false},
    {CR4_SMEP, EBX_7, 7, false},        {CR4_SMAP, EBX_7, 20, false},
    {CR4_PKE, ECX_7, 3, true},          {CR4_CET, ECX_7, 7, true},
};

static uint64_t supported_cr4(const struct vcpu *vcpu)
{
    struct cpuid one = cpuid(CPUID_FEATURES, 0), seven = cpuid(CPUID_STRUCTURED, 0);
    uint32_t word[] = {[ALWAYS] = ~0u,
                       [EBX_7] = seven.ebx,
                       [ECX_7] = seven.ecx,
                       [ECX_1] = one.ecx,
                       [EDX_1] = one.edx};
    uint64_t bits = 0;

    for (unsigned i = 0; i < sizeof(cr4_bits) / sizeof(cr4_bits[0]); i++)
        if ((word[cr4_bits[i].where] >> cr4_bits[i].feature & 1) &&
            !(cr4_bits[i].nested_only && vcpu->shadow))
            bits |= cr4_bits[i].bit;
    return bits;
}

/* By domain, shared by its vCPUs; made by the boot CPU before any of them runs. */
static struct shadow shadows[BH_MAX_DOMAINS];

static void flush_domain(void *owner)
{
    svm_flush_domain((unsigned)(uintptr_t)owner);
}

static bool has_nested_paging(void)
{
    return cpuid(CPUID_EXTENDED_MAX, 0).eax >= CPUID_SVM &&
           (cpuid(CPUID_SVM, 0).edx & CPUID_SVM_EDX_NP);
}

static bool is_shadowed(const struct bh_domain *domain)
{
    return domain->paging == BH_PAGING_SHADOW ||
           (domain->paging == BH_PAGING_ANY && !has_nested_paging());
}

void mode_init_domain(const struct bh_header *image, unsigned index)
{
    const struct bh_domain *domain = bh_domain_row(image, index);
    const struct shadow_config config = {
        .p2m = (const uint64_t *)(uintptr_t)domain->table,
        .pool = domain->shadow_base,
        .pool_size = domain->shadow_size,
        .vcpus = domain->ncores,
        .address_bits = cpuid(CPUID_ADDRESS_SIZES, 0).eax & 0xff,
        .has_1g_pages = cpuid(CPUID_EXTENDED, 0).edx & CPUID_EXTENDED_EDX_1G,
        .flush = flush_domain,
        .owner = (void *)(uintptr_t)index,
    };

    if (!is_shadowed(domain)) {
        shadows[index].config = config; /* for mode_walk() */
        return;
    }
    if (!shadow_init(&shadows[index], &config))
        fatal("policy image: %s: core can't make shadow tables of 0x%lx bytes at 0x%lx. Give the "
              "domain another pool in the policy",
              domain->name, domain->shadow_size, domain->shadow_base);
}

void mode_init_vcpu(struct vcpu *vcpu)
{
    if (!is_shadowed(vcpu->domain))
        return;
    vcpu->shadow = &shadows[vcpu->index];
    vcpu->pat = PAT_DEFAULT;
    vcpu->vmcb->np_enable = 0;
    for (unsigned i = 0; i < BH_INTERCEPT_WORDS; i++)
        vcpu->vmcb->intercepts[i] |= vcpu->domain->shadow_intercepts[i];
    /* A policy may leave it out of a domain's, where what is loaded is no machine address. */
    vcpu->vmcb->intercepts[BH_INTERCEPT_MISC1] |= TASK_SWITCH_INTERCEPT;
}

static struct shadow_guest shadow_guest(const struct vcpu *vcpu)
{
    const struct vmcb *vmcb = vcpu->vmcb;

    return (struct shadow_guest){.cr0 = mode_cr0(vcpu),
                                 .cr3 = mode_cr3(vcpu),
                                 .cr4 = mode_cr4(vcpu),
                                 .efer = vcpu->efer,
                                 .pat = mode_pat(vcpu),
                                 .ac = (vmcb->rflags & RFLAGS_AC) && vmcb->cpl < 3};
}

/* The VMCB's registers for shadow tables: as core/mm/shadow.h demands them. */
static void load_shadow(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;
    struct shadow_guest guest = shadow_guest(vcpu);
    uint64_t without = vcpu->cr0 & CR0_PG ? 0 : CR4_SMEP | CR4_SMAP;

    vmcb->cr0 = vcpu->cr0 | CR0_PG | CR0_WP;
    vmcb->cr3 = shadow_root(vcpu->shadow, vcpu->id, &guest);
    vmcb->cr4 = (vcpu->cr4 & ~without) | CR4_PAE;
    vmcb->efer |= EFER_NXE;
    for (unsigned i = 0; i < SVM_PLACES; i++) /* this CR3 may have stood for another one */
        vcpu->places[i].code = svm_no_code;
}

/* The one place that changes the VMCB's control registers: they follow from the domain's. */
static void load(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
    struct vmcb *vmcb = vcpu->vmcb;
    bool long_mode = (vcpu->efer & EFER_LME) && (cr0 & CR0_PG);

    vcpu->efer = (vcpu->efer & ~(uint64_t)EFER_LMA) | (long_mode ? EFER_LMA : 0);
    vmcb->efer = (vcpu->efer & ~(uint64_t)EFER_LONG) | EFER_SVME | (long_mode ? EFER_LONG : 0);
    svm_dirty(vcpu, VMCB_CLEAN_CR);
    svm_flush_tlb(vcpu);
    if (vcpu->shadow) {
        vcpu->cr0 = cr0;
        vcpu->cr3 = cr3;
        vcpu->cr4 = cr4;
        load_shadow(vcpu);
    } else {
        vmcb->cr0 = cr0;
        vmcb->cr3 = cr3;
        vmcb->cr4 = cr4;
    }
}

/* More than CR3 changes: the same RIP and CR3 may lead to other code now, or in another mode. */
static void load_mode(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
    exits_forget_code(vcpu);
    load(vcpu, cr0, cr3, cr4);
}

void mode_start(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    vcpu->efer = efer;
    load_mode(vcpu, cr0 | CR0_ET, cr3, cr4);
}

/* APM vol. 2, 3.1.1, 5.5.1 and 14.6.1: which values of CR0 are #GP. */
static bool cr0_is_legal(const struct vcpu *vcpu, uint64_t value)
{
    uint64_t old = mode_cr0(vcpu), cr4 = mode_cr4(vcpu);

    if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
        ((value & CR0_NW) && !(value & CR0_CD)) || (!(value & CR0_WP) && (cr4 & CR4_CET)))
        return false;
    if (!(value & CR0_PG))
        return !mode_is_64_bit(vcpu) && !((old & CR0_PG) && (cr4 & CR4_PCIDE));
    if (!(old & CR0_PG) && (vcpu->efer & EFER_LME))
        return (cr4 & CR4_PAE) && !(vcpu->vmcb->cs.attributes & VMCB_SEG_L);
    return true;
}

bool mode_write_cr0(struct vcpu *vcpu, uint64_t value)
{
    if (!cr0_is_legal(vcpu, value))
        return false;
    value = (value & CR0_BITS) | CR0_ET;
    if ((value ^ mode_cr0(vcpu)) & (CR0_PE | CR0_PG | CR0_WP)) {
        load_mode(vcpu, value, mode_cr3(vcpu), mode_cr4(vcpu));
    } else { /* no address means another */
        vcpu->cr0 = value;
        vcpu->vmcb->cr0 = value | (vcpu->shadow ? CR0_PG | CR0_WP : 0);
        svm_dirty(vcpu, VMCB_CLEAN_CR);
    }
    return true;
}

/* Bits that physical addresses have, at most 52 (APM vol. 3, E.4.7). */
static uint64_t address_mask(void)
{
    unsigned bits = cpuid(CPUID_ADDRESS_SIZES, 0).eax & 0xff;

    return (1ull << (bits < 32 || bits > 52 ? 52 : bits)) - 1;
}

/* APM vol. 2, 3.1.2 and 5.3.2; outside of long mode a value has 32 bits, and none is reserved. */
bool mode_write_cr3(struct vcpu *vcpu, uint64_t value)
{
    uint64_t cr4 = mode_cr4(vcpu);

    if (cr4 & CR4_PCIDE)
        value &= ~CR3_NO_FLUSH; /* to flush nevertheless is allowed (5.5.1) */
    if (value & ~address_mask())
        return false;
    load(vcpu, mode_cr0(vcpu), value, cr4);
    return true;
}

/* APM vol. 2, 3.1.3, 5.3.1, 5.5.1 and 18.6 */
static bool cr4_is_legal(const struct vcpu *vcpu, uint64_t value)
{
    uint64_t change = value ^ mode_cr4(vcpu);
    bool long_mode = vcpu->efer & EFER_LMA;

    if (value & ~supported_cr4(vcpu))
        return false;
    if (long_mode && (!(value & CR4_PAE) || (change & CR4_LA57)))
        return false;
    if ((value & change & CR4_PCIDE) && (!long_mode || (mode_cr3(vcpu) & CR3_PCID)))
        return false;
    return !(value & CR4_CET) || (mode_cr0(vcpu) & CR0_WP);
}

bool mode_write_cr4(struct vcpu *vcpu, uint64_t value)
{
    if (!cr4_is_legal(vcpu, value))
        return false;
    if (vcpu->shadow && ((value ^ vcpu->cr4) & CR4_PGE)) /* 5.5.2: global pages go, too */
        shadow_compare(vcpu->shadow);
    load_mode(vcpu, mode_cr0(vcpu), mode_cr3(vcpu), value);
    return true;
}

uint64_t mode_cr8(const struct vcpu *vcpu)
{
    return vcpu->domain->interrupts == BH_DIRECT ? apic_read(APIC_TPR) >> 4 & CR8_BITS
                                                 : vcpu->vmcb->v_intr & VMCB_V_TPR;
}

/*
 * CR8 is bits 7:4 of the task-priority register, whose others it clears (APM vol. 2, 3.1.5). Where
 * that is the hardware's, V_TPR is written, too (15.21.2).
 */
bool mode_write_cr8(struct vcpu *vcpu, uint64_t value)
{
    if (value & ~CR8_BITS)
        return false;
    if (vcpu->domain->interrupts == BH_DIRECT)
        apic_write(APIC_TPR, (uint32_t)value << 4);
    vcpu->vmcb->v_intr = (vcpu->vmcb->v_intr & ~VMCB_V_TPR) | value;
    svm_dirty(vcpu, VMCB_CLEAN_TPR);
    return true;
}

bool mode_write_efer(struct vcpu *vcpu, uint64_t value)
{
    bool lme_changes = (value ^ vcpu->efer) & EFER_LME;

    if ((value & ~(uint64_t)EFER_ALLOWED) || (lme_changes && (mode_cr0(vcpu) & CR0_PG)))
        return false;
    vcpu->efer = value;
    load_mode(vcpu, mode_cr0(vcpu), mode_cr3(vcpu), mode_cr4(vcpu));
    return true;
}

/* Eight memory types, of which two numbers are reserved (APM vol. 2, 7.8.1). */
bool mode_write_pat(struct vcpu *vcpu, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> (8 * i) & 0xff;

        if (type > PAT_TYPE_MAX || (PAT_RESERVED >> type & 1))
            return false;
    }
    if (vcpu->shadow) {
        vcpu->pat = value;
        shadow_reset(vcpu->shadow);
        load(vcpu, vcpu->cr0, vcpu->cr3, vcpu->cr4);
    } else {
        vcpu->vmcb->g_pat = value;
        svm_dirty(vcpu, VMCB_CLEAN_NP);
        svm_flush_tlb(vcpu);
    }
    return true;
}

void mode_invlpg(struct vcpu *vcpu, uint64_t linear)
{
    if (vcpu->shadow) {
        struct shadow_guest guest = shadow_guest(vcpu);

        shadow_invlpg(vcpu->shadow, vcpu->id, &guest, linear);
    }
    svm_flush_tlb(vcpu);
}

struct shadow_result mode_shadow_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error)
{
    struct shadow_guest guest = shadow_guest(vcpu);

    return shadow_fault(vcpu->shadow, vcpu->id, &guest, linear, error);
}

struct shadow_result mode_walk(struct vcpu *vcpu, uint64_t linear, uint32_t error)
{
    struct shadow_guest guest = shadow_guest(vcpu);

    if (vcpu->shadow)
        return shadow_fault(vcpu->shadow, vcpu->id, &guest, linear, error);
    return shadow_walk(&shadows[vcpu->index], &guest, linear, error);
}
