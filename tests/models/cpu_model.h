/* What core's instructions and interrupt controllers do, for unit tests. */
#ifndef MODELS_CPU_MODEL_H
#define MODELS_CPU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/platform/apic.h"
#include "core/platform/cpu.h"
#include "core/platform/instructions.h"

#define MODEL_WRITES   16
#define MODEL_TSC_STEP 100 /* between two looks at it */
#define MODEL_FPU      832 /* x87 and SSE, a header, AVX */
#define MODEL_LEGACY   512 /* the first of them */

/* The registers that were written, oldest first. */
struct model_log {
    unsigned count;
    struct {
        uint32_t reg;
        uint64_t value;
    } write[MODEL_WRITES];
};

struct cpu_model {
    uint64_t cr4, xcr0;
    uint64_t features; /* bits of XCR0 that the CPU has */
    struct {
        uint32_t leaf;
        struct cpuid answer;
    } cpuid[4]; /* of leaves that aren't 0: answers instead of cpu_model_cpuid()'s */
    unsigned msr_reads;
    unsigned flushes;
    uint64_t tsc;
    uint64_t dr[4];
    bool has_rdtscp;
    uint8_t fpu[MODEL_FPU]; /* as the area of XSAVE */
    uint64_t fpu_pointer;   /* to the last x87 instruction */
    uint32_t pkru;
    uint64_t aux; /* TSC_AUX, once it was written */
    bool has_aux;
    bool has_interrupts; /* IF */
    uint32_t apic[0x400 / 4];
    uint32_t ioapic[0x100];
    uint8_t cmos[0x80], cmos_index;
    uint8_t keyboard[2]; /* what ports 60h and 64h bring */
    struct model_log msr_log, apic_log, apic_sent, ioapic_log;
};

extern struct cpu_model cpu_model;

/* What an NMI for core itself leads to, if not NULL. */
extern void (*model_on_kick)(uint32_t index);

void cpu_model_reset(void);

/* What read_msr() and, as far as it is fixed, cpuid() give. */
uint64_t cpu_model_msr(uint32_t number);
struct cpuid cpu_model_cpuid(uint32_t leaf, uint32_t subleaf);

#endif
