#include "core/attest/clock.h"

#include "core/attest/command.h"
#include "core/platform/platform.h"

#define PATIENCE_US 10000000

static uint64_t deadline; /* guarded by quote.c's lock */

void clock_begin(void)
{
    deadline = time_after(PATIENCE_US);
}

bool clock_take(const struct tpm_message *message, bool *is_enough)
{
    struct tpm_clock clock;

    if (!tpm_take_read_clock(message, &clock))
        return false;
    *is_enough = clock.is_safe || time_is_over(deadline);
    return true;
}
