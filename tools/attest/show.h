/* A verdict, for people and for programs. */
#ifndef ATTEST_SHOW_H
#define ATTEST_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "appraise.h"

/* A line a domain, what was found, what to do. */
void show_text(FILE *out, const struct result *result);

/*
 * An EAT Attestation Result (draft-ietf-rats-ear-04) in JSON, unsigned, with claims of our own:
 *
 *   {"eat_profile": "tag:ietf.org,2026:rats/ear#04", "iat", "ear_verifier_id", "eat_nonce",
 *    "ear_status", "submods": {NAME: {"ear_status", "ear_trustworthiness_vector"}},
 *    "nonce": hex or null, "profile": "static", "exit": 0,
 *    "domains": {NAME: {"tier", "code": "C601" or null, "component": or null, "image": hex or
 *                null, "starts"}},
 *    "findings": [{"code", "domain": NAME or null, "component", "sentence", "expected", "got"}],
 *    "keys": {"asked_by", "verifier_x25519", "domain_x25519"} if a key exchange was bound}
 *
 * NULL: out of memory.
 */
json_t *show_json(const struct result *result, int64_t now);

/*
 * Words that may hold a file's name, as a JSON string: where they aren't UTF-8, with ? for each
 * byte that isn't ASCII. NULL: out of memory.
 */
json_t *show_words(const char *words);

#endif
