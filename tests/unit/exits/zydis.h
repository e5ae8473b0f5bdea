/* core/exits/decode.c against Zydis, a decoder that shares nothing with it. */
#ifndef EXITS_ZYDIS_H
#define EXITS_ZYDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/exits/decode.h"

struct zydis_finding {
    enum insn_kind kind;
    unsigned length; /* of the instruction as Zydis has it; 0 if it has none */
    char text[256];  /* where they disagree: how */
};

/*
 * Decodes `code` twice. They agree if what ours knows is the same instruction, in length, operands
 * and address, or invalid to Zydis where the CPU, too, would refuse it before an exit; and if what
 * ours doesn't know isn't one of those that it should.
 */
bool zydis_agrees(const uint8_t *code, size_t size, enum insn_mode mode,
                  struct zydis_finding *found);

/* The next of a row of numbers that hangs on nothing but `state`. */
uint32_t zydis_random(uint64_t *state);

/* Code in which our instructions are frequent: prefixes, an opcode of ours or near, anything. */
#define ZYDIS_CODE 20 /* bytes: more than an instruction may have */
void zydis_random_code(uint64_t *state, uint8_t code[ZYDIS_CODE], enum insn_mode mode);

#endif
