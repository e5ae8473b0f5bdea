/* Evidence and report as read, strictly: sizes, types, limits, and one encoding only. */
#ifndef ATTEST_CLAIMS_H
#define ATTEST_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/evidence.h"

#define EVIDENCE_PCRS 24u

struct claims {
    struct evidence evidence; /* points into the bytes that were read, and to `values` */
    uint8_t values[EVIDENCE_PCRS][BH_DIGEST];
    struct evidence_report report; /* points to `domains` */
    struct evidence_domain domains[BH_EVIDENCE_MAX_DOMAINS];
};

/* Where reading failed, for E101. */
struct malformed {
    const char *part; /* "evidence" or "report" */
    size_t offset;
    const char *expected;
};

/* The bytes must stay as long as `claims` is used. */
bool claims_read(struct claims *claims, const uint8_t *bytes, size_t size,
                 struct malformed *malformed);

/* The value of one PCR, or NULL if it isn't there. */
const uint8_t *claims_pcr(const struct claims *claims, unsigned pcr);

#endif
