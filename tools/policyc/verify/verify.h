/*
 * Does a policy image say what the policy says? Reads the bits, never the emitter: shares
 * with it only the formats and tables under include/. Differences and assertions that don't
 * hold are reported to the front.
 */
#ifndef POLICYC_VERIFY_H
#define POLICYC_VERIFY_H

#include "front/front.h"

/* `has_files`: the image is for use, so its files must have sizes and hashes. */
bool verify_image(struct front *front, const void *bytes, size_t size, bool has_files);

#endif
