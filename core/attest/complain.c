#include "core/attest/complain.h"

#include "core/attest/log.h"
#include "core/attest/tpm.h"
#include "core/platform/platform.h"

#define LINES 16u /* then lines come at powers of two */

static uint64_t failures; /* guarded by quote.c's lock */

void complain(unsigned index)
{
    const struct tpm_fault *fault = tpm_fault();

    failures++;
    if (failures <= LINES || (failures & (failures - 1)) == 0)
        print("attest: no evidence for %s: %s: %s, 0x%x. %s",
              bh_domain_row(log_policy(), index)->name, tpm_error_cause(fault->error), fault->doing,
              fault->detail, tpm_error_remedy(fault->error));
}
