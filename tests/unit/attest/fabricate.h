/*
 * A machine that attests, made up in memory: a key of the test's own in the TPM's place. The steps
 * are made one after the other, and a test changes what stands between them:
 *
 *   machine_begin     its files, domains, firmware; a nonce; `record` and `rules` to match
 *   machine_measure   core's events, in order, and PCRs 0-9
 *   machine_extend    PCRs 17-19 by the events' digests
 *   machine_quote     log, report, TPMS_ATTEST, signature
 *   machine_encode    evidence
 *
 * machine_reference writes reference values of what was measured so far.
 */
#ifndef TESTS_UNIT_ATTEST_FABRICATE_H
#define TESTS_UNIT_ATTEST_FABRICATE_H

#include "tools/attest/appraise.h"
#include "tools/attest/claims.h"
#include "tools/attest/eventlog.h"

#define MACHINE_EVENTS  64u
#define MACHINE_DOMAINS 2u
#define WORK            0u
#define VAULT           1u
#define MACHINE_NOW     1800000000

enum machine_file { CORE, POLICY, SIGNATURE, TRUST, KERNEL, INITRD, IMAGE, MACHINE_FILES };

struct machine_event {
    uint32_t pcr;
    uint32_t type; /* EV_EVENT_TAG */
    uint8_t field[BH_EVENT_MAX + 8];
    uint32_t size;
    uint8_t digest[BH_DIGEST]; /* set by machine_extend unless has_digest */
    bool has_digest;
};

struct machine {
    EVP_PKEY *key;
    uint8_t file[MACHINE_FILES][BH_DIGEST];
    struct bh_event_policy policy;
    struct bh_event_smm smm;
    struct bh_event_boot boot;
    size_t events;
    struct machine_event event[MACHINE_EVENTS];
    uint8_t pcr[24][BH_DIGEST];
    struct bh_attest_request asked;
    uint16_t domain;
    struct evidence_domain domains[MACHINE_DOMAINS];
    struct evidence_report report;
    uint32_t reset_count, restart_count;
    uint8_t safe;
    uint8_t select_size; /* bytes of the PCR selection */
    uint64_t firmware;
    uint8_t ak[256], attest[512], signature[128], log[32768], reported[4096];
    size_t ak_size, attest_size, signature_size, log_size, reported_size;
    struct evidence claims; /* what machine_encode writes */
    uint8_t values[24][BH_DIGEST];
    uint8_t evidence[65536];
    size_t evidence_size;
    char reference_json[65536];
    struct record record;
    struct reference reference;
    struct rules rules;
    bool without_rules, without_reference, without_ueid;
    enum nonce_verdict nonce;
    unsigned asked_for_nonce; /* how often */
    uint64_t floor;
    struct result result;
};

void machine_begin(struct machine *machine);
void machine_measure(struct machine *machine);
void machine_extend(struct machine *machine);
void machine_report(struct machine *machine);
void machine_attest(struct machine *machine);
void machine_sign(struct machine *machine);
void machine_quote(struct machine *machine);
void machine_encode(struct machine *machine);
void machine_reference(struct machine *machine);

/* An event behind the last one. */
void machine_event(struct machine *machine, enum bh_event_type type, uint32_t pcr, uint32_t domain,
                   const void *body, size_t size);

/* The evidence's verdict. */
enum exit_status machine_appraise(struct machine *machine);

void machine_end(struct machine *machine);

#endif
