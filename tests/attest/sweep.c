/*
 * Every flipped bit and every prefix of genuine evidence, and of what it is appraised by with its
 * signatures: none is accepted, and nothing is said of a domain.
 *
 *   sweep {evidence|record|reference} DIRECTORY     (of tests/attest/bundle.py)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"

struct sweep {
    const char *directory;
    unsigned long tried;
    unsigned long accepted;
};

typedef bool acceptor(const void *context, const uint8_t *bytes, size_t size);

/* Copies of just their size, so that AddressSanitizer sees what reads beyond. */
static void try(struct sweep *sweep, acceptor *accepts, const void *context, const uint8_t *bytes,
                size_t size, const char *what, size_t where)
{
    uint8_t *copy = malloc(size + (size == 0));

    memcpy(copy, bytes, size);
    sweep->tried++;
    if (accepts(context, copy, size)) {
        sweep->accepted++;
        if (sweep->accepted <= 20)
            printf("accepted: %s %zu\n", what, where);
    }
    free(copy);
}

/* Bits from byte `from` on, and prefixes shorter than `whole`. */
static void alter(struct sweep *sweep, acceptor *accepts, const void *context, uint8_t *bytes,
                  size_t size, size_t from, size_t whole)
{
    for (size_t prefix = 0; prefix < whole; prefix++)
        try(sweep, accepts, context, bytes, prefix, "prefix", prefix);
    for (size_t bit = 8 * from; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        try(sweep, accepts, context, bytes, size, "bit", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void must_be_accepted(bool is_accepted, const char *what)
{
    if (is_accepted)
        return;
    printf("the genuine %s is not accepted: the sweep would show nothing\n", what);
    exit(1);
}

static bool evidence_is_accepted(const void *context, const uint8_t *bytes, size_t size)
{
    static struct result result;
    enum exit_status status = bundle_appraise(context, bytes, size, &result);
    bool is_any_tier = false;

    for (size_t i = 0; i < result.domains; i++)
        is_any_tier |= result.domain[i].tier != TIER_NONE;
    return status < EXIT_EVIDENCE || is_any_tier;
}

static void sweep_evidence(struct sweep *sweep)
{
    static struct bundle bundle;

    bundle_load(&bundle, sweep->directory);
    must_be_accepted(evidence_is_accepted(&bundle, bundle.bytes, bundle.size), "evidence");
    alter(sweep, evidence_is_accepted, &bundle, bundle.bytes, bundle.size, 0, bundle.size);
}

/* A signed file: one of the two is altered. */
struct pair {
    struct public_key key;
    uint8_t *file, *signature;
    size_t file_size, signature_size;
};

static bool file_is_accepted(const void *context, const uint8_t *bytes, size_t size)
{
    const struct pair *pair = context;

    return signature_is_good(&pair->key, bytes, size, (char *)pair->signature,
                             pair->signature_size);
}

static bool signature_is_accepted(const void *context, const uint8_t *bytes, size_t size)
{
    const struct pair *pair = context;

    return signature_is_good(&pair->key, pair->file, pair->file_size, (const char *)bytes, size);
}

static void sweep_signed(struct sweep *sweep, const char *name, const char *signer)
{
    char path[512], file[64], fault[FAULT_SIZE];
    struct pair pair;
    size_t first_line;

    snprintf(path, sizeof(path), "%s/%s.pub", sweep->directory, signer);
    if (!public_key_load(&pair.key, path, fault)) {
        puts(fault);
        exit(1);
    }
    snprintf(file, sizeof(file), "%s.json", name);
    pair.file = bundle_file(sweep->directory, file, &pair.file_size);
    strcat(file, ".minisig");
    pair.signature = bundle_file(sweep->directory, file, &pair.signature_size);
    must_be_accepted(file_is_accepted(&pair, pair.file, pair.file_size), name);
    alter(sweep, file_is_accepted, &pair, pair.file, pair.file_size, 0, pair.file_size);
    /* The first line is an untrusted comment, which nobody signs, nor the last line's end. */
    first_line = (size_t)((uint8_t *)strchr((char *)pair.signature, '\n') - pair.signature);
    alter(sweep, signature_is_accepted, &pair, pair.signature, pair.signature_size, first_line,
          pair.signature_size - 1);
    free(pair.file);
    free(pair.signature);
}

int main(int argc, char **argv)
{
    struct sweep sweep = {.directory = argc == 3 ? argv[2] : NULL};

    if (argc == 3 && strcmp(argv[1], "evidence") == 0) {
        sweep_evidence(&sweep);
    } else if (argc == 3 && strcmp(argv[1], "record") == 0) {
        sweep_signed(&sweep, "record", "authority");
    } else if (argc == 3 && strcmp(argv[1], "reference") == 0) {
        sweep_signed(&sweep, "reference", "author");
    } else {
        fprintf(stderr, "usage: %s {evidence|record|reference} DIRECTORY\n", argv[0]);
        return EXIT_USAGE;
    }
    printf("%lu altered, %lu accepted\n", sweep.tried, sweep.accepted);
    return sweep.accepted != 0;
}
