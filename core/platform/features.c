#include "core/platform/features.h"

#include <stddef.h>

#include "hw/x86.h"

const struct cpu_need *features_find_lack(const struct cpu_facts *f)
{
#define CPU_NEED(condition, cause, remedy)                   \
    {                                                        \
        static const struct cpu_need need = {cause, remedy}; \
        if (!(condition))                                    \
            return &need;                                    \
    }
#include "tables/cpu_needs.def"
#undef CPU_NEED
    return NULL;
}
