/* A policy of two domains with everything in it, emitted once for all tests of a program. */
#ifndef TESTS_POLICYC_SAMPLE_H
#define TESTS_POLICYC_SAMPLE_H

#include "bits.h"

#define WORK  0u
#define VAULT 1u

extern const char sample_policy[];
extern struct front front;
extern struct image image;

/* cmocka's group set-up and tear-down. */
int sample_begin(void **state);
int sample_end(void **state);

const struct bh_channel *sample_channel(unsigned index);

#endif
