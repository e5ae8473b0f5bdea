/* The domains' life: images placed, cores handed out, run until they stop. */
#ifndef CORE_DOMAIN_DOMAIN_H
#define CORE_DOMAIN_DOMAIN_H

#include <stdint.h>
#include <stdnoreturn.h>

#include "bulkhead/image.h"
#include "core/boot/boot_info.h"
#include "core/platform/acpi_tables.h"
#include "core/platform/cpu.h"

/*
 * Places every domain's files and what it needs at start (domain_place_all). The boot CPU calls it
 * once, before any CPU calls domains_run().
 */
void domains_place(const struct bh_header *checked, struct boot_info *info,
                   const struct acpi_cpus *cpus);

/* Runs the domain that owns this core, for good; a core that nobody owns sleeps. For smp_enter().
 */
noreturn void domains_run(struct cpu *cpu);

#endif
