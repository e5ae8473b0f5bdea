/* A line of a GRUB script, taken apart. */
#ifndef POLICYC_PREDICT_WORDS_H
#define POLICYC_PREDICT_WORDS_H

#include <stddef.h>

#define WORDS_MAX  64u
#define WORDS_ROOM 2048u /* longest line */

struct words {
    char room[WORDS_ROOM]; /* the words, each with its terminating zero */
    size_t used;
    char *word[WORDS_MAX];
    unsigned count; /* 0: an empty line, or a comment alone */
};

/* Why a line can't be predicted, and what to do. */
struct words_fault {
    const char *cause;
    const char *remedy;
};

/*
 * Take a line apart as GRUB does: white space separates words, quotes keep it, # begins a comment
 * where a word could begin. What else has a meaning to GRUB is refused. Returns NULL, or a fault.
 */
const struct words_fault *words_split(struct words *words, const char *line, size_t length);

#endif
