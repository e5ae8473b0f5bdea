#include "domains/lib/random.h"

#include "domains/lib/cpu.h"

#define CPUID_FEATURES_LEAF 1
#define CPUID_ECX_RDRAND    (1u << 30)

bool random_rdrand(uint64_t *value)
{
    uint8_t carry;

    if (!(cpuid(CPUID_FEATURES_LEAF, 0).ecx & CPUID_ECX_RDRAND))
        return false;
    __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(carry) : : "cc");
    return carry;
}

static bool draw(random_source *source, uint64_t *word)
{
    for (int i = 0; i < RANDOM_RETRIES; i++)
        if (source(word))
            return *word != 0 && *word != UINT64_MAX;
    return false;
}

bool random_words(random_source *source, uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!draw(source, &words[i]) || (i > 0 && words[i] == words[i - 1])) {
            for (size_t j = 0; j < count; j++)
                words[j] = 0;
            return false;
        }
    }
    return true;
}
