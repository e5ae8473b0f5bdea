/* Starting the machine's other CPUs. */
#ifndef CORE_BOOT_AP_H
#define CORE_BOOT_AP_H

#include "core/boot/boot_info.h"
#include "core/platform/acpi.h"

/*
 * Starts all CPUs that the MADT lists; each waits in smp_join when this returns. The calling CPU is
 * number 0, the others follow in the MADT's order. Stops the machine if one doesn't come.
 */
void ap_start_all(const struct boot_info *info, const struct acpi_cpus *cpus);

#endif
