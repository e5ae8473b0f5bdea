/* What the CPUs' SVM can do beyond the least: CPUID 8000_000Ah. */
#ifndef SVM_FEATURES_H
#define SVM_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/svm.h"

/* SVM_FEATURE_* bits. The boot CPU writes it before any domain runs; unit tests set it. */
extern uint32_t svm_features;

/* Number of ASIDs, 0 among them, which is the host's. */
extern uint32_t svm_asid_count;

static inline bool svm_has(uint32_t feature)
{
    return svm_features & feature;
}

/* Boot CPU: reads both. Fatal if the CPU can't tell a domain's translations from core's. */
void svm_find_features(void);

/* Each CPU that runs domains: fatal if it lacks what the boot CPU has. */
void svm_check_features(unsigned cpu);

#endif
