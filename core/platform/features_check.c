#include "core/platform/cpu.h"
#include "core/platform/features.h"
#include "core/platform/instructions.h"
#include "core/platform/panic.h"
#include "lib/memory.h"

static struct cpu_facts read_facts(void)
{
    struct cpu_facts f = {
        .features_edx = cpuid(CPUID_FEATURES, 0).edx,
        .extended_ecx = cpuid(CPUID_EXTENDED, 0).ecx,
        .extended_edx = cpuid(CPUID_EXTENDED, 0).edx,
    };

    if (f.extended_ecx & CPUID_EXTENDED_ECX_SVM)
        f.vm_cr = read_msr(MSR_VM_CR);
    return f;
}

/* The CPU's name, APM vol. 3, E.4.3: three leaves of 16 characters each, terminated. */
static void read_name(char name[3 * sizeof(struct cpuid) + 1])
{
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid part = cpuid(CPUID_NAME + i, 0);

        memcpy(name + i * sizeof(part), &part, sizeof(part));
    }
    name[3 * sizeof(struct cpuid)] = '\0';
}

void features_check(void)
{
    const struct cpu_facts facts = read_facts();
    const struct cpu_need *lack = features_find_lack(&facts);
    char name[3 * sizeof(struct cpuid) + 1] = "unnamed";

    if (!lack)
        return;
    if (cpuid(CPUID_EXTENDED_MAX, 0).eax >= CPUID_NAME + 2)
        read_name(name);
    fatal("%s: CPU %u, %s. %s", lack->cause, cpu_current()->index, name, lack->remedy);
}
