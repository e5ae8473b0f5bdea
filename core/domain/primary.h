/* A primary's memory: the machine's, less what the policy keeps or gives to others. */
#ifndef CORE_DOMAIN_PRIMARY_H
#define CORE_DOMAIN_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/domain/start.h"
#include "core/platform/acpi_tables.h"

/* True if all of [start, end) is usable memory of the primary. */
bool primary_owns(const struct bh_header *policy, const struct boot_info *info,
                  const struct bh_domain *domain, uint64_t start, uint64_t end);

/* Places kernel and initrd, whose modules have been verified, and all that Linux is told. */
struct start_state primary_place_linux(const struct bh_header *policy, const struct boot_info *info,
                                       const struct acpi_cpus *cpus,
                                       const struct bh_domain *domain);

#endif
