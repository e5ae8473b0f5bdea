/* A primary's memory: the machine's, less what the policy keeps or gives to others. */
#ifndef CORE_DOMAIN_PRIMARY_H
#define CORE_DOMAIN_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/domain/memory_map.h"
#include "core/domain/start.h"
#include "core/platform/acpi_tables.h"

/* True if all of [start, end) is usable memory of the primary. */
bool primary_owns(const struct bh_header *policy, const struct boot_info *info,
                  const struct bh_domain *domain, uint64_t start, uint64_t end);

/*
 * The primary's memory: `ram` as it is told, as E820 types, and `free`, where what modules lie in
 * is taken, too. False if there are too many pieces.
 */
bool primary_memory(const struct bh_header *policy, const struct boot_info *info,
                    const struct bh_domain *domain, struct memory_map *ram,
                    struct memory_map *free);

/* Writes its ACPI tables to a page of its own at `address`; the RSDP comes first. */
void primary_write_acpi(const struct bh_domain *domain, const struct acpi_cpus *cpus,
                        uint64_t address);

/* Places kernel and initrd, whose modules have been verified, and all that Linux is told. */
struct start_state primary_place_linux(const struct bh_header *policy, const struct boot_info *info,
                                       const struct acpi_cpus *cpus,
                                       const struct bh_domain *domain);

#endif
