#include "core/platform/platform.h"
#include "core/smm_container/smram.h"
#include "hw/smm.h"

bool hwcr_has_smmlock(void)
{
    return read_msr(MSR_HWCR) & HWCR_SMMLOCK;
}
