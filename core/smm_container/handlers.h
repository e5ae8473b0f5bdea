/*
 * Core's two SMI handlers, and where they lie. The first is planted where a CPU may look for its
 * handler, and moves the CPU to a stub of its own; the stub counts and returns.
 */
#ifndef CORE_SMM_CONTAINER_HANDLERS_H
#define CORE_SMM_CONTAINER_HANDLERS_H

#include "hw/smm.h"

/* Offsets from the entry. */
#define STUB_COUNT     0x40  /* SMIs so far, 32 bits */
#define RELOCATE_COUNT 0x40  /* CPUs moved so far, 32 bits */
#define RELOCATE_BASES 0x100 /* new SMBASE by APIC ID, 32 bits each; 0: leave that CPU alone */
#define RELOCATE_APICS 256
#define RELOCATE_SIZE  (RELOCATE_BASES + RELOCATE_APICS * 4)

/*
 * Stubs of neighbouring CPUs lie SMM_SPACING apart, so one CPU's state-save area comes to lie in
 * the page of another's entry: behind it, never on it.
 */
#define SMM_SPACING 0x1000

#define APIC_ID_ADDRESS 0xfee00020 /* hw/apic.h's numbers are not the assembler's */
#define APIC_ID_BIT     24

#ifndef __ASSEMBLER__
#include <assert.h>
#include <stdint.h>

#include "hw/apic.h"

static_assert(APIC_ID_ADDRESS == APIC_BASE_DEFAULT + APIC_ID && APIC_ID_BIT == APIC_ID_SHIFT,
              "same numbers");
static_assert((SMM_SAVE - SMM_ENTRY) % SMM_SPACING >= STUB_COUNT + 4,
              "a state-save area lies behind an entry");
static_assert((SMM_SAVE - SMM_ENTRY) % SMM_SPACING + SMM_SAVE_END - SMM_SAVE <= SMM_SPACING,
              "and ends before the next");

/* Bytes from the first stub's entry to the end of the last one's state-save area. */
#define STUBS_SIZE(cpus) (((cpus)-1) * SMM_SPACING + SMM_SAVE_END - SMM_ENTRY)

/* Both run wherever SMBASE is; handlers.S. */
extern const uint8_t smm_relocate[], smm_relocate_end[];
extern const uint8_t smm_stub[], smm_stub_end[];
#endif

#endif
