#include "core/svm/asid.h"

#include "core/svm/features.h"

static bool is_valid(const struct asid_pool *pool, unsigned cpu, const struct asid *asid)
{
    return asid->generation != 0 && asid->generation == pool->generation && asid->cpu == cpu;
}

uint8_t asid_enter(struct asid_pool *pool, unsigned cpu, struct asid *asid, bool flush)
{
    uint8_t control = VMCB_TLB_KEEP;

    if (is_valid(pool, cpu, asid)) {
        if (!flush)
            return VMCB_TLB_KEEP;
        if (svm_has(SVM_FEATURE_FLUSH_BY_ASID))
            return VMCB_TLB_FLUSH_ASID;
    }
    if (pool->generation == 0 || pool->next >= svm_asid_count) {
        pool->generation++;
        pool->next = 1; /* 0 is the host's: VMRUN refuses it (15.5.1) */
        control = VMCB_TLB_FLUSH_ALL;
    }
    *asid = (struct asid){.generation = pool->generation, .cpu = cpu, .number = pool->next++};
    return control;
}

void asid_distrust(struct asid_pool *pool)
{
    pool->next = svm_asid_count;
    /* The generation ends here, too: its ASIDs may hold what the failed run was to flush. */
    pool->generation++;
}
