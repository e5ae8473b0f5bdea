/*
 * minisign's prehashed signatures (algorithm "ED"): an Ed25519 signature over the
 * BLAKE2b-512 hash of the file, and a second one over the first and the trusted comment.
 */
#ifndef CORE_POLICY_MINISIG_H
#define CORE_POLICY_MINISIG_H

#include "core/policy/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MINISIG_COMMENT_MAX 512u /* bytes of a trusted comment; minisign's own take 100 */

struct minisig_key {
    uint64_t id; /* as minisign prints it */
    uint8_t key[32];
};

/*
 * Read a public key: the text of `size` bytes that minisign -G writes. Whatever minisign
 * itself wouldn't write (other white space, more lines, other lengths) is refused.
 */
bool minisig_parse_key(const char *text, size_t size, struct minisig_key *key,
                       struct policy_fault *fault);

/*
 * Verify `data` by the signature file `text` and the trusted key. The faults tell apart
 * another author's key, altered data and an altered comment.
 */
bool minisig_verify(const struct minisig_key *key, const char *text, size_t text_size,
                    const void *data, size_t size, struct policy_fault *fault);

#endif
