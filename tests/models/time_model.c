/* Core's clock, which goes on when a test or another model says so; see tpm_model.h. */
#include "core/platform/time.h"
#include "models/tpm_model.h"

uint64_t tpm_model_now;

uint64_t time_after(uint32_t microseconds)
{
    return tpm_model_now + microseconds;
}

bool time_is_over(uint64_t deadline)
{
    return tpm_model_now >= deadline;
}

uint64_t time_ns(uint64_t ticks)
{
    return ticks * 3;
}
