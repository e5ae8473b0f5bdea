/*
 * Stands for core/platform/apic.h in tests built with -iquote tests/models/shadow: the registers
 * are those of models/cpu_model.c.
 */
#ifndef CORE_PLATFORM_APIC_H
#define CORE_PLATFORM_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/apic.h"

uint32_t apic_read(uint32_t offset);
void apic_write(uint32_t offset, uint32_t value);
bool apic_send(uint32_t destination, uint32_t command);
uint32_t ioapic_read(uint32_t index);
void ioapic_write(uint32_t index, uint32_t value);

#endif
