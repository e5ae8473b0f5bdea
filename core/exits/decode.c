#include "core/exits/decode.h"

/* The bytes being decoded; running out sets `bad` and yields zeros. */
struct cursor {
    const uint8_t *code;
    size_t size;
    size_t at;
    bool bad;
};

struct prefixes {
    bool operand;    /* 66h */
    bool address;    /* 67h */
    bool lock;       /* F0h */
    uint8_t repeat;  /* the last of F2h and F3h, 0 if none */
    uint8_t segment; /* enum insn_segment, INSN_NONE if none */
    uint8_t rex;     /* 0 if none */
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
 * Reads prefixes (APM vol. 3, 1.2) and returns the first opcode byte. The last segment prefix
 * counts; in 64-bit code those of ES, CS, SS and DS are ignored (1.2.4). A REX counts only right
 * before the opcode; elsewhere the CPU ignores it (1.2.7), so any program may have one.
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
            if (mode != INSN_64)
                p->segment = byte >> 3 & 3;
            break;
        case 0x64:
        case 0x65:
            p->segment = byte & 7;
            break;
        case 0xf0:
            p->lock = true;
            break;
        case 0xf2:
        case 0xf3:
            p->repeat = byte;
            break;
        default:
            return byte;
        }
        p->rex = 0;
    }
}

static uint64_t next_signed(struct cursor *c, unsigned bytes)
{
    uint64_t value = next_n(c, bytes);

    return bytes == 1   ? (uint64_t)(int8_t)value
           : bytes == 2 ? (uint64_t)(int16_t)value
                        : (uint64_t)(int32_t)value;
}

static uint8_t address_size(enum insn_mode mode, const struct prefixes *p)
{
    if (mode == INSN_64)
        return p->address ? 4 : 8;
    return (mode == INSN_16) != p->address ? 2 : 4;
}

/* 16-bit addresses: the eight sums of BX, BP, SI and DI (APM vol. 3, table A-33). */
static void read_small_operand(struct insn_memory *m, struct cursor *c, uint8_t modrm)
{
    enum { BX = 3, BP = 5, SI = 6, DI = 7 };
    static const uint8_t base[] = {BX, BX, BP, BP, SI, DI, BP, BX};
    static const uint8_t index[] = {SI, DI, SI, DI, INSN_NONE, INSN_NONE, INSN_NONE, INSN_NONE};
    unsigned mod = modrm >> 6, rm = modrm & 7;
    bool is_direct = mod == 0 && rm == 6;

    m->base = is_direct ? (uint8_t)INSN_NONE : base[rm];
    m->index = index[rm];
    if (mod != 0 || is_direct)
        m->displacement = next_signed(c, mod == 1 ? 1 : 2);
}

/* Reads SIB and displacement of a memory operand (APM vol. 3, 1.4); `modrm` isn't a register's. */
static void read_memory_operand(struct insn *insn, struct cursor *c, enum insn_mode mode,
                                const struct prefixes *p, uint8_t modrm)
{
    struct insn_memory *m = &insn->memory;
    unsigned mod = modrm >> 6;
    uint8_t rm = modrm & 7;

    *m = (struct insn_memory){.is_there = true,
                              .base = rm,
                              .index = INSN_NONE,
                              .scale = 1,
                              .address = address_size(mode, p)};
    if (m->address == 2) {
        read_small_operand(m, c, modrm);
    } else {
        if (rm == 4) {
            uint8_t sib = next(c), index = (uint8_t)((sib >> 3 & 7) | (p->rex & 2) << 2);

            rm = sib & 7;
            m->scale = (uint8_t)(1 << (sib >> 6));
            m->index = index == 4 ? (uint8_t)INSN_NONE : index;
        }
        m->base = (uint8_t)(rm | (p->rex & 1) << 3);
        if (mod == 0 && rm == 5) /* none; in 64-bit code without SIB RIP (1.7.1) */
            m->base = mode == INSN_64 && (modrm & 7) == 5 ? INSN_RIP : INSN_NONE;
        if (mod != 0 || rm == 5)
            m->displacement = next_signed(c, mod == 1 ? 1 : 4);
    }
    /* BP and SP address the stack (APM vol. 3, 1.2.4). */
    m->segment = m->base == 4 || m->base == 5 ? INSN_SS : INSN_DS;
    if (p->segment != INSN_NONE)
        m->segment = p->segment;
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
    read_memory_operand(insn, c, mode, p, modrm);
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

/*
 * MOV to and from control and debug registers. `mod` is ignored: the operand is always a register.
 * LOCK MOV CR0 is another name of MOV CR8 (APM vol. 3, MOV CRn).
 */
static void decode_cr(struct insn *insn, struct cursor *c, const struct prefixes *p,
                      enum insn_kind kind)
{
    bool is_cr = kind == INSN_MOV_TO_CR || kind == INSN_MOV_FROM_CR;
    uint8_t modrm = next(c);

    insn->kind = kind;
    insn->cr = (uint8_t)((modrm >> 3 & 7) | (p->rex & 4) << 1);
    insn->reg = (uint8_t)((modrm & 7) | (p->rex & 1) << 3);
    if (p->lock) {
        c->bad |= !is_cr || insn->cr != 0;
        insn->cr = 8;
    }
}

/* 0F 01: LMSW, SMSW, INVLPG, and the opcodes that ModRM selects. */
static void decode_0f01(struct insn *insn, struct cursor *c, enum insn_mode mode,
                        const struct prefixes *p)
{
    uint8_t modrm = next(c);
    uint8_t group = modrm >> 3 & 7;
    bool is_memory = modrm >> 6 != 3;

    insn->opcode = 0x0f01;
    if (group == 4 || group == 6) {
        insn->kind = group == 6 ? INSN_LMSW : INSN_SMSW;
        insn->width = group == 6 ? 2 : operand_size(mode, p);
        insn->size = is_memory ? 2 : 0;
    } else {
        insn->kind = is_memory ? INSN_INVLPG : INSN_OTHER;
        c->bad |= is_memory && group != 7;
    }
    if (is_memory) {
        read_memory_operand(insn, c, mode, p, modrm);
        return;
    }
    insn->modrm = modrm;
    insn->reg = (uint8_t)((modrm & 7) | (p->rex & 1) << 3);
}

static void decode_two_byte(struct insn *insn, struct cursor *c, enum insn_mode mode,
                            const struct prefixes *p)
{
    static const enum insn_kind moves[] = {INSN_MOV_FROM_CR, INSN_MOV_FROM_DR, INSN_MOV_TO_CR,
                                           INSN_MOV_TO_DR};
    uint8_t opcode = next(c);

    c->bad |= p->lock && opcode != 0x20 && opcode != 0x22;
    switch (opcode) {
    case 0x01:
        decode_0f01(insn, c, mode, p);
        break;
    case 0x06:
        insn->kind = INSN_CLTS;
        break;
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23:
        decode_cr(insn, c, p, moves[opcode - 0x20]);
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
    case 0x31: /* RDTSC */
    case 0x32: /* RDMSR */
    case 0xa2: /* CPUID */
        insn->kind = INSN_OTHER;
        insn->opcode = (uint16_t)(0x0f00 | opcode);
        break;
    default:
        c->bad = true;
    }
}

/* MOV with an absolute offset and the accumulator. */
static void decode_absolute(struct insn *insn, struct cursor *c, enum insn_mode mode,
                            const struct prefixes *p, uint8_t opcode)
{
    insn->kind = opcode & 2 ? INSN_STORE : INSN_LOAD;
    insn->size = insn->width = opcode & 1 ? operand_size(mode, p) : 1;
    insn->memory = (struct insn_memory){.is_there = true,
                                        .base = INSN_NONE,
                                        .index = INSN_NONE,
                                        .scale = 1,
                                        .address = address_size(mode, p),
                                        .segment = p->segment == INSN_NONE ? INSN_DS : p->segment};
    insn->memory.displacement = next_n(c, insn->memory.address);
}

/* INT3, INTn, INTO, which 64-bit code doesn't have. */
static void decode_int(struct insn *insn, struct cursor *c, enum insn_mode mode, uint8_t opcode)
{
    insn->kind = INSN_INT;
    insn->immediate = opcode == 0xcc ? 3 : opcode == 0xcd ? next(c) : 4;
    c->bad |= opcode == 0xce && mode == INSN_64;
}

static void decode_one_byte(struct insn *insn, struct cursor *c, enum insn_mode mode,
                            const struct prefixes *p, uint8_t opcode)
{
    uint8_t size = opcode & 1 ? operand_size(mode, p) : 1;

    c->bad |= p->lock;
    switch (opcode) {
    case 0x88:
    case 0x89:
        decode_move(insn, c, mode, p, INSN_STORE, size);
        break;
    case 0x8a:
    case 0x8b:
        decode_move(insn, c, mode, p, INSN_LOAD, size);
        break;
    case 0xc6:
    case 0xc7:
        decode_move(insn, c, mode, p, INSN_STORE_I, size);
        break;
    case 0xa0:
    case 0xa1:
    case 0xa2:
    case 0xa3:
        decode_absolute(insn, c, mode, p, opcode);
        break;
    case 0x90: /* with F3h PAUSE */
        insn->kind = INSN_OTHER;
        insn->opcode = 0xf390;
        c->bad |= p->repeat != 0xf3;
        break;
    case 0xcc:
    case 0xcd:
    case 0xce:
        decode_int(insn, c, mode, opcode);
        break;
    case 0xf1: /* ICEBP */
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
    struct prefixes p = {.segment = INSN_NONE};
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

uint64_t insn_offset(const struct insn_memory *memory, uint64_t base, uint64_t index)
{
    uint64_t offset = base + index * memory->scale + memory->displacement;

    return memory->address == 8 ? offset : offset & ((1ull << 8 * memory->address) - 1);
}
