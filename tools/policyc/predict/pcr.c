#include "pcr.h"
#include <sodium.h>
#include <string.h>

void pcr_reset(uint8_t pcr[PCR_SIZE], uint8_t byte)
{
    memset(pcr, byte, PCR_SIZE);
}

void pcr_extend(uint8_t pcr[PCR_SIZE], const uint8_t digest[PCR_SIZE])
{
    uint8_t both[2 * PCR_SIZE];

    memcpy(both, pcr, PCR_SIZE);
    memcpy(both + PCR_SIZE, digest, PCR_SIZE);
    crypto_hash_sha256(pcr, both, sizeof(both));
}

void pcr_measure(uint8_t pcr[PCR_SIZE], const void *bytes, size_t size)
{
    uint8_t digest[PCR_SIZE];

    crypto_hash_sha256(digest, bytes, size);
    pcr_extend(pcr, digest);
}
