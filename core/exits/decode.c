#include "core/exits/decode.h"

/* The bytes being decoded; running out sets `bad` and yields zeros. */
struct cursor {
    const uint8_t *code;
    size_t size;
    size_t at;
    bool bad;
};

struct prefixes {
    bool operand; /* 66h */
    bool address; /* 67h */
    uint8_t rex;  /* 0 if none */
};

static uint8_t next(struct cursor *c)
{
    if (c->at >= c->size || c->at >= INSN_MAX) {
        c->bad = true;
        return 0;
    }
    return c->code[c->at++];
}

static uint64_t next_n(struct cursor *c, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)next(c) << (8 * i);
    }
    return value;
}

/*
 * Reads prefixes (APM vol. 3, 1.2) and returns the first opcode byte. LOCK isn't ours. A REX counts
 * only right before the opcode; elsewhere the CPU ignores it (1.2.7), so any program may have one.
 */
static uint8_t read_prefixes(struct cursor *c, enum insn_mode mode, struct prefixes *p)
{
    for (;;) {
        uint8_t byte = next(c);

        if (mode == INSN_64 && (byte & 0xf0) == 0x40) {
            p->rex = byte;
            continue;
        }
        switch (byte) {
        case 0x66:
            p->operand = true;
            break;
        case 0x67:
            p->address = true;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0xf2:
        case 0xf3:
            break;
        default:
            return byte;
        }
        p->rex = 0;
    }
}

/* Skips SIB and displacement of a memory operand (APM vol. 3, 1.4). */
static void skip_memory_operand(struct cursor *c, uint8_t modrm, enum insn_mode mode, bool address)
{
    unsigned mod = modrm >> 6;
    unsigned rm = modrm & 7;
    bool small = (mode == INSN_16) != address && mode != INSN_64;

    if (small) {
        next_n(c, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
        return;
    }
    if (rm == 4 && (next(c) & 7) == 5 && mod == 0) {
        next_n(c, 4);
        return;
    }
    next_n(c, mod == 1 ? 1 : mod == 2 || (mod == 0 && rm == 5) ? 4 : 0);
}

static uint8_t operand_size(enum insn_mode mode, const struct prefixes *p)
{
    if (p->rex & 8) {
        return 8;
    }
    return (mode == INSN_16) != p->operand ? 2 : 4;
}

/* Fills in a move between a register and memory; `size` is the memory side's. */
static void decode_move(struct insn *insn, struct cursor *c, enum insn_mode mode,
                        const struct prefixes *p, enum insn_kind kind, uint8_t size)
{
    uint8_t modrm = next(c);

    if (modrm >> 6 == 3) {
        c->bad = true; /* register to register never leaves the CPU */
        return;
    }
    insn->kind = kind;
    insn->size = size;
    insn->width = size;
    insn->reg = (uint8_t)((modrm >> 3 & 7) | (p->rex & 4) << 1);
    if (size == 1 && !p->rex && insn->reg >= 4) {
        insn->high_byte = true;
    }
    skip_memory_operand(c, modrm, mode, p->address);
    if (kind == INSN_STORE_I) {
        c->bad |= (modrm >> 3 & 7) != 0; /* C6, C7: only /0 is MOV */
        insn->immediate = next_n(c, size == 8 ? 4 : size);
        if (size == 8) {
            insn->immediate = (uint64_t)(int64_t)(int32_t)insn->immediate;
        }
    }
}

/* MOVZX and MOVSX: a narrow load that fills a wider register. */
static void decode_extend(struct insn *insn, struct cursor *c, enum insn_mode mode,
                          const struct prefixes *p, uint8_t opcode)
{
    decode_move(insn, c, mode, p, INSN_LOAD, opcode & 1 ? 2 : 1);
    insn->high_byte = false; /* it names the destination here, which is never a byte */
    insn->width = operand_size(mode, p);
    insn->extend = opcode & 8 ? INSN_SIGN : INSN_ZERO;
}

static void decode_cr(struct insn *insn, struct cursor *c, const struct prefixes *p, bool to_cr)
{
    uint8_t modrm = next(c); /* mod is ignored: the operand is always a register */

    insn->kind = to_cr ? INSN_MOV_TO_CR : INSN_MOV_FROM_CR;
    insn->cr = (uint8_t)((modrm >> 3 & 7) | (p->rex & 4) << 1);
    insn->reg = (uint8_t)((modrm & 7) | (p->rex & 1) << 3);
}

/* 0F 01: LMSW, SMSW with a register, and the opcodes that ModRM selects. */
static void decode_0f01(struct insn *insn, struct cursor *c, const struct prefixes *p)
{
    uint8_t modrm = next(c);
    uint8_t group = modrm >> 3 & 7;

    if (modrm >> 6 != 3) {
        c->bad = true;
        return;
    }
    insn->modrm = modrm;
    insn->reg = (uint8_t)((modrm & 7) | (p->rex & 1) << 3);
    insn->kind = group == 6 ? INSN_LMSW : group == 4 ? INSN_SMSW : INSN_OTHER;
    insn->opcode = 0x0f01;
}

static void decode_two_byte(struct insn *insn, struct cursor *c, enum insn_mode mode,
                            const struct prefixes *p)
{
    uint8_t opcode = next(c);

    switch (opcode) {
    case 0x01:
        decode_0f01(insn, c, p);
        insn->width = operand_size(mode, p);
        break;
    case 0x06:
        insn->kind = INSN_CLTS;
        break;
    case 0x20:
    case 0x22:
        decode_cr(insn, c, p, opcode == 0x22);
        break;
    case 0xb6:
    case 0xb7:
    case 0xbe:
    case 0xbf:
        decode_extend(insn, c, mode, p, opcode);
        break;
    case 0x08: /* INVD */
    case 0x09: /* WBINVD */
    case 0x30: /* WRMSR */
    case 0x32: /* RDMSR */
    case 0xa2: /* CPUID */
        insn->kind = INSN_OTHER;
        insn->opcode = (uint16_t)(0x0f00 | opcode);
        break;
    default:
        c->bad = true;
    }
}

static void decode_one_byte(struct insn *insn, struct cursor *c, enum insn_mode mode,
                            const struct prefixes *p, uint8_t opcode)
{
    uint8_t wide = operand_size(mode, p);

    switch (opcode) {
    case 0x88:
    case 0x89:
        decode_move(insn, c, mode, p, INSN_STORE, opcode & 1 ? wide : 1);
        break;
    case 0x8a:
    case 0x8b:
        decode_move(insn, c, mode, p, INSN_LOAD, opcode & 1 ? wide : 1);
        break;
    case 0xc6:
    case 0xc7:
        decode_move(insn, c, mode, p, INSN_STORE_I, opcode & 1 ? wide : 1);
        break;
    case 0xa0:
    case 0xa1:
    case 0xa2:
    case 0xa3: { /* MOV with an absolute offset and the accumulator */
        bool small = mode == INSN_16 ? !p->address : mode == INSN_32 && p->address;

        next_n(c, mode == INSN_64 ? (p->address ? 4 : 8) : small ? 2 : 4);
        insn->kind = opcode & 2 ? INSN_STORE : INSN_LOAD;
        insn->size = insn->width = opcode & 1 ? wide : 1;
        break;
    }
    case 0xf4: /* HLT */
        insn->kind = INSN_OTHER;
        insn->opcode = opcode;
        break;
    default:
        c->bad = true;
    }
}

struct insn insn_decode(const uint8_t *code, size_t size, enum insn_mode mode)
{
    struct cursor c = {.code = code, .size = size};
    struct prefixes p = {0};
    struct insn insn = {0};
    uint8_t opcode = read_prefixes(&c, mode, &p);

    if (opcode == 0x0f) {
        decode_two_byte(&insn, &c, mode, &p);
    } else {
        decode_one_byte(&insn, &c, mode, &p, opcode);
    }
    insn.length = (uint8_t)c.at;
    if (c.bad) {
        insn = (struct insn){0};
    }
    return insn;
}
