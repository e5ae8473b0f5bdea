/* Random numbers from RDRAND, refused where the CPU's source looks broken. */
#ifndef DOMAINS_LIB_RANDOM_H
#define DOMAINS_LIB_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One attempt at a 64-bit random number; false if there is none at the moment. */
typedef bool random_source(uint64_t *value);

/* RDRAND; false also if CPUID doesn't show it. */
bool random_rdrand(uint64_t *value);

/*
 * Fills words[0..count-1]. Each gets RANDOM_RETRIES attempts. Returns false, with all
 * words zero, if one has none left or the source repeats itself or sticks at all zeros or
 * all ones, as the RDRAND of some AMD CPUs did after a suspend.
 */
#define RANDOM_RETRIES 10
bool random_words(random_source *source, uint64_t *words, size_t count);

#endif
