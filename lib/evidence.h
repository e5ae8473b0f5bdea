/*
 * Evidence and its report (bulkhead/evidence.h) as bytes: core writes them so, and a verifier
 * that read them writes them again and compares, which leaves one form only. Nothing here hashes
 * or signs. Without a C library.
 */
#ifndef LIB_EVIDENCE_H
#define LIB_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "bulkhead/evlog.h"

enum {
    /* How many kinds of violations there are. */
    EVIDENCE_KINDS = 0
#define VIOLATION(name, word) +1
#include "tables/violations.def"
#undef VIOLATION
};

struct evidence_bytes {
    const void *at;
    size_t size;
};

struct evidence {
    struct bh_attest_request asked; /* keys and reference are left out where they are zero */
    const uint8_t *ueid;            /* BH_UEID_SIZE bytes; NULL: left out */
    struct evidence_bytes attest, signature, ak, log, report;
    uint32_t pcrs;                   /* bit n: PCR n is given; bits 0-23 */
    const uint8_t (*pcr)[BH_DIGEST]; /* their values, ascending by number */
    uint16_t domain;                 /* index of who asked */
};

struct evidence_domain {
    char name[BH_NAME_SIZE]; /* ends before the first zero, or is BH_NAME_SIZE long */
    uint64_t state;          /* enum bh_domain_state */
    uint64_t starts;
    uint64_t crashes;
    uint64_t violations[EVIDENCE_KINDS]; /* by enum violation; 0 is left out */
    uint64_t last;
};

struct evidence_report {
    uint8_t boot_id[16];
    uint64_t next;
    uint64_t smis;
    uint64_t smi_worst;
    size_t domains;
    const struct evidence_domain *domain;
};

/* Each returns the size of what it wrote, or 0 if `size` bytes are too few. */
size_t evidence_encode(const struct evidence *evidence, void *buffer, size_t size);
size_t evidence_encode_report(const struct evidence_report *report, void *buffer, size_t size);

/* What the quote's extraData is the SHA-256 of; `log` and `report` are SHA-256 values. */
void evidence_bind(struct bh_binding *binding, const struct bh_attest_request *asked,
                   uint16_t domain, const uint8_t log[BH_DIGEST], const uint8_t report[BH_DIGEST]);

#endif
