/* SHA-256 by libcrypto, its algorithm fetched once. One thread only. */
#ifndef ATTEST_SHA256_H
#define ATTEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* One libcrypto can't do without: if hashing fails the program ends with EXIT_INTERNAL. */
void sha256(const void *bytes, size_t size, uint8_t digest[32]);
void sha256_two(const void *first, size_t first_size, const void *second, size_t second_size,
                uint8_t digest[32]);

/* What a PCR is after TPM2_PCR_Extend: SHA-256(pcr || digest). */
void sha256_extend(uint8_t pcr[32], const uint8_t digest[32]);

#endif
