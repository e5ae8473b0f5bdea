/* Kernels in segments, by PVH or Multiboot 1, put into their domain's memory. */
#ifndef CORE_DOMAIN_PLACE_KERNEL_H
#define CORE_DOMAIN_PLACE_KERNEL_H

#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/domain/start.h"
#include "core/platform/acpi_tables.h"

/*
 * Places the kernel where it was linked, its modules, and what it is told, all in the domain's own
 * memory; loader's modules that lie in a primary's way move. The files have been verified. Fatal,
 * with cause and remedy, if the kernel can't be read or something has no place.
 */
struct start_state place_kernel(const struct bh_header *policy, struct boot_info *info,
                                const struct acpi_cpus *cpus, const struct bh_domain *domain);

#endif
