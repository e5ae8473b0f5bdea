/* From the model to the policy image. */
#ifndef POLICYC_EMIT_H
#define POLICYC_EMIT_H

#include "front/front.h"

/* What is known of one file that the policy names. */
struct file_fact {
    const char *name;
    uint64_t size;
    uint8_t sha256[32];
    const uint8_t *bytes; /* `size` of them; NULL: its content isn't known */
};

struct image {
    uint8_t *bytes; /* malloc'ed; NULL unless emitted */
    size_t size;
};

/*
 * Emit the image of a checked policy. Without facts (NULL) files have size and hash 0: good
 * for checks, not for core. False: the errors are reported to the front.
 */
bool emit_image(struct front *front, const struct file_fact *facts, unsigned fact_count,
                struct image *image);

#endif
