/*
 * A TPM's FIFO interface (TCG PTP) at locality 2, for core/attest: it looks at how it is spoken
 * to, and fails as it is told to. A function of the test's answers commands.
 */
#ifndef MODELS_TIS_MODEL_H
#define MODELS_TIS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define TIS_MODEL_MAX 4096

struct tis_model {
    /* What the TPM does; zero: a good TPM, whose bursts take all, and which is never late. */
    bool is_absent;        /* nothing is there: all bits are set */
    bool no_valid_access;  /* tpmRegValidSts stays clear */
    bool is_held;          /* by a lower locality: only a seizure helps */
    bool refuses_locality; /* not even that */
    bool never_ready;
    uint32_t burst;         /* bytes at once; 0: any number */
    uint32_t stalls;        /* readings of the status with burst count 0 before each burst */
    uint32_t sticks_after;  /* bytes of a command after which the burst count stays 0; 0: never */
    bool expects_nothing;   /* claims to have enough before the last byte */
    bool expects_more;      /* wants bytes after the last */
    uint32_t execution_us;  /* how long a command takes */
    bool is_mute;           /* never answers */
    uint32_t cuts_after;    /* bytes of a response after which there are no more; 0: never */
    uint32_t freezes_after; /* bytes of a response after which stsValid is clear; 0: never */
    uint32_t extra;         /* bytes after the response's end */
    uint32_t repeats;       /* answers before the good one: TPM_RC_RETRY */
    uint32_t (*answer)(const uint8_t *command, uint32_t size, uint8_t *response);
    uint16_t tpm2_size; /* of ACPI's table; 0: there is none */
    uint32_t start_method;

    /* What it has seen. */
    uint8_t command[TIS_MODEL_MAX];
    uint32_t size;         /* of the last command */
    uint32_t commands;     /* begun by tpmGo */
    uint32_t accesses;     /* of registers */
    bool is_active;        /* locality 2 has it */
    const char *violation; /* the first thing that must not happen, or NULL */
};
extern struct tis_model tis_model;

/* A good TPM that answers so. */
void tis_model_reset(uint32_t (*answer)(const uint8_t *command, uint32_t size, uint8_t *response));

/* Answers with this code and nothing else; returns the response's size. */
uint32_t tis_model_code(uint8_t *response, uint32_t code);

/* The model's time, us; it goes on by each look at it. */
uint64_t tis_model_now(void);

#endif
