/*
 * The appraisal: 15 checks in their order (tables/codes.def). No input or output, no clock, no
 * memory of its own: what it decides follows from its arguments alone.
 */
#ifndef ATTEST_APPRAISE_H
#define ATTEST_APPRAISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codes.h"
#include "difference.h"
#include "record.h"
#include "reference.h"
#include "rules.h"

/* What our own store says of a nonce. */
enum nonce_verdict { NONCE_FRESH, NONCE_UNKNOWN, NONCE_USED, NONCE_EXPIRED };

struct appraisal {
    const uint8_t *evidence;
    size_t size;
    const struct record *record;       /* NULL: E201 */
    const struct reference *reference; /* NULL: E501 */
    const struct rules *rules;         /* NULL: no domain is named: C602 */
    int64_t now;                       /* Unix time */
    uint64_t floor; /* the highest version of reference values seen of this author and policy */
    /* Called once, when the signature is known to be good; a fresh nonce becomes a used one.
     * NULL: no nonce is ours. */
    enum nonce_verdict (*nonce)(void *context, const uint8_t nonce[BH_NONCE_SIZE]);
    void *nonce_context;
};

/* AR4SI's tiers (draft-ietf-rats-ar4si). */
enum tier { TIER_NONE = 0, TIER_AFFIRMING = 2, TIER_WARNING = 32, TIER_CONTRAINDICATED = 96 };
const char *tier_name(enum tier tier);

#define MACHINE         (-1) /* a finding's `domain`: the machine, and so each domain */
#define RESULT_FINDINGS 128u
#define RESULT_DOMAINS  (3u * BH_EVIDENCE_MAX_DOMAINS) /* of log, reference values and rules */

struct finding {
    enum code code;
    int domain;                     /* index in struct result, or MACHINE */
    char component[COMPONENT_SIZE]; /* what it is about: firmware, loader, core, a domain, ... */
    struct difference difference;
};

/* What is said of one domain. Of rejected evidence nothing is said: TIER_NONE. */
struct verdict {
    char name[BH_NAME_SIZE + 1];
    enum tier tier;
    enum code code; /* the first of its gravest findings */
    char component[COMPONENT_SIZE];
    bool is_measured;         /* it is in the log: what follows is known */
    uint8_t image[BH_DIGEST]; /* its file's SHA-256; of several files: of all their SHA-256s */
    uint64_t starts;
    uint64_t state; /* enum bh_domain_state */
};

struct result {
    enum exit_status status;
    unsigned checks;        /* how many of the checks were passed or, from C601 on, made */
    bool is_reference_good; /* check 12 was passed: its version is the new floor */
    bool has_nonce;
    uint8_t nonce[BH_NONCE_SIZE];
    enum profile profile;
    size_t findings;
    struct finding finding[RESULT_FINDINGS];
    size_t domains;
    struct verdict domain[RESULT_DOMAINS];
    bool has_keys; /* X25519 keys that the quote binds, and which domain asked for it */
    uint8_t verifier_x25519[BH_X25519_SIZE];
    uint8_t domain_x25519[BH_X25519_SIZE];
    uint32_t asked_by; /* index in `domain` */
};

#define CHECK_QUOTE 11u /* up to it checks need neither reference values nor rules */
#define CHECK_LAST  15u

/* Make all checks. Returns result->status too. */
enum exit_status appraise(const struct appraisal *appraisal, struct result *result);

/*
 * Make checks 1 to `last`, CHECK_QUOTE at most: what `enroll --pin` must know before it believes
 * evidence. EXIT_AFFIRMING says only that they passed. The record needn't be pinned.
 */
enum exit_status appraise_until(const struct appraisal *appraisal, unsigned last,
                                struct result *result);

#endif
