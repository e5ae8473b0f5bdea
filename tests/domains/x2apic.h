/* A local APIC in x2APIC mode, as its domain reaches it. */
#ifndef TESTS_DOMAINS_X2APIC_H
#define TESTS_DOMAINS_X2APIC_H

#include <stdint.h>

enum {
    ID = 0x802,
    TPR = 0x808,
    PPR = 0x80a,
    EOI,
    SVR = 0x80f,
    ISR,
    IRR = 0x820,
    ESR = 0x828,
    ICR = 0x830,
    LVT_TIMER = 0x832,
    LVT_ERROR = 0x837,
    COUNT,
    CURRENT,
    DIVIDE = 0x83e,
    SELF_IPI
};

static inline uint64_t read_cr8(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr8, %0" : "=r"(value) : : "memory");
    return value;
}

static inline void write_cr8(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory");
}

#endif
