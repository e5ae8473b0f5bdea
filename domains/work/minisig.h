/* minisign's file formats: a signature (.minisig, algorithm "ED") and a public key. */
#ifndef DOMAINS_WORK_MINISIG_H
#define DOMAINS_WORK_MINISIG_H

#include <stdbool.h>
#include <stdint.h>

#include "bulkhead/vault.h"

#define MINISIG_TEXT_MAX 1024u

/*
 * Whether both signatures of the reply hold for this hash under the key that came with it.
 * Vault's answer passes through memory that others can write.
 */
bool minisig_verify(const struct bh_vault_reply *reply, const uint8_t hash[64]);

/* The four lines of a .minisig file, with a terminating zero. The reply was verified. */
void minisig_signature_text(const struct bh_vault_reply *reply, char text[MINISIG_TEXT_MAX]);

/* The two lines of a public key file, with a terminating zero. */
void minisig_key_text(const struct bh_vault_reply *reply, char text[MINISIG_TEXT_MAX]);

#endif
