/* Instructions that C has no words for: ports, MSRs, CPUID, control registers. */
#ifndef CORE_PLATFORM_INSTRUCTIONS_H
#define CORE_PLATFORM_INSTRUCTIONS_H

#include <stdint.h>

#include "hw/x86.h"

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* Writes all caches back to memory and empties them. */
static inline void wbinvd(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr0(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value) : : "memory");
    return value;
}

static inline uint64_t read_cr2(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr2, %0" : "=r"(value) : : "memory");
    return value;
}

static inline uint64_t read_cr3(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr3, %0" : "=r"(value) : : "memory");
    return value;
}

static inline uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value) : : "memory");
    return value;
}

static inline void write_cr3(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void write_cr4(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

/* The caller has CR4.OSXSAVE set, and a value that the CPU takes (APM vol. 4, XSETBV). */
static inline void write_xcr0(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t read_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* x87, SSE and wider registers. XSAVE's: those that are in XCR0, too; CR4.OSXSAVE is set. */
static inline void xsave(void *area, uint64_t components)
{
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32))
                     : "memory");
}

static inline void xrstor(const void *area, uint64_t components)
{
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32))
                     : "memory");
}

static inline void fxsave(void *area)
{
    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static inline void fxrstor(const void *area)
{
    __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/*
 * Where the last x87 instruction and its operand lay: a load of core's own, in a state in which it
 * raises nothing, replaces them. The registers are void then.
 */
static inline void forget_fpu_pointers(void)
{
    static const uint32_t zero;

    __asm__ volatile("fnclex; emms; fildl %0" : : "m"(zero));
}

/* CR4.PKE is set. */
static inline uint32_t read_pkru(void)
{
    uint32_t value, high;

    __asm__ volatile("rdpkru" : "=a"(value), "=d"(high) : "c"(0));
    return value;
}

static inline void write_pkru(uint32_t value)
{
    __asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory");
}

/* DR0 to DR3: the addresses of breakpoints, which core has none of. */
static inline uint64_t read_dr(unsigned number)
{
    uint64_t value;

    if (number == 0)
        __asm__ volatile("mov %%dr0, %0" : "=r"(value));
    else if (number == 1)
        __asm__ volatile("mov %%dr1, %0" : "=r"(value));
    else if (number == 2)
        __asm__ volatile("mov %%dr2, %0" : "=r"(value));
    else
        __asm__ volatile("mov %%dr3, %0" : "=r"(value));
    return value;
}

static inline void write_dr(unsigned number, uint64_t value)
{
    if (number == 0)
        __asm__ volatile("mov %0, %%dr0" : : "r"(value));
    else if (number == 1)
        __asm__ volatile("mov %0, %%dr1" : : "r"(value));
    else if (number == 2)
        __asm__ volatile("mov %0, %%dr2" : : "r"(value));
    else
        __asm__ volatile("mov %0, %%dr3" : : "r"(value));
}

static inline void enable_interrupts(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

#endif
