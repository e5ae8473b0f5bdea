/* Inside core/exits: the handlers that include/tables/exits.def names, and what they share. */
#ifndef EXITS_HANDLERS_H
#define EXITS_HANDLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/exits/decode.h"
#include "core/exits/exits.h"
#include "core/exits/mode.h"
#include "hw/x86.h"

svm_exit_handler exit_bus_lock, exit_call, exit_cpuid, exit_cr, exit_dr, exit_exception,
    exit_general_protection, exit_hlt, exit_host_interrupt, exit_icebp, exit_int, exit_invlpg,
    exit_io, exit_machine_check, exit_msr, exit_npf, exit_pause, exit_pf, exit_rdtsc, exit_trap,
    exit_undefined, exit_unexpected, exit_vintr, exit_wbinvd, exit_xsetbv;

/*
 * After a handler, if the exit came while an event was being delivered (EXITINTINFO is valid): the
 * event is delivered again, or its instruction executed again, unless a fault takes its place.
 */
void exits_settle_event(struct vcpu *vcpu);

/*
 * Ends the domain, alone: its devices lose DMA, its vCPUs sleep, `why` and its registers stand
 * on the console.
 */
_Noreturn void exits_stop(struct vcpu *vcpu, const char *why);

/* The same for a domain that called for its end: that is no crash. */
_Noreturn void exits_stop_asked(struct vcpu *vcpu);

/* The trap behind an instruction of a domain that single-steps. */
void exits_step(struct vcpu *vcpu);

/* Moves RIP to `rip`: ends an interrupt shadow, and single-steps where the domain asked for it. */
static inline void exits_set_rip(struct vcpu *vcpu, uint64_t rip)
{
    struct vmcb *vmcb = vcpu->vmcb;

    vmcb->rip = mode_is_64_bit(vcpu) ? rip : (uint32_t)rip;
    vmcb->interrupt_shadow = 0;
    if (vmcb->rflags & RFLAGS_TF)
        exits_step(vcpu);
}

/*
 * Takes a vCPU of a stopped domain out of use, for good; the second has all other vCPUs of the
 * domain do so and waits until they have left it.
 */
_Noreturn void exits_park(struct vcpu *vcpu);
void exits_park_others(struct vcpu *vcpu);

/* True if somebody asks something of the vCPU: who sleeps for it resumes the domain instead. */
static inline bool exits_has_requests(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE) & SVM_REQUESTS_TOLD;
}

/*
 * Fetches and decodes the instruction at CS:RIP. INSN_UNKNOWN if it can't be read or isn't one
 * that the decoder knows.
 */
struct insn exits_fetch(struct vcpu *vcpu);

/* The linear address of the code at CS:RIP. */
static inline uint64_t exits_linear_rip(const struct vcpu *vcpu)
{
    const struct vmcb *vmcb = vcpu->vmcb;

    return mode_is_64_bit(vcpu) ? vmcb->rip : (uint32_t)(vmcb->cs.base + vmcb->rip);
}

/*
 * The linear address of the instruction's memory operand. Segment limits and rights aren't looked
 * at, nor is whether the address is canonical.
 */
uint64_t exits_linear(const struct vcpu *vcpu, const struct insn *insn);

/*
 * The same for an access of `size` bytes that core carries out, by the rules of its segment (APM
 * vol. 2, 4.5 to 4.8 and 4.12; vol. 1, 2.2), of canonical addresses and of alignment. False: the
 * domain takes the fault.
 */
bool exits_find_operand(struct vcpu *vcpu, const struct insn *insn, unsigned size, bool is_write,
                        uint64_t *linear);

/*
 * Fetches the instruction of an access to memory, most often by an instruction that did so before:
 * then it is neither walked to nor decoded again, if all that it hangs on is what it was. Valid
 * until the vCPU's next exit.
 */
const struct insn *exits_fetch_move(struct vcpu *vcpu);

/* True if RIP's instruction may be remembered at its place, and nobody steps through it. */
static inline bool exits_has_place(const struct vcpu *vcpu, const struct svm_place *place)
{
    const struct vmcb *vmcb = vcpu->vmcb;

    return place->rip == vmcb->rip && place->cr3 == vmcb->cr3 && !(vmcb->rflags & RFLAGS_TF);
}

/*
 * True if the instruction `0F opcode` stands at RIP as it did before, without prefixes and not
 * single-stepped: then two bytes are all there is to skip. Of `0F 01 modrm` it is three.
 */
static inline bool exits_is_plain(const struct vcpu *vcpu, uint8_t opcode)
{
    const struct svm_place *place = &vcpu->places[vcpu->vmcb->rip % SVM_PLACES];

    return exits_has_place(vcpu, place) && *place->code == (0x0f | opcode << 8);
}

static inline bool exits_is_plain_0f01(const struct vcpu *vcpu, uint8_t modrm)
{
    const struct svm_place *place = &vcpu->places[vcpu->vmcb->rip % SVM_PLACES];

    return exits_has_place(vcpu, place) && place->code[0] == 0x010f &&
           (uint8_t)place->code[1] == modrm;
}

static inline void exits_skip_plain(struct vcpu *vcpu, unsigned length)
{
    vcpu->vmcb->rip += length;
    vcpu->vmcb->interrupt_shadow = 0;
}

/*
 * Steps over the instruction `0F opcode` (in the second function: 0F 01 modrm) that caused this
 * exit. If something else stands there by now, the domain changed its code under core's eyes and
 * is stopped.
 */
void exits_find_two_byte(struct vcpu *vcpu, uint8_t opcode);
void exits_find_0f01(struct vcpu *vcpu, uint8_t modrm);

static inline void exits_skip_two_byte(struct vcpu *vcpu, uint8_t opcode)
{
    if (exits_is_plain(vcpu, opcode))
        exits_skip_plain(vcpu, 2);
    else
        exits_find_two_byte(vcpu, opcode);
}

static inline void exits_skip_0f01(struct vcpu *vcpu, uint8_t modrm)
{
    if (exits_is_plain_0f01(vcpu, modrm))
        exits_skip_plain(vcpu, 3);
    else
        exits_find_0f01(vcpu, modrm);
}

/*
 * Reads or writes two bytes at a linear address with the rights of the code at RIP, or has the
 * domain take the #PF for which it has none; false then.
 */
bool exits_touch_word(struct vcpu *vcpu, uint64_t linear, bool is_write, uint16_t *word);

/*
 * Answers an access to memory that the domain's table doesn't grant. `why` has a nested page
 * fault's bits (VMCB_NPF_*), which are a #PF error code's.
 */
void exits_no_memory(struct vcpu *vcpu, uint64_t gpa, uint64_t why);

/*
 * The same for the domain's page tables, which no virtual device can hold: as if they were all
 * ones, whose reserved bits are a page fault. Where core doesn't see at which address, the domain
 * is stopped.
 */
void exits_no_tables(struct vcpu *vcpu, uint64_t gpa, uint64_t why);

/* Hypercalls by which a domain gets evidence: call_attest.c. Results as in bulkhead/abi.h. */
int64_t call_attest_start(struct vcpu *vcpu);
int64_t call_attest_poll(struct vcpu *vcpu);
int64_t call_attest_read(struct vcpu *vcpu);

/* exits_handle() for a vCPU whose interrupts or NMIs are core's: interrupt.c. */
void exits_handle_interrupts(struct vcpu *vcpu);

/* True if an interrupt or NMI of its virtual local APIC ends the vCPU's sleep. Sets the timer. */
bool exits_has_interrupt(struct vcpu *vcpu);

/* At the end of a sleep: offers the vCPU what its virtual local APIC has for it. */
void exits_offer(struct vcpu *vcpu);

/* An NMI for a domain that owns its interrupts. */
void exits_take_nmi(struct vcpu *vcpu);

/* Any CPU: interrupts the vCPU as its domain has chosen it, struct svm_domain's `bell`. */
void exits_ring(struct vcpu *vcpu, uint32_t bell);

/* Offers a vCPU that owns its interrupts the doorbell's, if it is the one that has chosen it. */
void exits_take_bell(struct vcpu *vcpu);

/* Fills the vCPU's CPUID answers from the domain's rows and this CPU. */
void cpuid_init_vcpu(struct vcpu *vcpu);

/* Where the vCPU finds its domain's MSR rows; of vCPU 0, which is first, fills that in. */
void msr_init_vcpu(struct vcpu *vcpu);

/* Forgets the places and bytes of code that were remembered of the vCPU. */
void exits_forget_code(struct vcpu *vcpu);

#endif
