/*
 * A decoder for the few instructions that core answers on CPUs without next-RIP and decode
 * assists: plain moves to and from memory, moves to and from control and debug registers, software
 * interrupts, and the fixed-opcode instructions whose length is needed. What it doesn't know it
 * refuses.
 */
#ifndef EXITS_DECODE_H
#define EXITS_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15u /* bytes of the longest instruction, APM vol. 3, 1.2.1 */

enum insn_mode { INSN_16, INSN_32, INSN_64 }; /* the code segment's default size */

enum insn_kind {
    INSN_UNKNOWN = 0,
    INSN_LOAD,    /* register <- memory, `extend` says how the rest is filled */
    INSN_STORE,   /* memory <- register */
    INSN_STORE_I, /* memory <- `immediate` */
    INSN_MOV_TO_CR,
    INSN_MOV_FROM_CR,
    INSN_MOV_TO_DR,
    INSN_MOV_FROM_DR,
    INSN_CLTS,
    INSN_LMSW, /* from a register, or 16 bits of memory */
    INSN_SMSW, /* to a register, or 16 bits of memory */
    INSN_INVLPG,
    INSN_INT,  /* INT3, INTO, INTn: `immediate` is the vector */
    INSN_OTHER /* one of the fixed opcodes, see `opcode` */
};

enum insn_extend { INSN_KEEP, INSN_ZERO, INSN_SIGN };

/* In the order of encoding (APM vol. 3, 1.2.4 and MOV). */
enum insn_segment { INSN_ES, INSN_CS, INSN_SS, INSN_DS, INSN_FS, INSN_GS };

/*
 * A memory operand: segment : base + index * scale + displacement, cut to `address` bytes (APM
 * vol. 3, 1.4 and 1.6). The registers are 0-15 or one of these; a base of INSN_RIP is the next
 * instruction's address.
 */
#define INSN_NONE 0xffu
#define INSN_RIP  0xfeu
struct insn_memory {
    bool is_there;
    uint8_t base, index;
    uint8_t scale;   /* 1, 2, 4, 8 */
    uint8_t address; /* size of the address in bytes: 2, 4, 8 */
    uint8_t segment; /* enum insn_segment */
    uint64_t displacement;
};

struct insn {
    enum insn_kind kind;
    uint8_t length; /* bytes, 1 to 15 */
    uint8_t reg;    /* register operand 0-15; 4-7 without REX and size 1: AH CH DH BH */
    uint8_t cr;     /* control or debug register number */
    uint8_t size;   /* of the memory access in bytes: 1, 2, 4, 8 */
    uint8_t width;  /* of the register written by a load: 2, 4 or 8; 1 if size is 1; of SMSW's */
    bool high_byte; /* reg is AH, CH, DH, BH */
    enum insn_extend extend;
    uint16_t opcode; /* INSN_OTHER: 00xx one-byte, 0Fxx two-byte opcode; F390: PAUSE */
    uint8_t modrm;   /* INSN_OTHER with 0F01 */
    uint64_t immediate;
    struct insn_memory memory;
};

static inline bool insn_is_store(const struct insn *insn)
{
    return insn->kind == INSN_STORE || insn->kind == INSN_STORE_I;
}

/* The operand's offset in its segment; `base` and `index` are its registers' values, 0 if none. */
uint64_t insn_offset(const struct insn_memory *memory, uint64_t base, uint64_t index);

/* Decodes `size` bytes of code; INSN_UNKNOWN if it isn't one of ours or is cut off. */
struct insn insn_decode(const uint8_t *code, size_t size, enum insn_mode mode);

#endif
