/* What core/mm/shadow.h offers, for unit tests of its users: it notes what it is asked. */
#ifndef MODELS_SHADOW_MODEL_H
#define MODELS_SHADOW_MODEL_H

#include "core/mm/shadow.h"

#define MODEL_ROOT 0x7000ull /* what shadow_root() returns; 1000h more each time */

struct shadow_model {
    bool refuses; /* shadow_init() */
    struct shadow_config config;
    unsigned inits, roots, faults, walks, invlpgs, resets, compares;
    struct shadow_guest guest; /* of the last call */
    uint64_t linear;
    uint32_t error;
    struct shadow_result result[2]; /* of the first fault, and of those that follow */
};

extern struct shadow_model shadow_model;

#endif
