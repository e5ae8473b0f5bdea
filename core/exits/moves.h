/*
 * Inside core/exits: moves from and to devices that core remembers, so that one in a loop is
 * neither fetched nor decoded again. Which register a move concerns and how wide it is hangs on
 * each of its bytes, so all that they hang on is the key.
 */
#ifndef EXITS_MOVES_H
#define EXITS_MOVES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/exits/decode.h"
#include "core/iommu_dev/dma.h"
#include "core/mm/mm.h"
#include "core/svm/svm.h"
#include "core/vdev/vdev.h"
#include "hw/x86.h"

#define MOVES      4u /* a vCPU, by the low bits of RIP */
#define CODE_WORDS 2u

typedef uint64_t code_word __attribute__((aligned(1)));

/* Entries of the domain's tables that an address hangs on; the last ones may be no_entry's. */
#define ENTRIES 4u
struct entries {
    const volatile uint64_t *at[ENTRIES];
    uint64_t value[ENTRIES];
};

/*
 * A store of 32 bits to the local APIC, by which it came here before: the timer and EOI. It has at
 * most eight bytes, and where its address needs tables of the domain they aren't those of 32-bit
 * paging, whose format CR4 decides. How addresses are translated else hangs on CR0, EFER and, with
 * shadow tables, CR4, which no domain changes without core: mode.c forgets what was remembered.
 */
struct store {
    uint64_t rip, cr3; /* as the domain has them */
    uint64_t cs_base;
    uint64_t info; /* EXITINFO1 */
    const volatile code_word *code;
    uint64_t word, mask; /* what stood there, as far as it is the instruction's */
    struct entries fetch;
    uint16_t cs_attributes;
    uint64_t next;        /* where it goes on */
    const uint64_t *from; /* what it stores: a register, or */
    uint64_t immediate;
    uint64_t page;          /* guest-physical; with shadow tables linear, and then: */
    struct entries operand; /* that this page is the local APIC's */
    uint64_t ac;            /* RFLAGS.AC, which SMAP heeds */
};

struct move {
    struct store store;
    const volatile code_word *code; /* CODE_WORDS of them, in the domain's RAM */
    uint64_t word[CODE_WORDS];      /* what stood there, */
    uint64_t mask[CODE_WORDS];      /* as far as it is the instruction's */
    uint64_t rip, cs_base;
    uint16_t cs_attributes;
    struct guest_paging paging;
    struct guest_trace trace;
    struct insn insn;
};

/*
 * After an answer to a store of the vCPU's to `gpa` in the local APIC's page, `insn` as
 * exits_fetch_move() gave it: remembers it, if it is of the kind above.
 */
void exits_remember_store(struct vcpu *vcpu, const struct insn *insn, uint64_t gpa);

static inline bool entries_hold(const struct entries *e)
{
    _Static_assert(ENTRIES == 4, "each is looked at");
    return *e->at[0] == e->value[0] && *e->at[1] == e->value[1] && *e->at[2] == e->value[2] &&
           *e->at[3] == e->value[3];
}

/*
 * The store by which the vCPU came here just now, if it is remembered and all is as it was; NULL
 * if not, or if there is more to do than to carry it out, be it to report what devices have tried
 * in vain. With shadow tables the caller compares what the operand hangs on, too.
 */
static inline const struct store *exits_known_store(const struct vcpu *vcpu, uint64_t cr3)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    const struct store *s = &vcpu->moves[vmcb->rip % MOVES].store;

    return !dma_has_events() && s->rip == vmcb->rip && s->cr3 == cr3 &&
                   s->cs_base == vmcb->cs.base && s->cs_attributes == vmcb->cs.attributes &&
                   s->info == vmcb->exitinfo1 && vmcb->exitinfo2 - s->page < PAGE_SIZE &&
                   !((*s->code ^ s->word) & s->mask) && entries_hold(&s->fetch) &&
                   !(vmcb->rflags & RFLAGS_TF) && !(vmcb->exitintinfo & VMCB_EVENT_VALID)
               ? s
               : NULL;
}

/*
 * The same under another CR3, in long mode: a kernel's addresses mean the same in all processes, by
 * the same entry of each one's topmost table. That costs one look at the p2m.
 */
const struct store *exits_find_store(const struct vcpu *vcpu);

static inline const struct store *exits_adopt_store(const struct vcpu *vcpu)
{
    uint64_t rip = vcpu->vmcb->rip;

    return vcpu->moves[rip % MOVES].store.rip == rip ? exits_find_store(vcpu) : NULL;
}

static inline bool exits_known_operand(const struct vcpu *vcpu, const struct store *s)
{
    return entries_hold(&s->operand) && !((vcpu->vmcb->rflags ^ s->ac) & RFLAGS_AC);
}

static inline void exits_repeat_store(struct vcpu *vcpu, const struct store *s)
{
    struct vmcb *vmcb = vcpu->vmcb;

    vmcb->rip = s->next;
    vmcb->interrupt_shadow = 0;
    vdev_write_apic(vcpu, (uint32_t)(vmcb->exitinfo2 - s->page), (uint32_t)*s->from);
}

#endif
