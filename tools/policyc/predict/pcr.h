/* A PCR of the SHA-256 bank, as the TPM changes it. */
#ifndef POLICYC_PREDICT_PCR_H
#define POLICYC_PREDICT_PCR_H

#include <stddef.h>
#include <stdint.h>

#define PCR_SIZE 32u

/* What each byte is after a reset of the machine (PC Client Platform TPM Profile, "PCR
 * Attributes"): PCR 17 to 22 wait for a dynamic launch. */
#define PCR_STATIC  0x00
#define PCR_DYNAMIC 0xff

void pcr_reset(uint8_t pcr[PCR_SIZE], uint8_t byte);
void pcr_extend(uint8_t pcr[PCR_SIZE], const uint8_t digest[PCR_SIZE]);
/* Extend it with the digest of these bytes. */
void pcr_measure(uint8_t pcr[PCR_SIZE], const void *bytes, size_t size);

#endif
