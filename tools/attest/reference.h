/* Reference values: what policyc predicts of a machine that runs one policy. */
#ifndef ATTEST_REFERENCE_H
#define ATTEST_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "bulkhead/evlog.h"
#include "profile.h"
#include "signed.h"

#define REFERENCE_MAX        (1u << 20) /* bytes of a file of reference values */
#define REFERENCE_MAX_FILES  64u
#define REFERENCE_MAX_EVENTS (5u + 2u * BH_EVIDENCE_MAX_DOMAINS) /* 4 of core, 2 a domain, CAP */
#define COMPONENT_SIZE       48u

struct reference_file {
    char name[COMPONENT_SIZE];
    uint8_t sha256[BH_DIGEST];
};

struct reference_event {
    uint32_t pcr;
    uint32_t size; /* 0: only the enrolment record says what it holds (SMM) */
    uint8_t field[BH_EVENT_MAX];
};

struct reference {
    char fault[FAULT_SIZE]; /* not empty: nothing below is to be believed. Reported as E501 */
    uint8_t id[32];         /* SHA-256 of the file */
    char name[BH_NAME_SIZE + 1];
    char machine[BH_NAME_SIZE + 1];
    uint64_t version;
    uint8_t author[32];
    uint8_t tables[BH_DIGEST];
    uint8_t matrix[BH_DIGEST];
    enum profile profile; /* static or unmeasured */
    uint8_t pcr8[BH_DIGEST], pcr9[BH_DIGEST];
    size_t files;
    struct reference_file file[REFERENCE_MAX_FILES]; /* in the order in which GRUB loads them */
    size_t events;
    struct reference_event event[REFERENCE_MAX_EVENTS]; /* of PCR 17 and 18, in the log's order */
};

/* The values' JSON, whose signature has been checked. False: `fault` says why. */
bool reference_parse(struct reference *reference, const char *json, size_t size);

/* Read, check the author's signature, parse. What fails is kept in `fault`. */
void reference_load(struct reference *reference, const char *path, const struct public_key *author);

/* Of values without fault: their domains, and events by what they are of. */
size_t reference_domains(const struct reference *reference);
const struct reference_event *reference_core(const struct reference *reference);
const struct reference_event *reference_policy(const struct reference *reference);
const struct reference_event *reference_smm(const struct reference *reference);
const struct reference_event *reference_domain(const struct reference *reference, size_t index);
const struct reference_event *reference_start(const struct reference *reference, size_t index);

#endif
