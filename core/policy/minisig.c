#include "core/policy/minisig.h"

#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>

#include "lib/memory.h"

#define COMMENT_LINE_MAX 1024u

/* What stands in base64 in the files. */
struct key_record {
    char algorithm[2]; /* "Ed" */
    uint8_t id[8];
    uint8_t key[32];
};
struct signature_record {
    char algorithm[2]; /* "ED"; "Ed" is the old form without prehash */
    uint8_t id[8];
    uint8_t signature[64];
};
_Static_assert(sizeof(struct key_record) == 42, "no padding");
_Static_assert(sizeof(struct signature_record) == 74, "no padding");

/* A text that is eaten line by line. */
struct lines {
    const char *at;
    size_t left;
    uint32_t number; /* of the line last taken, from 1 */
};
struct line {
    const char *text;
    size_t size; /* without the newline */
};

static bool next_line(struct lines *lines, struct line *line)
{
    lines->number++;
    if (lines->left == 0)
        return false;
    line->text = lines->at;
    line->size = 0;
    while (line->size < lines->left && line->text[line->size] != '\n')
        line->size++;
    size_t taken = line->size < lines->left ? line->size + 1 : line->size;
    lines->at += taken;
    lines->left -= taken;
    return true;
}

/* Take a line "<prefix>..." and leave in `line` what follows the prefix. */
static bool prefixed_line(struct lines *lines, const char *prefix, size_t max, struct line *line)
{
    size_t length = strlen(prefix);
    if (!next_line(lines, line) || line->size < length || line->size - length > max ||
        memcmp(line->text, prefix, length) != 0)
        return false;
    line->text += length;
    line->size -= length;
    return true;
}

/* libsodium's decoder takes ABh and AFh for '+' and '/': what isn't ASCII must not reach it. */
static bool is_ascii(const struct line *line)
{
    char seen = 0;
    for (size_t i = 0; i < line->size; i++)
        seen |= line->text[i];
    return (seen & '\x80') == 0;
}

/* Take a line that is the base64 form of just `size` bytes. */
static bool base64_line(struct lines *lines, void *bytes, size_t size)
{
    struct line line;
    size_t decoded = 0;
    return next_line(lines, &line) && is_ascii(&line) &&
           sodium_base642bin(bytes, size, line.text, line.size, NULL, &decoded, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           decoded == size;
}

/* minisign prints a key's id as a little-endian number. */
static uint64_t key_id(const uint8_t id[8])
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)id[i] << (8 * i);
    return value;
}

bool minisig_parse_key(const char *text, size_t size, struct minisig_key *key,
                       struct policy_fault *fault)
{
    struct lines lines = {.at = text, .left = size};
    struct line comment;
    struct key_record record;
    if (!prefixed_line(&lines, "untrusted comment: ", COMMENT_LINE_MAX, &comment) ||
        !base64_line(&lines, &record, sizeof record) || memcmp(record.algorithm, "Ed", 2) != 0)
        return policy_fail(fault, POLICY_KEY_FORM, lines.number, 0);
    if (lines.left != 0)
        return policy_fail(fault, POLICY_KEY_FORM, lines.number + 1, 0);
    key->id = key_id(record.id);
    memcpy(key->key, record.key, sizeof key->key);
    return true;
}

/* The four lines of a signature file; `trusted` is the trusted comment inside `text`. */
static bool parse_signature(struct lines lines, struct signature_record *record, uint8_t global[64],
                            struct line *trusted, struct policy_fault *fault)
{
    struct line comment;
    if (!prefixed_line(&lines, "untrusted comment: ", COMMENT_LINE_MAX, &comment) ||
        !base64_line(&lines, record, sizeof *record))
        return policy_fail(fault, POLICY_SIGNATURE_FORM, lines.number, 0);
    if (memcmp(record->algorithm, "Ed", 2) == 0)
        return policy_fail(fault, POLICY_SIGNATURE_LEGACY, lines.number, 0);
    if (memcmp(record->algorithm, "ED", 2) != 0 ||
        !prefixed_line(&lines, "trusted comment: ", MINISIG_COMMENT_MAX, trusted) ||
        !base64_line(&lines, global, 64))
        return policy_fail(fault, POLICY_SIGNATURE_FORM, lines.number, 0);
    if (lines.left != 0)
        return policy_fail(fault, POLICY_SIGNATURE_FORM, lines.number + 1, 0);
    return true;
}

bool minisig_verify(const struct minisig_key *key, const char *text, size_t text_size,
                    const void *data, size_t size, struct policy_fault *fault)
{
    struct signature_record record;
    uint8_t global[64];
    struct line trusted;
    struct lines lines = {.at = text, .left = text_size};
    if (!parse_signature(lines, &record, global, &trusted, fault))
        return false;
    if (key_id(record.id) != key->id) {
        policy_fail(fault, POLICY_OTHER_AUTHOR, 0, key_id(record.id));
        fault->other = key->id;
        return false;
    }
    uint8_t hash[crypto_generichash_blake2b_BYTES_MAX];
    crypto_generichash_blake2b(hash, sizeof hash, data, size, NULL, 0);
    if (crypto_sign_ed25519_verify_detached(record.signature, hash, sizeof hash, key->key) != 0)
        return policy_fail(fault, POLICY_ALTERED_IMAGE, 0, 0);
    uint8_t signed_text[64 + MINISIG_COMMENT_MAX];
    memcpy(signed_text, record.signature, 64);
    memcpy(signed_text + 64, trusted.text, trusted.size);
    if (crypto_sign_ed25519_verify_detached(global, signed_text, 64 + trusted.size, key->key) != 0)
        return policy_fail(fault, POLICY_ALTERED_COMMENT, 0, 0);
    return true;
}
