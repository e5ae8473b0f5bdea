/*
 * The decoder against random code: it survives any bytes, and what it says of an instruction is
 * what Zydis says, a decoder that shares nothing with it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <Zydis/Zydis.h>

#include "core/exits/decode.h"
#include "testing.h"

#define RUNS 1000000
#define CODE 20 /* bytes: more than an instruction may have */

static uint64_t random_state;

static uint32_t random_32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

static void any_bytes_are_survived(void **state)
{
    uint8_t *end = (uint8_t *)malloc(17) + 17;
    uint64_t known = 0;

    (void)state;
    random_state = 1;
    for (unsigned run = 0; run < RUNS; run++) {
        size_t size = run % 18;
        enum insn_mode mode = (enum insn_mode)(random_32() % 3);
        struct insn insn;

        for (size_t i = 1; i <= size; i++)
            end[-(ptrdiff_t)i] = (uint8_t)random_32();
        if (size > 2 && random_32() % 2)
            end[-(ptrdiff_t)size] = 0x0f;
        insn = insn_decode(end - size, size, mode);
        if (insn.kind == INSN_UNKNOWN) {
            assert_int_equal(insn.length, 0);
            continue;
        }
        known++;
        assert_in_range(insn.length, 1, size < INSN_MAX ? size : INSN_MAX);
        assert_in_range(insn.kind, INSN_LOAD, INSN_OTHER);
        assert_in_range(insn.reg, 0, mode == INSN_64 ? 15 : 7);
        if (insn.kind <= INSN_STORE_I)
            assert_true(insn.size == 1 || insn.size == 2 || insn.size == 4 || insn.size == 8);
    }
    free(end - 17);
    assert_true(known > RUNS / 100);
}

/* Code in which our instructions are frequent: prefixes, an opcode of ours or near, anything. */
static void make_code(uint8_t *code, enum insn_mode mode)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e,
                                       0x64, 0x65, 0xf2, 0xf3, 0xf0};
    static const uint8_t one[] = {0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xc6, 0xc7, 0xf4};
    static const uint8_t two[] = {0x01, 0x06, 0x08, 0x09, 0x20, 0x22, 0x30,
                                  0x32, 0xa2, 0xb6, 0xb7, 0xbe, 0xbf};
    unsigned at = 0;

    for (unsigned i = 0; i < CODE; i++)
        code[i] = (uint8_t)random_32();
    while (at < 8 && random_32() % 5 < 2)
        code[at++] = mode == INSN_64 && random_32() % 8 == 0
                         ? 0x40 | random_32() % 16 /* a REX that the CPU ignores */
                         : prefixes[random_32() % (random_32() % 8 ? 10 : 11)];
    if (mode == INSN_64 && random_32() % 2)
        code[at++] = 0x40 | random_32() % 16;
    if (random_32() % 16 == 0)
        return;
    if (random_32() % 2) {
        code[at] = one[random_32() % sizeof(one)];
        if ((code[at++] & 0xfe) == 0xc6 && random_32() % 2)
            code[at] &= 0xc7; /* the only form that is MOV */
    } else {
        code[at++] = 0x0f;
        code[at++] = two[random_32() % sizeof(two)];
    }
}

struct reference {
    bool is_valid;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

static ZydisDecoder decoders[3];

static void ask(const uint8_t *code, enum insn_mode mode, struct reference *reference)
{
    reference->is_valid = ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoders[mode], code, CODE, &reference->insn, reference->operand));
}

/* A general register as our decoder numbers it. */
static unsigned number_of(ZydisRegister name, bool *is_high)
{
    *is_high = name >= ZYDIS_REGISTER_AH && name <= ZYDIS_REGISTER_BH;
    if (*is_high)
        return (unsigned)(name - ZYDIS_REGISTER_AH) + 4;
    name = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
    assert_in_range(name, ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_R15);
    return (unsigned)(name - ZYDIS_REGISTER_RAX);
}

static bool is_register(const ZydisDecodedOperand *operand, const struct insn *insn)
{
    bool is_high;

    return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           number_of(operand->reg.value, &is_high) == insn->reg && is_high == insn->high_byte;
}

static bool is_memory(const ZydisDecodedOperand *operand, const struct insn *insn)
{
    return operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->size == 8u * insn->size;
}

static bool is_load(const struct reference *r, const struct insn *insn)
{
    static const ZydisMnemonic names[] = {
        [INSN_KEEP] = ZYDIS_MNEMONIC_MOV,
        [INSN_ZERO] = ZYDIS_MNEMONIC_MOVZX,
        [INSN_SIGN] = ZYDIS_MNEMONIC_MOVSX,
    };

    return r->insn.mnemonic == names[insn->extend] && is_register(&r->operand[0], insn) &&
           r->operand[0].size == 8u * insn->width && is_memory(&r->operand[1], insn);
}

static bool is_immediate_store(const struct reference *r, const struct insn *insn)
{
    uint64_t mask = insn->size == 8 ? UINT64_MAX : (1ull << 8 * insn->size) - 1;

    return r->insn.mnemonic == ZYDIS_MNEMONIC_MOV && is_memory(&r->operand[0], insn) &&
           r->operand[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
           ((r->operand[1].imm.value.u ^ insn->immediate) & mask) == 0 &&
           (insn->immediate & ~mask) == 0;
}

static bool is_cr_move(const struct reference *r, const struct insn *insn, unsigned cr,
                       unsigned gpr)
{
    return r->insn.mnemonic == ZYDIS_MNEMONIC_MOV && is_register(&r->operand[gpr], insn) &&
           r->operand[cr].reg.value == (unsigned)ZYDIS_REGISTER_CR0 + insn->cr;
}

static bool is_other(const struct reference *r, const struct insn *insn)
{
    if (insn->opcode == 0xf4)
        return r->insn.mnemonic == ZYDIS_MNEMONIC_HLT;
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
        return r->insn.mnemonic == ZYDIS_MNEMONIC_MOV && is_memory(&r->operand[0], insn) &&
               is_register(&r->operand[1], insn);
    case INSN_STORE_I:
        return is_immediate_store(r, insn);
    case INSN_MOV_TO_CR:
        return is_cr_move(r, insn, 0, 1);
    case INSN_MOV_FROM_CR:
        return is_cr_move(r, insn, 1, 0);
    case INSN_CLTS:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_CLTS;
    case INSN_LMSW:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_LMSW && is_register(&r->operand[0], insn);
    case INSN_SMSW:
        return r->insn.mnemonic == ZYDIS_MNEMONIC_SMSW && is_register(&r->operand[0], insn);
    case INSN_OTHER:
        return is_other(r, insn);
    case INSN_UNKNOWN:
        break;
    }
    return false;
}

/* The CPU refuses these before they could exit: a bad control register, 0F 01 of no meaning. */
static bool may_be_invalid(const struct insn *insn)
{
    return insn->kind == INSN_MOV_TO_CR || insn->kind == INSN_MOV_FROM_CR ||
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
        return false;
    switch (i->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return (has_memory && map_one && i->opcode != 0x8c && i->opcode != 0x8e) ||
               (!map_one && (i->opcode == 0x20 || i->opcode == 0x22));
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
        return true;
    default:
        return false;
    }
}

static void fail_on(const uint8_t *code, enum insn_mode mode, const struct insn *insn,
                    const struct reference *r)
{
    static const unsigned bits[] = {16, 32, 64};
    char text[3 * CODE + 1] = "";

    for (unsigned i = 0; i < CODE; i++)
        snprintf(text + 3 * i, 4, "%02x ", code[i]);
    fail_msg("%u-bit code %s: kind %d, %u bytes, register %u, memory %u; Zydis: %s, %u bytes",
             bits[mode], text, (int)insn->kind, insn->length, insn->reg, insn->size,
             r->is_valid ? ZydisMnemonicGetString(r->insn.mnemonic) : "invalid",
             r->is_valid ? r->insn.length : 0u);
}

static void another_decoder_agrees(void **state)
{
    unsigned known[INSN_OTHER + 1] = {0};

    (void)state;
    assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&decoders[INSN_16], ZYDIS_MACHINE_MODE_LONG_COMPAT_16,
                                              ZYDIS_STACK_WIDTH_16)));
    assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&decoders[INSN_32], ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                                              ZYDIS_STACK_WIDTH_32)));
    assert_true(ZYAN_SUCCESS(
        ZydisDecoderInit(&decoders[INSN_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)));
    random_state = 2;
    for (unsigned run = 0; run < RUNS; run++) {
        enum insn_mode mode = (enum insn_mode)(random_32() % 3);
        struct reference reference;
        uint8_t code[CODE];
        struct insn insn;

        make_code(code, mode);
        insn = insn_decode(code, sizeof(code), mode);
        ask(code, mode, &reference);
        known[insn.kind]++;
        if (insn.kind == INSN_UNKNOWN ? reference.is_valid && is_ours(&reference)
            : reference.is_valid      ? !agrees(&reference, &insn)
                                      : !may_be_invalid(&insn))
            fail_on(code, mode, &insn, &reference);
    }
    for (unsigned kind = INSN_LOAD; kind <= INSN_OTHER; kind++)
        assert_true(known[kind] > RUNS / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_are_survived),
        cmocka_unit_test(another_decoder_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
