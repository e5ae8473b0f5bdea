/* The two digests by which reference values name what a policy image gives. */
#ifndef POLICYC_PREDICT_DIGESTS_H
#define POLICYC_PREDICT_DIGESTS_H

#include "bulkhead/evlog.h"
#include <stddef.h>
#include <stdint.h>

/* bh_event_policy.tables, of an image whose rows lie inside of it. */
void digest_tables(const void *image, uint8_t sha256[BH_DIGEST]);

/* Of what `policyc dump --matrix` prints. Returns NULL, or what is wrong. */
const char *digest_matrix(const void *image, size_t size, uint8_t sha256[BH_DIGEST]);

#endif
