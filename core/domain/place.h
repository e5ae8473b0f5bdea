/* Puts every domain's files where they belong. */
#ifndef CORE_DOMAIN_PLACE_H
#define CORE_DOMAIN_PLACE_H

#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/domain/start.h"
#include "core/platform/acpi_tables.h"

/*
 * Compares each file of the policy with the loader's module of that name, every byte hashed once;
 * scrubs the memory of microVMs and channels; places the files, and for Linux all that it needs at
 * start. start[n] is how domain n begins. The policy must have been checked and matched. Fatal,
 * with cause and remedy, if a file is missing or another one, or has no place. Modules may move;
 * afterwards they may be overwritten by their domains.
 */
void domain_place_all(const struct bh_header *policy, struct boot_info *info,
                      const struct acpi_cpus *cpus, struct start_state start[BH_MAX_DOMAINS]);

#endif
