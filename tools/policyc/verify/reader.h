/*
 * Reads a policy image that may be anything: after reader_open every row can be used. Knows
 * the format's headers and nothing of how images are made.
 */
#ifndef POLICYC_READER_H
#define POLICYC_READER_H

#include "bulkhead/image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *bytes;
    size_t size;
    const struct bh_header *header;
    const struct bh_domain *domain;
    const struct bh_file *file;
    const struct bh_region *region;
    const struct bh_channel *channel;
    const struct bh_pci_function *function;
    const struct bh_dte *dte;
    const struct bh_cpuid *cpuid;
    const struct bh_msr *msr;
    size_t rows_end; /* offset behind the last row */
};

/* `bytes` aligned to 8, and alive as long as the reader. NULL, or what is wrong. */
const char *reader_open(struct reader *reader, const void *bytes, size_t size);

/* The bytes at a physical address; NULL if not all of them lie in the image. */
const void *reader_at(const struct reader *reader, uint64_t address, uint64_t size);

/* A leaf of a domain's table with the rights of all levels together. */
#define REACH_READ         (1u << 0)
#define REACH_WRITE        (1u << 1)
#define REACH_EXECUTE      (1u << 2)
#define REACH_DEVICE_READ  (1u << 3)
#define REACH_DEVICE_WRITE (1u << 4)
#define REACH_UNCACHED     (1u << 5)

struct span {
    uint64_t gpa, hpa, size;
    uint32_t rights; /* REACH_* */
};

/* What a table maps, in the order of guest addresses; neighbours with like rights are one. */
struct reach {
    struct span *span;
    size_t count, room;
};

/*
 * Walk the table at `root`. Each table page is claimed in `claimed`, a byte for each page of
 * the image; one that is claimed already is a fault. Returns NULL, or what is wrong, with
 * the entry's physical address in `place`. The spans must be freed, whatever the result.
 */
const char *reader_walk(const struct reader *reader, uint64_t root, uint8_t *claimed,
                        struct reach *reach, uint64_t *place);

/* Claim `size` bytes of whole pages; false: outside, unaligned, among the rows, or taken. */
bool reader_claim(const struct reader *reader, uint8_t *claimed, uint64_t address, uint64_t size);

#endif
