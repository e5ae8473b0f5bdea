/*
 * What a verifier must remember, in a directory: nonces it gave out, and the highest version of
 * reference values that it saw, per author and policy. Each function returns false, with a reason
 * in `fault`, only if the directory can't be used as it must.
 *
 *   open/NONCE   a nonce given out; holds the Unix time
 *   used/NONCE   likewise, when evidence came: moved there, so once only
 *   floor/ID     the highest version; ID is SHA-256(author's key, policy's name)
 */
#ifndef ATTEST_STATE_H
#define ATTEST_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "appraise.h"

#define NONCE_MAX_AGE 300 /* seconds, unless said otherwise */

struct state {
    char path[PATH_MAX];
    int64_t now; /* Unix time */
    int64_t max_age;
    char fault[FAULT_SIZE]; /* not empty: state_nonce met an error, and no verdict counts */
};

/* `path` NULL: $XDG_STATE_HOME/bulkhead, or $HOME/.local/state/bulkhead. Made if missing. */
bool state_open(struct state *state, const char *path, int64_t now, char fault[FAULT_SIZE]);

/* Give out a nonce. One that was given out before is refused. */
bool state_add_nonce(struct state *state, const uint8_t nonce[BH_NONCE_SIZE],
                     char fault[FAULT_SIZE]);

/* What is known of a nonce; an open one becomes a used one. For struct appraisal.nonce. */
enum nonce_verdict state_nonce(void *state, const uint8_t nonce[BH_NONCE_SIZE]);

/* 0 if none was seen. */
bool state_floor(const struct state *state, const struct reference *reference, uint64_t *floor,
                 char fault[FAULT_SIZE]);
bool state_raise_floor(const struct state *state, const struct reference *reference,
                       char fault[FAULT_SIZE]);

#endif
