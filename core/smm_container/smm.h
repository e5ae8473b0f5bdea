/* System-management mode, taken away from the firmware. */
#ifndef CORE_SMM_CONTAINER_SMM_H
#define CORE_SMM_CONTAINER_SMM_H

#include "bulkhead/evlog.h"

/*
 * Gives every CPU an SMI handler in core's memory that does nothing, and locks SMRAM, so that no
 * SMI runs code that a domain could have written. Boot CPU only, when all CPUs wait for calls and
 * no domain has run. A CPU whose handler the firmware has locked away keeps it; the console says
 * so. Stops the machine if a handler lies where core can neither replace nor lock it. `found` tells
 * what firmware had left.
 */
void smm_take(struct bh_event_smm *found);

#endif
