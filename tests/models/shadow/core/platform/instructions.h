/*
 * Stands for core/platform/instructions.h in tests built with -iquote tests/models/shadow: what a
 * host program can't execute is done by models/cpu_model.c.
 */
#ifndef CORE_PLATFORM_INSTRUCTIONS_H
#define CORE_PLATFORM_INSTRUCTIONS_H

#include <stdint.h>

#include "hw/x86.h"

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

void out8(uint16_t port, uint8_t value);
uint8_t in8(uint16_t port);
uint64_t read_msr(uint32_t msr);
void write_msr(uint32_t msr, uint64_t value);
struct cpuid cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t read_cr4(void);
void write_cr4(uint64_t value);
uint64_t read_xcr0(void);
void write_xcr0(uint64_t value);
void xsave(void *area, uint64_t components);
void xrstor(const void *area, uint64_t components);
void fxsave(void *area);
void fxrstor(const void *area);
void forget_fpu_pointers(void);
uint32_t read_pkru(void);
void write_pkru(uint32_t value);
void wbinvd(void);
uint64_t read_dr(unsigned number);
void write_dr(unsigned number, uint64_t value);
uint64_t read_tsc(void);
void enable_interrupts(void);

/* Core's own; unistd.h has another. */
#define pause() ((void)0)

#endif
