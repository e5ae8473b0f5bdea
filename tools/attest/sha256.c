#include "sha256.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "codes.h"

/* Fetching the algorithm anew takes longer than hashing an event. */
static EVP_MD *algorithm;
static EVP_MD_CTX *context;

_Noreturn static void give_up(void)
{
    fputs("bhattest: error: libcrypto can't hash (SHA-256): is its configuration damaged?\n",
          stderr);
    exit(EXIT_INTERNAL);
}

void sha256_two(const void *first, size_t first_size, const void *second, size_t second_size,
                uint8_t digest[32])
{
    if (context == NULL) {
        algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
        context = EVP_MD_CTX_new();
        if (algorithm == NULL || context == NULL)
            give_up();
    }
    if (EVP_DigestInit_ex2(context, algorithm, NULL) != 1 ||
        EVP_DigestUpdate(context, first, first_size) != 1 ||
        (second_size != 0 && EVP_DigestUpdate(context, second, second_size) != 1) ||
        EVP_DigestFinal_ex(context, digest, NULL) != 1)
        give_up();
}

void sha256(const void *bytes, size_t size, uint8_t digest[32])
{
    sha256_two(bytes, size, NULL, 0, digest);
}

void sha256_extend(uint8_t pcr[32], const uint8_t digest[32])
{
    sha256_two(pcr, 32, digest, 32, pcr);
}
