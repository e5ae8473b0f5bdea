/*
 * Page faults of a domain whose addresses core translates by shadow tables (APM vol. 2, 15.12.15):
 * an entry that isn't there yet, the domain's own fault, or memory that it may not reach. And with
 * either kind of paging, those of a domain whose own tables lie in memory that it may not reach.
 */
#include "core/audit/audit.h"
#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/exits/moves.h"
#include "core/platform/platform.h"

/* Bits of a #PF's error code, 8.4.2 */
#define PF_PRESENT  0x1u
#define PF_WRITE    0x2u
#define PF_USER     0x4u
#define PF_RESERVED 0x8u
#define PF_FETCH    0x10u

static void page_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error)
{
    vcpu->vmcb->cr2 = linear; /* the intercept comes before the CPU writes it */
    svm_dirty(vcpu, VMCB_CLEAN_CR2);
    svm_inject_exception(vcpu, VECTOR_PF, error);
}

bool exits_touch_word(struct vcpu *vcpu, uint64_t linear, bool is_write, uint16_t *word)
{
    struct guest_paging paging = mode_paging(vcpu);
    uint32_t error = (is_write ? PF_WRITE : 0) | (vcpu->vmcb->cpl == 3 ? PF_USER : 0);
    volatile uint8_t *at[2];

    for (unsigned i = 0; i < 2; i++) { /* both bytes may be touched, or none is */
        uint64_t byte = mode_is_64_bit(vcpu) ? linear + i : (uint32_t)(linear + i), gpa;
        struct shadow_result result = mode_walk(vcpu, byte, error);

        if (result.outcome == SHADOW_PAGE_FAULT) {
            page_fault(vcpu, byte, result.error);
            return false;
        }
        at[i] = result.outcome == SHADOW_RETRY && guest_translate(&paging, byte, &gpa)
                    ? p2m_ram(vcpu->p2m, gpa, 1, is_write)
                    : NULL;
        if (!at[i])
            exits_stop(vcpu, "it touched memory that it may not reach, not by a plain move");
    }
    if (is_write) {
        *at[0] = (uint8_t)*word;
        *at[1] = (uint8_t)(*word >> 8);
    } else {
        *word = (uint16_t)(*at[0] | *at[1] << 8);
    }
    return true;
}

/* A fetch is told of where it can be forbidden (APM vol. 2, 8.4.2). */
static bool tells_fetch(const struct vcpu *vcpu)
{
    uint64_t cr4 = mode_cr4(vcpu);

    return ((vcpu->efer & EFER_NXE) && (cr4 & CR4_PAE)) || (cr4 & CR4_SMEP);
}

/* The first of `size` bytes from `linear` on whose page is found by a table in `page`. */
static bool find_byte(const struct guest_paging *paging, uint64_t page, unsigned size,
                      uint64_t *linear)
{
    uint64_t end = *linear + size - 1;

    if (guest_walks_over(paging, *linear, page))
        return true;
    if ((*linear ^ end) < PAGE_SIZE || !guest_walks_over(paging, end, page))
        return false;
    *linear = end & ~(uint64_t)(PAGE_SIZE - 1);
    return true;
}

/*
 * What it was that needed a table in the page at `gpa`: a nested page fault doesn't say. RIP's
 * instruction can have been fetched only if none of its bytes did.
 */
static bool find_access(struct vcpu *vcpu, uint64_t gpa, uint64_t *linear, uint32_t *error)
{
    struct guest_paging paging = mode_paging(vcpu);
    const struct insn *insn = exits_fetch_move(vcpu);
    bool is_move = insn->kind == INSN_LOAD || insn_is_store(insn);

    *error = PF_FETCH;
    *linear = exits_linear_rip(vcpu);
    if (find_byte(&paging, gpa, insn->length ? insn->length : INSN_MAX, linear))
        return true;
    *error = insn_is_store(insn) ? PF_WRITE : 0;
    *linear = exits_linear(vcpu, insn);
    return is_move && find_byte(&paging, gpa, insn->size, linear);
}

/* All ones: present, with reserved bits (APM vol. 2, 5.3 and 8.4.2). */
static void fault_by_table(struct vcpu *vcpu, uint64_t gpa, uint64_t linear, uint32_t error)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_MEMORY_READ, gpa, error);
    page_fault(vcpu, linear,
               PF_PRESENT | PF_RESERVED | (error & (PF_WRITE | PF_USER)) |
                   (tells_fetch(vcpu) ? error & PF_FETCH : 0));
}

static _Noreturn void stop_by_table(struct vcpu *vcpu, uint64_t gpa, uint64_t why)
{
    audit_violation(vcpu->domain, vcpu->index, VIOLATION_MEMORY_READ, gpa, why);
    exits_stop(vcpu, "its page tables lie in memory that it may not reach");
}

void exits_no_tables(struct vcpu *vcpu, uint64_t gpa, uint64_t why)
{
    uint64_t linear;
    uint32_t error;

    if ((vcpu->vmcb->exitintinfo & VMCB_EVENT_VALID) || !find_access(vcpu, gpa, &linear, &error))
        stop_by_table(vcpu, gpa, why);
    fault_by_table(vcpu, gpa, linear, error | (vcpu->vmcb->cpl == 3 ? PF_USER : 0));
}

static __attribute__((noinline)) void answer(struct vcpu *vcpu)
{
    struct vmcb *vmcb = vcpu->vmcb;
    uint64_t linear = vmcb->exitinfo2;
    struct shadow_result result = {.outcome = SHADOW_PAGE_FAULT,
                                   .error = (uint32_t)vmcb->exitinfo1};

    if (vcpu->shadow)
        result = mode_shadow_fault(vcpu, linear, (uint32_t)vmcb->exitinfo1);
    switch (result.outcome) {
    case SHADOW_RETRY:
        break;
    case SHADOW_PAGE_FAULT:
        page_fault(vcpu, linear, result.error);
        break;
    case SHADOW_DENIED:
        exits_no_memory(vcpu, result.gpa, result.error);
        break;
    case SHADOW_WALK_DENIED:
    default:
        if (vmcb->exitintinfo & VMCB_EVENT_VALID)
            stop_by_table(vcpu, result.gpa, result.error);
        fault_by_table(vcpu, result.gpa, linear, result.error);
    }
}

/*
 * A #PF is an answer of the domain's tables as they are now. Where all entries on the way to the
 * local APIC, and what else the answer hangs on, are what they were, so is the answer.
 */
void exit_pf(struct vcpu *vcpu)
{
    const struct store *store = vcpu->shadow ? exits_known_store(vcpu, vcpu->cr3) : NULL;

    if (!store && vcpu->shadow)
        store = exits_adopt_store(vcpu);
    if (store && exits_known_operand(vcpu, store))
        exits_repeat_store(vcpu, store);
    else
        answer(vcpu);
}
