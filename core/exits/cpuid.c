/* CPUID by the policy's table (APM vol. 3, appendix E). Leaves without a row read as zero. */
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/platform/platform.h"

#define OPCODE_CPUID 0xa2 /* 0F A2 */
#define ECX_OSXSAVE  (1u << 27)
#define ID_SHIFT     24 /* of leaf 1, EBX: the APIC id, whose place is virtual where the APIC is */

#define LEGACY_XSAVE_SIZE 576u /* x87, SSE and the header: APM vol. 4, XSAVE */

/* Leaves xxxx_xxnnh with nn < 20h of the classes 0000, 4000, 8000 and C000 have a place. */
#define PLACES        128u
#define LEAF_HAS_NONE 0x3fffffe0u

struct cpuid_answer {
    uint32_t eax, ebx, ecx, edx;
    uint32_t subleaf;
    uint32_t flags;                  /* BH_CPUID_* */
    const struct cpuid_answer *next; /* for another subleaf of the same leaf; NULL: none */
};

/* By slot of the vCPU. Filled before it runs, read by its core alone. */
static struct {
    const struct cpuid_answer *first[PLACES];
    struct cpuid_answer answer[BH_MAX_CPUID];
} views[BH_MAX_VCPUS];

static const struct cpuid_answer nothing = {.flags = BH_CPUID_ANY_SUBLEAF};

static unsigned place_of(uint32_t leaf)
{
    return (leaf >> 30) * 32 + (leaf & 31);
}

/*
 * The room for all state that the domain may switch on in XCR0, `components` of it (APM vol. 3,
 * E.3.8; AVX, component 2, is the last that core knows of). The CPU may have more of them, whose
 * room lies behind.
 */
static uint32_t xsave_size(uint32_t components)
{
    struct cpuid avx = cpuid(0xd, 2);

    return components & 4 ? avx.ebx + avx.eax : LEGACY_XSAVE_SIZE;
}

static struct cpuid_answer make_answer(const struct bh_cpuid *row)
{
    struct cpuid hw = cpuid(row->leaf, row->subleaf);
    struct cpuid_answer answer = {.eax = (hw.eax & row->and_[0]) | row->or_[0],
                                  .ebx = (hw.ebx & row->and_[1]) | row->or_[1],
                                  .ecx = (hw.ecx & row->and_[2]) | row->or_[2],
                                  .edx = (hw.edx & row->and_[3]) | row->or_[3],
                                  .subleaf = row->subleaf,
                                  .flags = row->flags};

    if ((row->flags & BH_CPUID_XSAVE_SIZE) && row->subleaf == 0)
        answer.ecx = xsave_size(answer.eax);
    return answer;
}

void cpuid_init_vcpu(struct vcpu *vcpu)
{
    const struct bh_cpuid *rows =
        (const struct bh_cpuid *)bh_rows(vcpu->image, &vcpu->image->cpuid) +
        vcpu->domain->cpuid.offset;

    vcpu->cpuid = views[vcpu->slot].first;
    for (unsigned i = 0; i < PLACES; i++)
        views[vcpu->slot].first[i] = &nothing;
    for (unsigned i = 0; i < vcpu->domain->cpuid.count; i++) {
        struct cpuid_answer *answer = &views[vcpu->slot].answer[i];
        const struct cpuid_answer **first = &views[vcpu->slot].first[place_of(rows[i].leaf)];

        if (rows[i].leaf & LEAF_HAS_NONE)
            fatal("policy image: %s: CPUID row %u is for leaf 0x%x, which core can't answer. Build "
                  "the image with the policyc of this release",
                  vcpu->domain->name, i, rows[i].leaf);
        *answer = make_answer(&rows[i]);
        if (rows[i].leaf == CPUID_FEATURES && vcpu->domain->interrupts == BH_VIRTUAL)
            answer->ebx = (answer->ebx & 0x00ffffff) | vcpu->id << ID_SHIFT;
        answer->next = *first == &nothing ? NULL : *first;
        *first = answer;
    }
}

/* Leaves whose answer depends on the subleaf or on the domain's CR4 and XCR0. */
static struct cpuid_answer special_answer(const struct vcpu *vcpu,
                                          const struct cpuid_answer *candidate)
{
    uint32_t subleaf = (uint32_t)vcpu->gpr[RCX];
    struct cpuid_answer answer;

    while (candidate && !(candidate->flags & BH_CPUID_ANY_SUBLEAF) && candidate->subleaf != subleaf)
        candidate = candidate->next;
    answer = candidate ? *candidate : nothing;
    if (answer.flags & BH_CPUID_OSXSAVE) {
        answer.ecx &= ~ECX_OSXSAVE;
        answer.ecx |= mode_cr4(vcpu) & CR4_OSXSAVE ? ECX_OSXSAVE : 0;
    }
    if (answer.flags & BH_CPUID_XSAVE_SIZE) /* XCR0 is the domain's while its core is here */
        answer.ebx = cpuid(0xd, answer.subleaf).ebx;
    return answer;
}

static void set_answer(struct vcpu *vcpu, const struct cpuid_answer *answer)
{
    vcpu->vmcb->rax = answer->eax;
    vcpu->gpr[RBX] = answer->ebx;
    vcpu->gpr[RCX] = answer->ecx;
    vcpu->gpr[RDX] = answer->edx;
}

static __attribute__((noinline)) void answer_slowly(struct vcpu *vcpu,
                                                    const struct cpuid_answer *candidate)
{
    struct cpuid_answer answer = special_answer(vcpu, candidate);

    exits_skip_two_byte(vcpu, OPCODE_CPUID);
    set_answer(vcpu, &answer);
}

/* The most frequent exit of many domains, hence the straight path for leaves that never change. */
void exit_cpuid(struct vcpu *vcpu)
{
    uint32_t leaf = (uint32_t)vcpu->vmcb->rax;
    const struct cpuid_answer *answer =
        leaf & LEAF_HAS_NONE ? &nothing : vcpu->cpuid[place_of(leaf)];

    if (answer->flags != BH_CPUID_ANY_SUBLEAF || !exits_is_plain(vcpu, OPCODE_CPUID)) {
        answer_slowly(vcpu, answer);
        return;
    }
    exits_skip_plain(vcpu, 2);
    set_answer(vcpu, answer);
}
