/*
 * Images as the hardware reads them, written for the tests from the manuals: APM vol. 2, 5.3,
 * 15.10, 15.11, 15.25, and IOMMU specification 2.2.3. Shares only image.h with policyc.
 */
#ifndef TESTS_POLICYC_BITS_H
#define TESTS_POLICYC_BITS_H

#include "bulkhead/image.h"
#include "emit/emit.h"
#include <stdbool.h>

/* Emit the policy's text with the machine under policy/machines; fails the test if it can't.
 * Each file that the policy names is given as 4096 bytes with the hash AAh. */
void bits_emit(const char *text, struct front *front, struct image *image);

const struct bh_header *bits_header(const struct image *image);
const struct bh_domain *bits_domain(const struct image *image, unsigned index);

/* At a physical address; fails the test if it lies outside of the image. */
const void *bits_at(const struct image *image, uint64_t address);

/* One translation; `hpa` is BITS_NOTHING where nothing is mapped. */
#define BITS_NOTHING UINT64_MAX
struct bits_leaf {
    uint64_t hpa;
    uint64_t size; /* of the leaf */
    bool write, execute, uncached;
    bool device_read, device_write;
};
struct bits_leaf bits_translate(const struct image *image, uint64_t root, uint64_t gpa);

bool bits_port_open(const struct image *image, unsigned domain, uint32_t port);

/* Bit 0: reads pass, bit 1: writes pass. */
unsigned bits_msr_open(const struct image *image, unsigned domain, uint32_t number);

#endif
