/*
 * Evidence: what core hands out when a domain asks for it, for a verifier on another machine
 * (RFC 9334). One CBOR map in deterministic encoding (RFC 8949, 4.2.1) with claims of an Entity
 * Attestation Token (RFC 9711) and private ones. Only the TPM's quote is signed; everything else
 * is bound to it by extraData, or is checked against what the quote says.
 */
#ifndef BULKHEAD_EVIDENCE_H
#define BULKHEAD_EVIDENCE_H

#include <stdint.h>

#include "bulkhead/image.h"

/* Limits. */
#define BH_EVIDENCE_MAX         (1u << 20) /* bytes */
#define BH_EVIDENCE_MAX_EVENTS  8192u
#define BH_EVIDENCE_MAX_DOMAINS 64u

#define BH_NONCE_SIZE  32u
#define BH_X25519_SIZE 32u
#define BH_UEID_SIZE   33u /* 01h (RFC 9711, 4.2.1: random), then SHA-256 of the EK's TPMT_PUBLIC */

/* The claims' keys, in the order in which they are encoded. */
enum bh_claim {
    BH_CLAIM_NONCE = 10,      /* bytes, BH_NONCE_SIZE */
    BH_CLAIM_UEID = 256,      /* bytes, BH_UEID_SIZE; absent if the TPM has no EK at its handle */
    BH_CLAIM_PROFILE = 265,   /* text: BH_EVIDENCE_PROFILE */
    BH_CLAIM_ATTEST = -65537, /* bytes: TPMS_ATTEST as the TPM gave it */
    BH_CLAIM_SIGNATURE = -65538, /* bytes: TPMT_SIGNATURE */
    BH_CLAIM_AK = -65539,        /* bytes: TPMT_PUBLIC */
    BH_CLAIM_PCRS = -65540,      /* map: PCR number -> bytes, SHA-256 bank, ascending */
    BH_CLAIM_LOG = -65541,       /* bytes: the event log (bulkhead/evlog.h) */
    BH_CLAIM_REPORT = -65542,    /* bytes: the report's own CBOR */
    BH_CLAIM_DOMAIN = -65543,    /* unsigned: index of the domain that asked */
    BH_CLAIM_KEYS = -65544,      /* array of two byte strings, BH_X25519_SIZE each: the verifier's
                                    and the domain's public key; absent if both are zero */
    BH_CLAIM_REFERENCE = -65545, /* bytes, 32: which reference values the verifier means to use;
                                    absent if zero */
};
#define BH_EVIDENCE_PROFILE "tag:bulkhead,2026:evidence-1"

/* The report: a map, likewise. Nothing in it is signed by itself: extraData has its hash. */
enum bh_report_key {
    BH_REPORT_BOOT_ID = 0,   /* bytes, 16: as in BH_EVENT_BOOT */
    BH_REPORT_NEXT = 1,      /* unsigned: sequence number of the next event */
    BH_REPORT_SMIS = 2,      /* unsigned: SMIs that interrupted domains and were intercepted, or
                                BH_SMIS_HIDDEN */
    BH_REPORT_SMI_WORST = 3, /* unsigned: the longest of them, ns */
    BH_REPORT_DOMAINS = 4,   /* array of maps, in the policy's order */
};
#define BH_SMIS_HIDDEN UINT64_MAX /* firmware has set HWCR.SMMLOCK: core sees none of them */
enum bh_report_domain_key {
    BH_REPORT_NAME = 0,       /* text */
    BH_REPORT_STATE = 1,      /* unsigned: enum bh_domain_state */
    BH_REPORT_STARTS = 2,     /* unsigned */
    BH_REPORT_CRASHES = 3,    /* unsigned */
    BH_REPORT_VIOLATIONS = 4, /* map: kind (line of violations.def) -> count, never 0, ascending */
    BH_REPORT_LAST = 5,       /* unsigned: sequence number of its last event */
};
enum bh_domain_state { BH_STATE_RUNNING = 1, BH_STATE_STOPPED, BH_STATE_CRASHED };

/*
 * extraData of the quote is the SHA-256 of this. What is absent is zero.
 */
struct bh_binding {
    char label[18]; /* BH_BINDING_LABEL, its terminating zero included */
    uint8_t nonce[BH_NONCE_SIZE];
    uint8_t verifier_x25519[BH_X25519_SIZE];
    uint8_t domain_x25519[BH_X25519_SIZE];
    uint8_t domain[2];  /* index, little-endian: core fills it in from who asked */
    uint8_t log[32];    /* SHA-256 of the log */
    uint8_t report[32]; /* SHA-256 of the report */
    uint8_t reference[32];
};
#define BH_BINDING_LABEL "bulkhead-quote-v1"
_Static_assert(sizeof(BH_BINDING_LABEL) == 18, "with its zero");
_Static_assert(sizeof(struct bh_binding) == 212, "no padding");

/* What is quoted: these PCRs, all in the SHA-256 bank and no other. */
#define BH_QUOTED_PCRS 0x000e03ffu /* 0-9, 17, 18, 19 */

/* The quote's signing scheme is ECDSA on NIST P-256 with SHA-256. The attestation key is a child
 * of the endorsement key; userWithAuth is clear, its policy is PolicyLocality(2). */
#define BH_AK_HANDLE 0x81014248u
#define BH_EK_HANDLE 0x81010001u /* TCG EK Credential Profile: RSA 2048, template L-1 */
#define BH_AK_POLICY                                                   \
    "\xf3\xd7\xb9\x18\xb2\xfa\x2a\x1c\x10\x8c\xc7\x17\xe7\xfb\x52\xf5" \
    "\x43\x18\x45\x80\xa3\x4e\x9f\xdb\xba\x2f\xbb\x2b\xbd\x11\xb0\x7b"

/*
 * NV indices, defined at enrolment, written only under PolicyLocality(2), read with an empty
 * password. The oldest version of the policy that may run is COUNTER - BASE.
 */
#define BH_NV_COUNTER 0x01804200u /* NV counter, 8 bytes */
#define BH_NV_BASE    0x01804201u /* 8 bytes, big-endian; written once, write-locked */
#define BH_NV_TRUST   0x01804202u /* SHA-256 of trust.pub, 32 bytes; written once, write-locked */

/*
 * Their attributes (TPMA_NV) when enrolment is complete, all of them; core accepts no others. Name
 * algorithm SHA-256, authPolicy BH_AK_POLICY. COUNTER: nt = counter, POLICYWRITE, AUTHREAD, NO_DA,
 * WRITTEN. BASE and TRUST: POLICYWRITE, WRITEDEFINE, AUTHREAD, NO_DA, WRITTEN, WRITELOCKED.
 */
#define BH_NV_COUNTER_ATTRIBUTES 0x22040018u
#define BH_NV_FIXED_ATTRIBUTES   0x22042808u

/* COUNTER follows the version that runs one step at a time, and each step writes to the TPM's
 * memory, which is slow and wears: a policy that is further ahead than this is refused. */
#define BH_VERSION_STEP_MAX 256u

/* What a domain that `may attest` passes to BH_CALL_ATTEST_START (bulkhead/abi.h). */
struct bh_attest_request {
    uint8_t nonce[BH_NONCE_SIZE];
    uint8_t verifier_x25519[BH_X25519_SIZE]; /* zero: no key exchange */
    uint8_t domain_x25519[BH_X25519_SIZE];
    uint8_t reference[32]; /* zero: none named */
};
_Static_assert(sizeof(struct bh_attest_request) == 128, "no hidden padding");

#endif
