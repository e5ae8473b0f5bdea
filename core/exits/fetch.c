/*
 * A domain's instructions: what the CPU says of them where it has next RIP (APM vol. 2, 15.7.1) and
 * decode assists (15.10), else fetched and decoded.
 */
#include <stddef.h>

#include "core/exits/handlers.h"
#include "core/exits/mode.h"
#include "core/exits/moves.h"
#include "core/mm/mm.h"
#include "core/platform/platform.h"
#include "core/svm/features.h"
#include "hw/npt.h"
#include "lib/memory.h"

#define SIZE_32 (1ull << 32) /* of the address space outside of 64-bit code */

static enum insn_mode mode_of(const struct vcpu *vcpu)
{
    if (mode_is_64_bit(vcpu))
        return INSN_64;
    return vcpu->vmcb->cs.attributes & VMCB_SEG_D ? INSN_32 : INSN_16;
}

/*
 * The length of the instruction that caused the exit, by the CPU; 0 if it doesn't say. It says so
 * of instructions that a bit of the VMCB intercepts, and of MSR and port accesses.
 */
static unsigned told_length(const struct vcpu *vcpu)
{
    uint64_t length = vcpu->vmcb->nrip - vcpu->vmcb->rip;

    return svm_has(SVM_FEATURE_NRIPS) && length <= INSN_MAX ? (unsigned)length : 0;
}

/*
 * The instruction as the CPU has decoded it: register of a MOV CR or MOV DR, vector of an INTn,
 * that it is an INVLPG. False if it doesn't tell.
 */
static bool is_told(const struct vcpu *vcpu, struct insn *insn)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    uint64_t code = vmcb->exitcode, info = vmcb->exitinfo1;

    *insn = (struct insn){.length = (uint8_t)told_length(vcpu)};
    if (!svm_has(SVM_FEATURE_DECODE_ASSISTS) || insn->length == 0)
        return false;
    if (code < SVM_EXIT_DR0_READ && (info & VMCB_CR_IS_MOV)) {
        insn->kind = code < SVM_EXIT_CR0_WRITE ? INSN_MOV_FROM_CR : INSN_MOV_TO_CR;
    } else if (code >= SVM_EXIT_DR0_READ && code < SVM_EXIT_EXCEPTION_DE) {
        insn->kind = code < SVM_EXIT_DR0_WRITE ? INSN_MOV_FROM_DR : INSN_MOV_TO_DR;
    } else if (code == SVM_EXIT_SWINT) {
        insn->kind = INSN_INT;
        insn->immediate = info & 0xff;
    } else if (code == SVM_EXIT_INVLPG) {
        insn->kind = INSN_INVLPG;
        insn->memory.is_there = true;
    }
    if (code < SVM_EXIT_EXCEPTION_DE) {
        insn->cr = code & 15;
        insn->reg = info & 15;
    }
    return insn->kind != INSN_UNKNOWN;
}

/* Reads the code at RIP, up to INSN_MAX bytes of it; returns how many there are. */
static size_t read_code(const struct vcpu *vcpu, uint8_t code[static INSN_MAX])
{
    const struct vmcb *vmcb = vcpu->vmcb;
    size_t fetched = vmcb->fetched & 15;

    /* Of page faults the CPU keeps the bytes that it has fetched. */
    if (svm_has(SVM_FEATURE_DECODE_ASSISTS) && fetched != 0 &&
        (vmcb->exitcode == SVM_EXIT_NPF || vmcb->exitcode == SVM_EXIT_EXCEPTION_PF)) {
        memcpy(code, vmcb->bytes, fetched);
        return fetched;
    }

    struct guest_paging paging = mode_paging(vcpu);
    enum insn_mode mode = mode_of(vcpu);
    uint64_t linear = exits_linear_rip(vcpu);
    size_t size = INSN_MAX;

    if (mode != INSN_64 && linear + size > SIZE_32)
        size = SIZE_32 - linear;
    return guest_read(&paging, linear, code, size);
}

struct insn exits_fetch(struct vcpu *vcpu)
{
    uint8_t code[INSN_MAX];
    struct insn insn;

    return is_told(vcpu, &insn) ? insn : insn_decode(code, read_code(vcpu, code), mode_of(vcpu));
}

void exits_step(struct vcpu *vcpu)
{
    vcpu->vmcb->dr6 |= DR6_BS;
    svm_dirty(vcpu, VMCB_CLEAN_DR);
    svm_inject_exception(vcpu, VECTOR_DB, 0);
}

/*
 * Where `size` bytes of code at RIP lie in the domain's RAM; NULL if not in one page, or if RIP
 * would wrap on its way over them.
 */
static const volatile void *find_code(const struct vcpu *vcpu, size_t size,
                                      struct guest_trace *trace)
{
    struct guest_paging paging = mode_paging(vcpu);
    enum insn_mode mode = mode_of(vcpu);
    uint64_t linear = exits_linear_rip(vcpu);
    uint64_t gpa;

    if ((mode != INSN_64 && vcpu->vmcb->rip + size >= SIZE_32) ||
        PAGE_SIZE - linear % PAGE_SIZE < size ||
        !guest_translate_traced(&paging, linear, &gpa, trace))
        return NULL;
    return p2m_ram(vcpu->p2m, gpa, size, false);
}

/*
 * Remembers where the bytes at RIP lie, so that an instruction in a loop isn't walked to again.
 * The key is RIP and CR3 alone: if the domain remaps its code in between, what is compared is
 * still its own RAM (the p2m doesn't change), and only its own RIP could go astray.
 */
static void remember_place(struct vcpu *vcpu)
{
    struct svm_place *place = &vcpu->places[vcpu->vmcb->rip % SVM_PLACES];
    struct guest_trace trace;
    const volatile svm_code *code = find_code(vcpu, 2 * sizeof(*code), &trace);

    *place = (struct svm_place){
        .rip = vcpu->vmcb->rip, .cr3 = vcpu->vmcb->cr3, .code = code ? code : svm_no_code};
}

static void skip(struct vcpu *vcpu, uint16_t opcode, uint8_t modrm)
{
    unsigned length = told_length(vcpu);
    struct insn insn;

    if (length != 0) {
        exits_set_rip(vcpu, vcpu->vmcb->rip + length);
        return;
    }
    insn = exits_fetch(vcpu);
    if (insn.kind != INSN_OTHER || insn.opcode != opcode || insn.modrm != modrm)
        exits_stop(vcpu, "its code changed while core was answering it");
    remember_place(vcpu);
    exits_set_rip(vcpu, vcpu->vmcb->rip + insn.length);
}

void exits_find_two_byte(struct vcpu *vcpu, uint8_t opcode)
{
    skip(vcpu, (uint16_t)(0x0f00 | opcode), 0);
}

void exits_find_0f01(struct vcpu *vcpu, uint8_t modrm)
{
    skip(vcpu, 0x0f01, modrm);
}

/* Owner: the vCPU's CPU. */
static struct move moves[BH_MAX_VCPUS][MOVES];

/* Nothing equals its code. */
static const code_word no_code[CODE_WORDS];
static const struct move no_move = {
    .code = no_code, .word = {1}, .mask = {1}, .store = {.code = no_code, .word = 1, .mask = 1}};

void exits_forget_code(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < SVM_PLACES; i++)
        vcpu->places[i].code = svm_no_code;
    vcpu->moves = moves[vcpu->slot];
    for (unsigned i = 0; i < MOVES; i++)
        vcpu->moves[i] = no_move;
}

static bool is_same(const struct move *move, const struct vcpu *vcpu)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    struct guest_paging now = mode_paging(vcpu);

    return move->rip == vmcb->rip && move->cs_base == vmcb->cs.base &&
           move->cs_attributes == vmcb->cs.attributes && move->paging.cr0 == now.cr0 &&
           move->paging.cr3 == now.cr3 && move->paging.cr4 == now.cr4 &&
           move->paging.efer == now.efer && guest_trace_holds(&move->trace) &&
           !((move->code[0] ^ move->word[0]) & move->mask[0]) &&
           !((move->code[1] ^ move->word[1]) & move->mask[1]);
}

/* Bytes `from` to `from` + 7 of the code as a word, and the mask of those before `length`. */
static uint64_t word_of(const uint8_t *code, unsigned from, unsigned length, uint64_t *mask)
{
    uint64_t word = 0;

    *mask = 0;
    for (unsigned i = from; i < from + 8 && i < length; i++) {
        word |= (uint64_t)code[i] << 8 * (i - from);
        *mask |= 0xffull << 8 * (i - from);
    }
    return word;
}

static __attribute__((noinline)) const struct insn *remember_move(struct vcpu *vcpu,
                                                                  struct move *move)
{
    uint8_t code[INSN_MAX];
    size_t size = read_code(vcpu, code);
    const volatile code_word *from = find_code(vcpu, sizeof(move->word), &move->trace);

    move->insn = insn_decode(code, size, mode_of(vcpu));
    if (!from || move->insn.kind == INSN_UNKNOWN) {
        move->code = no_code;
        move->word[0] = move->mask[0] = 1;
        return &move->insn;
    }
    move->code = from;
    move->rip = vcpu->vmcb->rip;
    move->cs_base = vcpu->vmcb->cs.base;
    move->cs_attributes = vcpu->vmcb->cs.attributes;
    move->paging = mode_paging(vcpu);
    for (unsigned i = 0; i < CODE_WORDS; i++)
        move->word[i] = word_of(code, 8 * i, move->insn.length, &move->mask[i]);
    return &move->insn;
}

const struct insn *exits_fetch_move(struct vcpu *vcpu)
{
    struct move *move = &vcpu->moves[vcpu->vmcb->rip % MOVES];

    return is_same(move, vcpu) ? &move->insn : remember_move(vcpu, move);
}

/* The tables that an address hangs on, if they aren't too many. */
static bool take_entries(const struct guest_trace *trace, struct entries *entries)
{
    static const uint64_t no_entry;

    for (unsigned i = 0; i < ENTRIES; i++) {
        entries->at[i] = i < trace->count ? trace->entry[i].at : &no_entry;
        entries->value[i] = i < trace->count ? trace->entry[i].value : 0;
    }
    return trace->count <= ENTRIES;
}

/* Has them begin in the topmost table at `cr3` instead, if that has the same entry there. */
static bool adopt_root(const struct vcpu *vcpu, uint64_t cr3, struct entries *entries)
{
    uint64_t offset = (uintptr_t)entries->at[0] % PAGE_SIZE;
    const volatile uint64_t *at =
        p2m_ram(vcpu->p2m, (cr3 & NPT_ADDRESS) + offset, sizeof(*at), false);

    if (!at || *at != entries->value[0])
        return false;
    entries->at[0] = at;
    return true;
}

const struct store *exits_find_store(const struct vcpu *vcpu)
{
    struct store *store = &vcpu->moves[vcpu->vmcb->rip % MOVES].store;
    uint64_t cr3 = mode_cr3(vcpu);
    struct entries fetch, operand;

    if (store->code == no_code || !(vcpu->efer & EFER_LMA))
        return NULL;
    fetch = store->fetch;
    operand = store->operand;
    if (!adopt_root(vcpu, cr3, &fetch) || (vcpu->shadow && !adopt_root(vcpu, cr3, &operand)))
        return NULL;
    store->cr3 = cr3;
    store->fetch = fetch;
    store->operand = operand;
    return exits_known_store(vcpu, cr3);
}

static const uint64_t *source_of(const struct vcpu *vcpu, const struct insn *insn,
                                 const struct store *store)
{
    return insn->kind == INSN_STORE_I ? &store->immediate
           : insn->reg == RAX         ? &vcpu->vmcb->rax
           : insn->reg == RSP         ? &vcpu->vmcb->rsp
                                      : &vcpu->gpr[insn->reg];
}

/* With shadow tables the CPU names a linear address: the domain's tables say where it leads. */
static bool take_operand(const struct vcpu *vcpu, uint64_t gpa, struct store *store)
{
    struct guest_paging paging = mode_paging(vcpu);
    struct guest_trace trace;
    uint64_t leads_to;

    return guest_translate_traced(&paging, vcpu->vmcb->exitinfo2, &leads_to, &trace) &&
           leads_to == gpa && take_entries(&trace, &store->operand);
}

void exits_remember_store(struct vcpu *vcpu, const struct insn *insn, uint64_t gpa)
{
    const struct vmcb *vmcb = vcpu->vmcb;
    struct move *move = &vcpu->moves[vmcb->rip % MOVES];
    struct store store = {.rip = vmcb->rip,
                          .cr3 = mode_cr3(vcpu),
                          .cs_base = vmcb->cs.base,
                          .info = vmcb->exitinfo1,
                          .code = move->code,
                          .word = move->word[0],
                          .mask = move->mask[0],
                          .cs_attributes = vmcb->cs.attributes,
                          .next = vmcb->rip + insn->length, /* find_code(): it doesn't wrap */
                          .immediate = insn->immediate,
                          .page = vmcb->exitinfo2 & ~(uint64_t)(PAGE_SIZE - 1),
                          .ac = vmcb->rflags & RFLAGS_AC};

    if (insn != &move->insn || move->code == no_code || insn->length > sizeof(store.word) ||
        insn->size != sizeof(uint32_t) || ((mode_cr0(vcpu) & CR0_PG) && !(vcpu->efer & EFER_LMA)) ||
        !take_entries(&move->trace, &store.fetch) ||
        (vcpu->shadow && !take_operand(vcpu, gpa, &store)))
        return;
    move->store = store;
    move->store.from = source_of(vcpu, insn, &move->store);
}
