/* QEMU's edu device (docs/specs/edu.txt): DMA and MSI at the attacker's will. */
#ifndef DOMAINS_INTRUDER_STANDIN_EDU_H
#define DOMAINS_INTRUDER_STANDIN_EDU_H

#include <stdbool.h>
#include <stdint.h>

#include "domains/intruder/report.h"

#define EDU_BDF 0x0020u /* 00:04.0 */

/* Half of the device's buffer: QEMU 7.2 ends with an error if DMA touches its last byte. */
#define EDU_BUFFER_SIZE 2048u

/*
 * Switches the device on and has it copy a buffer of this domain's own and back. False, with
 * a breach, if that fails: what is denied then proves nothing.
 */
bool edu_ready(struct report *report);

/* DMA between memory and the device's buffer. `offset` + `length` <= EDU_BUFFER_SIZE. */
bool edu_read_memory(struct report *report, uint64_t from, uint32_t offset, uint32_t length);
bool edu_write_memory(struct report *report, uint64_t to, uint32_t offset, uint32_t length);

/* Raises the device's interrupt once. */
void edu_interrupt(void);

/* PCI configuration space of the device. */
uint32_t edu_read_config(uint8_t reg);
void edu_write_config(uint8_t reg, uint32_t value);

#endif
