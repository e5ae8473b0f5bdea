/* How a domain's first vCPU begins: what its VMCB must say, whatever is booted. */
#ifndef CORE_DOMAIN_START_H
#define CORE_DOMAIN_START_H

#include <stdint.h>

enum start_error {
    START_OK,
#define START_ERROR(name, cause, remedy) START_##name,
#include "tables/start_errors.def"
#undef START_ERROR
    START_ERRORS
};

const char *start_error_cause(enum start_error error);
const char *start_error_remedy(enum start_error error);

/*
 * General registers that aren't named are zero, interrupts are off (RFLAGS = 2). All segments are
 * flat and present, ring 0: CS = `cs`, execute and read; all others = `ds`, read and write. CS is a
 * 64-bit segment if EFER says LMA, else a 32-bit one.
 */
struct start_state {
    uint64_t rip;
    uint64_t rsp;
    uint64_t rax;
    uint64_t rbx;
    uint64_t rsi;
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer; /* as the domain sees it: without SVME */
    uint64_t gdt_base;
    uint32_t gdt_limit; /* 0: no descriptor table yet */
    uint16_t cs;
    uint16_t ds;
};

#endif
