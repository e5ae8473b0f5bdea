#include "core/svm/features.h"

#include "core/platform/platform.h"

uint32_t svm_features, svm_asid_count;

void svm_find_features(void)
{
    struct cpuid leaf = cpuid(CPUID_SVM, 0);

    svm_features = leaf.edx;
    svm_asid_count = leaf.ebx;
    if (svm_asid_count < 2)
        fatal("this CPU has no ASID for domains: %u in all. Use another AMD processor with SVM",
              svm_asid_count);
}

void svm_check_features(unsigned cpu)
{
    struct cpuid leaf = cpuid(CPUID_SVM, 0);

    if ((svm_features & ~leaf.edx) || leaf.ebx < svm_asid_count)
        fatal(
            "CPUs differ: CPU %u has SVM features %x and %u ASIDs, the boot CPU %x and %u. Update "
            "the firmware",
            cpu, leaf.edx, leaf.ebx, svm_features, svm_asid_count);
}
