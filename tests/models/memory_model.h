/*
 * A domain's memory for unit tests, below 4 GiB where core's one-to-one mapping can be the host's.
 * Behind every block of memory lies an unmapped page, so an access past its end ends the test.
 */
#ifndef MODELS_MEMORY_MODEL_H
#define MODELS_MEMORY_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "hw/npt.h"

/* Bits of leaves as policyc sets them. */
#define MODEL_RAM  (NPT_P | NPT_W | NPT_US | NPT_A | NPT_D | NPT_IR | NPT_IW)
#define MODEL_ROM  (NPT_P | NPT_US | NPT_A | NPT_D | NPT_IR)
#define MODEL_MMIO (MODEL_RAM | NPT_UC | NPT_NX)

/* Takes all memory back and starts a new, empty table. */
void memory_model_reset(void);

/* The root of the domain's table: its p2m. */
uint64_t *memory_model_root(void);

/* Maps `size` bytes of new, zeroed memory at `gpa` by 4-KiB leaves with these bits; returns it. */
void *memory_model_map(uint64_t gpa, uint64_t size, uint64_t bits);

/* Makes one leaf at `level` (1: 4 KiB, 2: 2 MiB, 3: 1 GiB) for memory at a machine address. */
void memory_model_leaf(uint64_t gpa, uint64_t machine, unsigned level, uint64_t bits);

/* The entry for `gpa` in the table at `level`, whose tables are made as needed. */
uint64_t *memory_model_entry(uint64_t gpa, unsigned level);

/* New zeroed memory that no domain maps, aligned to `alignment`, a power of two. */
void *memory_model_block(size_t size, size_t alignment);

/* What the domain sees at `gpa`, for writing whole pages mapped by memory_model_map(). */
void *memory_model_at(uint64_t gpa);

#endif
