#include "digests.h"
#include "dump.h"
#include "lib/evlog.h"
#include <sodium.h>
#include <stdlib.h>

void digest_tables(const void *image, uint8_t sha256[BH_DIGEST])
{
    crypto_hash_sha256_state state;
    struct evlog_part part[2];

    evlog_tables(part, image);
    crypto_hash_sha256_init(&state);
    for (unsigned i = 0; i < 2; i++)
        crypto_hash_sha256_update(&state, part[i].bytes, part[i].size);
    crypto_hash_sha256_final(&state, sha256);
}

const char *digest_matrix(const void *image, size_t size, uint8_t sha256[BH_DIGEST])
{
    struct reader reader;
    const char *fault = reader_open(&reader, image, size);
    char *text = NULL;
    size_t length = 0;
    FILE *out;

    if (fault != NULL)
        return fault;
    out = open_memstream(&text, &length);
    if (out == NULL)
        return "there is no memory to read it";
    dump_matrix(&reader, out);
    if (fclose(out) != 0)
        fault = "there is no memory to read it";
    else
        crypto_hash_sha256(sha256, (const uint8_t *)text, length);
    free(text);
    return fault;
}
