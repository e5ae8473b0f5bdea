/* What core measures of itself, out of its ELF file. */
#ifndef POLICYC_PREDICT_ELF_H
#define POLICYC_PREDICT_ELF_H

#include <stddef.h>
#include <stdint.h>

/* SHA-256 of core's read-only segments, one behind the other (BH_EVENT_CORE). Returns NULL, or
 * why this can't be core; nothing in the file is believed. */
const char *elf_core_digest(const void *bytes, size_t size, uint8_t sha256[32]);

#endif
