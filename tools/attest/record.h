/*
 * An enrolment record: what an authority says of one machine's attestation key. A signed file of
 * JSON; bytes are lower-case hexadecimal, times Unix seconds.
 *
 *   {"format": "bulkhead-enrolment-1",
 *    "ueid": 01h, then SHA-256 of ek_public, "ek_public": TPMT_PUBLIC,
 *    "ak_public": TPMT_PUBLIC, "ak_name": its name, 000bh and SHA-256,
 *    "issued": 1700000000, "expires": 1731536000,
 *    "firmware_version": TPMS_ATTEST's, 8 bytes, highest first,
 *    "pcr": {"0": SHA-256 bank, ... "7": ...},  0, 2, 4 and 7 at least
 *    "smm": {"mode": "none", "replaced" or "firmware", "sha256": zeros unless replaced},
 *    "profile": "static" or "unmeasured"}
 *
 * The last three are absent before a trusted first boot has shown them.
 *
 * The authority's list of revoked keys, signed likewise:
 *
 *   {"format": "bulkhead-revoked-1", "ak_names": [...], "ueids": [...]}    ueids may be left out
 */
#ifndef ATTEST_RECORD_H
#define ATTEST_RECORD_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/evidence.h"
#include "bulkhead/evlog.h"
#include "profile.h"
#include "signed.h"

#define RECORD_MAX  65536u           /* bytes of a record's file */
#define PUBLIC_MAX  1024u            /* bytes of a TPMT_PUBLIC */
#define NAME_SIZE   (2u + BH_DIGEST) /* TPM2B_NAME's contents, nameAlg SHA-256 */
#define PINNED_PCRS 0x000000ffu      /* 0-7: what a record pins */
#define COMPARED_PCRS                                                    \
    (1u << 0 | 1u << 2 | 1u << 4 | 1u << 7) /* the others only change by \
                                               configuration */

struct record {
    char fault[FAULT_SIZE]; /* not empty: nothing below is to be believed. Reported as E201 */
    bool is_revoked;        /* by the authority's list */
    uint8_t ueid[BH_UEID_SIZE];
    uint8_t ak_public[PUBLIC_MAX]; /* TPMT_PUBLIC */
    size_t ak_public_size;
    uint8_t ak_name[NAME_SIZE];
    int64_t issued, expires;   /* Unix time; valid from `issued` up to, not at, `expires` */
    uint64_t firmware_version; /* TPMS_ATTEST's, of the TPM when it was enrolled */
    bool is_pinned;            /* what follows is there, COMPARED_PCRS at least among pcrs */
    uint32_t pcrs;             /* bit n: PCR n is pinned, of PINNED_PCRS */
    uint8_t pcr[8][BH_DIGEST]; /* their values, SHA-256 bank, by number */
    enum bh_smm_mode smm_mode;
    uint8_t smm_sha256[BH_DIGEST];
    enum profile profile;
    EVP_PKEY *ak; /* made of ak_public, once; NULL if that is no P-256 key */
};

/* The record's JSON, whose signature has been checked. False: `fault` says why. */
bool record_parse(struct record *record, const char *json, size_t size);

/* Read, check the authority's signature, parse. What fails is kept in `fault`. */
void record_load(struct record *record, const char *path, const struct public_key *authority);

/*
 * Look the record up in the authority's signed list of what is revoked. A list that isn't valid
 * becomes the record's fault.
 */
void record_revoke(struct record *record, const char *path, const struct public_key *authority);

void record_free(struct record *record);

#endif
