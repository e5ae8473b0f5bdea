#include "exits/zydis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

struct reference {
    bool is_valid;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

static ZydisDecoder decoders[3];

static void start(void)
{
    static const struct {
        ZydisMachineMode machine;
        ZydisStackWidth stack;
    } modes[] = {
        [INSN_16] = {ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16},
        [INSN_32] = {ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32},
        [INSN_64] = {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
    };

    for (unsigned mode = INSN_16; mode <= INSN_64; mode++)
        if (ZYAN_FAILED(ZydisDecoderInit(&decoders[mode], modes[mode].machine, modes[mode].stack)))
            abort();
}

static void ask(const uint8_t *code, size_t size, enum insn_mode mode, struct reference *reference)
{
    static bool is_started;

    if (!is_started)
        start();
    is_started = true;
    reference->is_valid = ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoders[mode], code, size, &reference->insn, reference->operand));
}

/* A general register as our decoder numbers it. */
static unsigned number_of(ZydisRegister name, bool *is_high)
{
    *is_high = name >= ZYDIS_REGISTER_AH && name <= ZYDIS_REGISTER_BH;
    if (*is_high)
        return (unsigned)(name - ZYDIS_REGISTER_AH) + 4;
    name = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
    return name >= ZYDIS_REGISTER_RAX && name <= ZYDIS_REGISTER_R15
               ? (unsigned)(name - ZYDIS_REGISTER_RAX)
               : INSN_NONE;
}

static bool is_register(const ZydisDecodedOperand *operand, const struct insn *insn)
{
    bool is_high;

    return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           number_of(operand->reg.value, &is_high) == insn->reg && is_high == insn->high_byte;
}

static unsigned address_register(ZydisRegister name)
{
    bool is_high;

    return name == ZYDIS_REGISTER_RIP || name == ZYDIS_REGISTER_EIP ? INSN_RIP
                                                                    : number_of(name, &is_high);
}

/*
 * SIB with base 5, mod 0 and REX.B: Zydis 4.0 takes R13 for the base, but no base is there, as
 * REX.B doesn't count (APM vol. 3, 1.7.2).
 */
static bool is_mistaken(const struct reference *r)
{
    return r->insn.raw.modrm.mod == 0 && r->insn.raw.modrm.rm == 4 && r->insn.raw.sib.base == 5 &&
           r->insn.raw.rex.B;
}

/* Where the operand lies: each part, and the sum with registers of some value. */
static bool is_address(const struct reference *r, const ZydisDecodedOperand *operand,
                       const struct insn *insn)
{
    const ZydisDecodedOperandMem *theirs = &operand->mem;
    const struct insn_memory *ours = &insn->memory;
    const uint64_t base = 0xfedcba9876543210, index = 0x8123456789abcdef, rip = 0xffffffff81000000;
    unsigned segment = (unsigned)(theirs->segment - ZYDIS_REGISTER_ES);
    ZydisRegisterContext registers;
    uint64_t sum;

    if (is_mistaken(r))
        return ours->is_there && ours->base == INSN_NONE;
    if (!ours->is_there || address_register(theirs->base) != ours->base ||
        address_register(theirs->index) != ours->index || segment != ours->segment ||
        r->insn.address_width != 8u * ours->address ||
        (ours->index != INSN_NONE && theirs->scale != ours->scale))
        return false;
    memset(&registers, 0, sizeof(registers));
    if (theirs->index != ZYDIS_REGISTER_NONE)
        registers.values[theirs->index] = index;
    if (theirs->base != ZYDIS_REGISTER_NONE)
        registers.values[theirs->base] = base;
    if (ZYAN_FAILED(ZydisCalcAbsoluteAddressEx(&r->insn, operand, rip, &registers, &sum)))
        return false;
    return sum == insn_offset(ours,
                              ours->base == INSN_NONE  ? 0
                              : ours->base == INSN_RIP ? rip + insn->length
                                                       : base,
                              ours->index == INSN_NONE    ? 0
                              : ours->index == ours->base ? base
                                                          : index);
}

static bool is_memory(const struct reference *r, const ZydisDecodedOperand *operand,
                      const struct insn *insn)
{
    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->size == 8u * insn->size &&
           is_address(r, operand, insn);
}

static bool is_load(const struct reference *r, const struct insn *insn)
{
    static const ZydisMnemonic names[] = {
        [INSN_KEEP] = ZYDIS_MNEMONIC_MOV,
        [INSN_ZERO] = ZYDIS_MNEMONIC_MOVZX,
        [INSN_SIGN] = ZYDIS_MNEMONIC_MOVSX,
    };

    return r->insn.mnemonic == names[insn->extend] && is_register(&r->operand[0], insn) &&
           r->operand[0].size == 8u * insn->width && is_memory(r, &r->operand[1], insn);
}

static bool is_immediate_store(const struct reference *r, const struct insn *insn)
{
    uint64_t mask = insn->size == 8 ? UINT64_MAX : (1ull << 8 * insn->size) - 1;

    return r->insn.mnemonic == ZYDIS_MNEMONIC_MOV && is_memory(r, &r->operand[0], insn) &&
           r->operand[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
           ((r->operand[1].imm.value.u ^ insn->immediate) & mask) == 0 &&
           (insn->immediate & ~mask) == 0;
}

static bool is_move(const struct reference *r, const struct insn *insn, unsigned to,
                    ZydisRegister first)
{
    return r->insn.mnemonic == ZYDIS_MNEMONIC_MOV && is_register(&r->operand[!to], insn) &&
           r->operand[to].reg.value == (unsigned)first + insn->cr;
}

static bool is_status_word(const struct reference *r, const struct insn *insn)
{
    return insn->memory.is_there
               ? is_memory(r, &r->operand[0], insn)
               : is_register(&r->operand[0], insn) &&
                     (insn->kind == INSN_LMSW || r->operand[0].size == 8u * insn->width);
}

static bool is_int(const struct reference *r, const struct insn *insn)
{
    switch (r->insn.mnemonic) {
    case ZYDIS_MNEMONIC_INT3:
        return insn->immediate == 3;
    case ZYDIS_MNEMONIC_INTO:
        return insn->immediate == 4;
    default:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_INT &&
               (uint8_t)r->operand[0].imm.value.u == insn->immediate;
    }
}

static bool is_other(const struct reference *r, const struct insn *insn)
{
    if (insn->opcode == 0xf4)
        return r->insn.mnemonic == ZYDIS_MNEMONIC_HLT;
    if (insn->opcode == 0xf1)
        return r->insn.mnemonic == ZYDIS_MNEMONIC_INT1;
    if (insn->opcode == 0xf390)
        return r->insn.mnemonic == ZYDIS_MNEMONIC_PAUSE;
    return r->insn.opcode_map == ZYDIS_OPCODE_MAP_0F && r->insn.opcode == (insn->opcode & 0xff) &&
           insn->opcode >> 8 == 0x0f && (insn->opcode != 0x0f01 || r->insn.raw.modrm.mod == 3);
}

static bool agrees(const struct reference *r, const struct insn *insn)
{
    if (r->insn.length != insn->length)
        return false;
    switch (insn->kind) {
    case INSN_LOAD:
        return is_load(r, insn);
    case INSN_STORE:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_MOV && is_memory(r, &r->operand[0], insn) &&
               is_register(&r->operand[1], insn);
    case INSN_STORE_I:
        return is_immediate_store(r, insn);
    case INSN_MOV_TO_CR:
        return is_move(r, insn, 0, ZYDIS_REGISTER_CR0);
    case INSN_MOV_FROM_CR:
        return is_move(r, insn, 1, ZYDIS_REGISTER_CR0);
    case INSN_MOV_TO_DR:
        return is_move(r, insn, 0, ZYDIS_REGISTER_DR0);
    case INSN_MOV_FROM_DR:
        return is_move(r, insn, 1, ZYDIS_REGISTER_DR0);
    case INSN_CLTS:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_CLTS;
    case INSN_LMSW:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_LMSW && is_status_word(r, insn);
    case INSN_SMSW:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_SMSW && is_status_word(r, insn);
    case INSN_INVLPG:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_INVLPG && is_address(r, &r->operand[0], insn);
    case INSN_INT:
        return is_int(r, insn);
    case INSN_OTHER:
        return is_other(r, insn);
    case INSN_UNKNOWN:
        break;
    }
    return false;
}

/* The CPU refuses these before they could exit: a register that isn't there, 0F 01 of no meaning.
 */
static bool may_be_invalid(const struct insn *insn)
{
    return (insn->kind >= INSN_MOV_TO_CR && insn->kind <= INSN_MOV_FROM_DR) ||
           (insn->kind == INSN_OTHER && insn->opcode == 0x0f01);
}

/* What we should have known: a move by one of our opcodes. */
static bool is_ours(const struct reference *r)
{
    const ZydisDecodedInstruction *i = &r->insn;
    bool map_one = i->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
    bool has_memory = r->operand[0].type == ZYDIS_OPERAND_TYPE_MEMORY ||
                      r->operand[1].type == ZYDIS_OPERAND_TYPE_MEMORY;

    if (i->attributes & ZYDIS_ATTRIB_HAS_LOCK)
        return i->mnemonic == ZYDIS_MNEMONIC_MOV; /* CR8 */
    switch (i->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return (has_memory && map_one && i->opcode != 0x8c && i->opcode != 0x8e) ||
               (!map_one && (i->opcode & 0xfc) == 0x20);
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVSX:
        return has_memory;
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_INVD:
    case ZYDIS_MNEMONIC_WBINVD:
    case ZYDIS_MNEMONIC_VMMCALL:
    case ZYDIS_MNEMONIC_XSETBV:
    case ZYDIS_MNEMONIC_CLTS:
    case ZYDIS_MNEMONIC_LMSW:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_INVLPG:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INTO:
    case ZYDIS_MNEMONIC_PAUSE:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
        return true;
    default:
        return false;
    }
}

bool zydis_agrees(const uint8_t *code, size_t size, enum insn_mode mode,
                  struct zydis_finding *found)
{
    static const unsigned bits[] = {16, 32, 64};
    struct insn insn = insn_decode(code, size, mode);
    struct reference r;
    unsigned at = 0;

    ask(code, size, mode, &r);
    found->kind = insn.kind;
    found->length = r.is_valid ? r.insn.length : 0;
    if (insn.kind == INSN_UNKNOWN ? !r.is_valid || !is_ours(&r)
        : r.is_valid              ? agrees(&r, &insn)
                                  : may_be_invalid(&insn))
        return true;
    for (size_t i = 0; i < size && i < 20; i++)
        at += (unsigned)snprintf(found->text + at, sizeof(found->text) - at, "%02x ", code[i]);
    snprintf(found->text + at, sizeof(found->text) - at,
             "in %u-bit code: kind %d, %u bytes, register %u, memory %u; Zydis: %s, %u bytes",
             bits[mode], (int)insn.kind, insn.length, insn.reg, insn.size,
             r.is_valid ? ZydisMnemonicGetString(r.insn.mnemonic) : "invalid", found->length);
    return false;
}

uint32_t zydis_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

void zydis_random_code(uint64_t *state, uint8_t code[ZYDIS_CODE], enum insn_mode mode)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e,
                                       0x64, 0x65, 0xf2, 0xf3, 0xf0};
    static const uint8_t one[] = {0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3,
                                  0xc6, 0xc7, 0xf4, 0x90, 0xcc, 0xcd, 0xce, 0xf1};
    static const uint8_t two[] = {0x01, 0x06, 0x08, 0x09, 0x20, 0x21, 0x22, 0x23,
                                  0x30, 0x31, 0x32, 0xa2, 0xb6, 0xb7, 0xbe, 0xbf};
    unsigned at = 0;

    for (unsigned i = 0; i < ZYDIS_CODE; i++)
        code[i] = (uint8_t)zydis_random(state);
    while (at < 8 && zydis_random(state) % 5 < 2)
        code[at++] = mode == INSN_64 && zydis_random(state) % 8 == 0
                         ? 0x40 | zydis_random(state) % 16 /* a REX that the CPU ignores */
                         : prefixes[zydis_random(state) % (zydis_random(state) % 8 ? 10 : 11)];
    if (mode == INSN_64 && zydis_random(state) % 2)
        code[at++] = 0x40 | zydis_random(state) % 16;
    if (zydis_random(state) % 16 == 0)
        return;
    if (zydis_random(state) % 2) {
        code[at] = one[zydis_random(state) % sizeof(one)];
        if ((code[at++] & 0xfe) == 0xc6 && zydis_random(state) % 2)
            code[at] &= 0xc7; /* the only form that is MOV */
    } else {
        code[at++] = 0x0f;
        code[at++] = two[zydis_random(state) % sizeof(two)];
    }
}
