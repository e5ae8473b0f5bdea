/* What core needs of each CPU: include/tables/cpu_needs.def. */
#ifndef CORE_PLATFORM_FEATURES_H
#define CORE_PLATFORM_FEATURES_H

#include <stdint.h>

/* Registers that the needs are stated in; 0 where the CPU doesn't have them. */
struct cpu_facts {
    uint32_t features_edx; /* CPUID 1 */
    uint32_t extended_ecx; /* CPUID 8000_0001h */
    uint32_t extended_edx;
    uint64_t vm_cr;
};

struct cpu_need {
    const char *cause;
    const char *remedy;
};

/* The first need that isn't met, or NULL. */
const struct cpu_need *features_find_lack(const struct cpu_facts *f);

/* Stops the machine if the calling CPU lacks something. */
void features_check(void);

#endif
