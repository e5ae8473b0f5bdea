/*
 * A TPM behind the interface of tis_model: PCRs that are extended, NV indices, keys that are there
 * or not. What core measures at boot runs on it.
 */
#ifndef MODELS_BOOT_TPM_H
#define MODELS_BOOT_TPM_H

#include <stdbool.h>
#include <stdint.h>

#include "models/tis_model.h"

struct boot_tpm_index {
    bool is_there;
    uint32_t index;
    uint32_t claims; /* bits in which the index that it tells differs */
    uint16_t name_algorithm;
    uint32_t attributes;
    uint16_t policy_size; /* of the policy that it tells */
    uint8_t policy[33];
    uint16_t size;
    uint8_t value[32];
};

struct boot_tpm {
    uint8_t pcr[24][32]; /* SHA-256 bank */
    bool has_sha1;       /* a SHA-1 bank, too; its digests are all ones */
    bool has_no_sha256;  /* no SHA-256 bank */
    bool has_key;        /* at BH_AK_HANDLE */
    bool flips;          /* a bit of SHA-256's digest that it returns for an event is wrong */
    struct boot_tpm_index nv[3];

    uint32_t fails; /* command code that is refused, with code; 0: none */
    uint32_t skips; /* so many commands of that code pass before */
    uint32_t code;
    bool garbles; /* the response to it is right in size and nonsense inside instead */
};
extern struct boot_tpm boot_tpm;

/* A TPM that was never enrolled, SHA-256 bank only, on a good interface. */
void boot_tpm_reset(void);

/* One that was enrolled, with this counter and base, for the key whose SHA-256 is `trust`. */
void boot_tpm_enrol(uint64_t counter, uint64_t base, const uint8_t trust[32]);

/* Makes an index something that enrolment doesn't make, in one of so many ways. */
#define BOOT_TPM_FORGERIES 37u
void boot_tpm_forge(struct boot_tpm_index *index, uint32_t way);

#endif
