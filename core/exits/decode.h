/*
 * A decoder for the few instructions that core answers on CPUs without next-RIP and decode
 * assists: plain moves to and from memory, moves to and from control registers, and the
 * fixed-opcode instructions whose length is needed. What it doesn't know it refuses.
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
    INSN_CLTS,
    INSN_LMSW, /* from a register */
    INSN_SMSW, /* to a register */
    INSN_OTHER /* one of the fixed opcodes, see `opcode` */
};

enum insn_extend { INSN_KEEP, INSN_ZERO, INSN_SIGN };

struct insn {
    enum insn_kind kind;
    uint8_t length; /* bytes, 1 to 15 */
    uint8_t reg;    /* register operand 0-15; 4-7 without REX and size 1: AH CH DH BH */
    uint8_t cr;     /* control register number */
    uint8_t size;   /* of the memory access in bytes: 1, 2, 4, 8 */
    uint8_t width;  /* of the register written by a load or SMSW: 2, 4 or 8; 1 if size is 1 */
    bool high_byte; /* reg is AH, CH, DH, BH */
    enum insn_extend extend;
    uint16_t opcode; /* INSN_OTHER: 00xx one-byte, 0Fxx two-byte opcode */
    uint8_t modrm;   /* INSN_OTHER with 0F01 */
    uint64_t immediate;
};

/* Decodes `size` bytes of code; INSN_UNKNOWN if it isn't one of ours or is cut off. */
struct insn insn_decode(const uint8_t *code, size_t size, enum insn_mode mode);

#endif
